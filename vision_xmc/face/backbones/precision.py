"""Runs layers that need full precision without autocast."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def in_full_precision(layer: nn.Module, inputs: Tensor) -> Tensor:
    """``layer(inputs)`` without autocast: in float32 where autocast would use float16 or bfloat16.

    Nothing changes outside of autocast; there, a layer with weights of half precision keeps them.
    """
    # The context is entered only if it is needed, so that an exported graph does not hold it.
    device = inputs.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return layer(inputs.float())
    return layer(inputs)
