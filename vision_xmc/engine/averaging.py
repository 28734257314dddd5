"""Averages of the weights during a training: EMA and SWA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """A running average of a model's floating-point parameters and buffers, in float32 (or float64).

    ``ema``: after each update ``average += (1 - d) * (weights - average)`` with ``d`` the smaller of
    ``decay`` and ``(1 + n) / (10 + n)`` after ``n`` updates, so that the random initial weights are
    soon forgotten. ``swa``: the plain mean of the weights at each call (Izmailov et al., 2018). Batch-norm
    statistics are averaged along with the weights. Integer buffers are not averaged.

    Args:
        model: whose weights are averaged; its modules must not be replaced afterwards.
        kind: ``"ema"`` or ``"swa"``.
        decay: of ``ema``, in ``(0, 1)``.
    """

    def __init__(self, model: nn.Module, kind: str, decay: float = 0.9999) -> None:
        if kind not in ("ema", "swa"):
            raise ValueError(f"kind must be 'ema' or 'swa', got {kind!r}")
        self.kind, self.decay = kind, decay
        self.count = 0
        self._live = {
            name: tensor
            for name, tensor in model.state_dict(keep_vars=True).items()
            if tensor.is_floating_point()
        }
        # In half precision, small changes would be lost to rounding.
        self.values = {
            name: tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32), copy=True)
            for name, tensor in self._live.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Adds the current weights to the average."""
        if self.kind == "ema":
            share = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        else:
            share = 1 / (self.count + 1)
        live = [tensor.to(self.values[name].dtype) for name, tensor in self._live.items()]
        torch._foreach_lerp_(list(self.values.values()), live, share)
        self.count += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside the block, and its own again after it.

        Before the first update, nothing changes.
        """
        if not self.count:
            yield
            return
        kept = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        self._copy(self.values)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, source: dict[str, Tensor]) -> None:
        for name, tensor in self._live.items():
            tensor.copy_(source[name])

    def state_dict(self) -> dict[str, object]:
        """For a checkpoint: the count and the averages."""
        return {"count": self.count, "values": self.values}

    def load_state_dict(self, state: dict) -> None:
        """Restores what :meth:`state_dict` returned."""
        self.count = state["count"]
        for name, tensor in self.values.items():
            tensor.copy_(state["values"][name])
