"""Gradient checkpointing that does not change the running statistics of batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, inputs: Tensor) -> Tensor:
    """``block(inputs)``, with activations that are computed again in the backward pass.

    Only ``inputs`` is kept. Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016).
    """
    return checkpoint(
        block, inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _frozen_statistics(block))
    )


@contextmanager
def _frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Lets batch norm normalise by the batch's statistics without recording them a second time."""
    recording = [
        part for part in block.modules() if isinstance(part, _BatchNorm) and part.track_running_stats
    ]
    before = [(part.momentum, part.num_batches_tracked) for part in recording]
    for part in recording:
        part.momentum, part.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for part, (momentum, count) in zip(recording, before, strict=True):
            part.momentum, part.num_batches_tracked = momentum, count
