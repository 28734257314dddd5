"""Exchanges between the processes of a training, with exact gradients. A single process exchanges nothing.

Rows of a batch are called examples here. Processes may hold different numbers of examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world() -> tuple[int, int]:
    """The number of processes, and the rank of this one."""
    return (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)


def sum_(values: Tensor) -> Tensor:
    """Replaces ``values`` by their sums over all processes."""
    if world()[0] > 1:
        dist.all_reduce(values)
    return values


def max_(values: Tensor) -> Tensor:
    """Replaces ``values`` by the largest ones over all processes."""
    if world()[0] > 1:
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return values


def shared_seed(device: torch.device) -> int:
    """A random number that is equal on all processes: the next one of the first process's torch generator.

    Every process draws one, so that their generators stay in step; the loop seeds them for each update.

    Args:
        device: of the training; some backends exchange tensors on GPUs only.
    """
    seed = torch.randint(2**62, ())
    if world()[0] > 1:
        seed = seed.to(device)
        dist.broadcast(seed, src=0)
    return int(seed)


def example_counts(examples: int, device: torch.device) -> list[int]:
    """How many examples each process has; this one has ``examples``."""
    processes, rank = world()
    counts = torch.zeros(processes, dtype=torch.int64, device=device)
    counts[rank] = examples
    return sum_(counts).tolist()


def gather_examples(own: Tensor, counts: Sequence[int]) -> Tensor:
    """The examples of all processes, in their order: ``(counts[rank], …)`` to ``(sum(counts), …)``.

    Gradients come back summed over all processes.
    """
    return own if world()[0] == 1 else _GatherExamples.apply(own, counts)


def own_examples(everywhere: Tensor, counts: Sequence[int]) -> Tensor:
    """This process's part of what :func:`gather_examples` gives."""
    start = sum(counts[: world()[1]])
    return everywhere[start : start + counts[world()[1]]]


def gather_objects(own: Any) -> list[Any]:
    """The objects of all processes."""
    processes = world()[0]
    if processes == 1:
        return [own]
    objects: list[Any] = [None] * processes
    dist.all_gather_object(objects, own)
    return objects


class _GatherExamples(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: Sequence[int]) -> Tensor:
        ctx.counts = counts
        # Gathered tensors must be of one size.
        padded = own.new_zeros(max(counts), *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return own_examples(sum_(gradient.contiguous().clone()), ctx.counts), None
