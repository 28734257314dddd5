"""Where the host may look at values."""

from __future__ import annotations

import torch
from torch import Tensor


def may_wait(tensor: Tensor) -> bool:
    """Whether the host may read values of ``tensor``: on a device it would wait, and a graph would break.

    Where it may not, every operation has a shape that follows from shapes alone.
    """
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()
