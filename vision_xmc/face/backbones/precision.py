"""The layers that must not run in half precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def in_full_precision(layer: nn.Module, inputs: Tensor) -> Tensor:
    """``layer(inputs)`` without autocast: in float32 where autocast would take float16 or bfloat16.

    A layer whose own weights are of half precision keeps them; nothing changes outside autocast.
    """
    # The context is entered only where it is needed, so that an exported graph does not hold it.
    device = inputs.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return layer(inputs.float())
    return layer(inputs)
