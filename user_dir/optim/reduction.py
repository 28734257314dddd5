"""Averages of sparse gradients over the processes of a training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextlib.contextmanager
def without(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Hides parameters from ``--ddp-backend legacy_ddp``, which would reduce them as dense ones."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def average_rows(parameter: nn.Parameter, group: Any) -> None:
    """Makes the sparse gradient the average over the processes of ``group``, the same bits in all of them.

    A process without a gradient counts as one with none of the rows. What is sent grows with the rows of the
    process that has most. Does nothing in a training of one process.
    """
    world = dist.get_world_size(group) if group is not None else 1
    if world == 1:
        return
    rows, values = _rows_and_values(parameter)
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.zeros_like(count) for _ in range(world)]
    dist.all_gather(counts, count, group=group)
    numbers = [int(one) for one in counts]
    all_rows = _gathered(rows, max(numbers), world, group)
    all_values = _gathered(values, max(numbers), world, group)
    merged = torch.cat([part[:number] for part, number in zip(all_values, numbers, strict=True)])
    places = torch.cat([part[:number] for part, number in zip(all_rows, numbers, strict=True)])
    parameter.grad = torch.sparse_coo_tensor(
        places.unsqueeze(0), merged.div_(world), parameter.shape, check_invariants=False
    ).coalesce()


def _rows_and_values(parameter: nn.Parameter) -> tuple[Tensor, Tensor]:
    if parameter.grad is None:
        rows = torch.zeros(0, dtype=torch.int64, device=parameter.device)
        return rows, parameter.data[:0]
    gradient = parameter.grad.coalesce()
    return gradient._indices()[0], gradient._values()


def _gathered(part: Tensor, most: int, world: int, group: Any) -> list[Tensor]:
    """Of every process its ``part`` ``(n, …)``, filled up to ``most`` rows."""
    filled = part.new_zeros(most, *part.shape[1:])
    filled[: len(part)] = part
    found = [torch.empty_like(filled) for _ in range(world)]
    dist.all_gather(found, filled, group=group)
    return found
