"""Gradient checkpointing that leaves the running statistics of batch norm as they would be without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, inputs: Tensor) -> Tensor:
    """``block(inputs)``, whose inner activations are computed again in the backward pass.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016). Only ``inputs`` is kept.
    """
    return checkpoint(
        block, inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _frozen_statistics(block))
    )


@contextmanager
def _frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norm inside still divides by the statistics of the batch but does not record them once more."""
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
