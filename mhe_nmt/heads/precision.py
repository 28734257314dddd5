"""In which precision heads compute: products as autocast has it, logarithms in float32 at least."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """``tensor`` in float32, or in float64 if it is that already: log-softmax is never taken in half."""
    return tensor.to(wide_dtype(tensor.dtype))


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """float32, or float64 for float64."""
    return torch.promote_types(dtype, torch.float32)


def autocast_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype that matrix products of ``tensor`` have: that of autocast, where it is on and casts it."""
    if autocast_is_on(tensor.device) and tensor.dtype != torch.float64:
        return torch.get_autocast_dtype(tensor.device.type)
    return tensor.dtype


def autocast_is_on(device: torch.device) -> bool:
    """Whether autocast is on for this kind of device; False for kinds that do not know it."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A context in which products have the dtype of their operands."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()


def log_softmax(logits: Tensor) -> Tensor:
    """Log-softmax over the last dimension, at least float32."""
    return F.log_softmax(logits, dim=-1, dtype=wide_dtype(logits.dtype))
