"""Small trainings inside a benchmark: Adam with a warm-up and linear decay, and what the updates took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from benchmarks.harness.runner import cpu_name, versions


def fit(
    parameters: Iterable[nn.Parameter],
    backward: Callable[[int], None],
    *,
    updates: int,
    rate: float,
    warmup: int = 50,
    after: Callable[[int], None] | None = None,
) -> list[float]:
    """Trains for so many updates; the learning rate rises over `warmup` of them and falls to 0 over all.

    Args:
        parameters: of the model.
        backward: given the number of the update, adds its gradients to the parameters.
        updates: at least 1.
        rate: the highest learning rate.
        warmup: updates.
        after: called after each update with how many there were, outside what is timed.

    Returns:
        Seconds of processor time of each update, Adam's part included.
    """
    optimizer = torch.optim.Adam(list(parameters), lr=rate, betas=(0.9, 0.98), fused=True)
    seconds = []
    for update in range(updates):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (update + 1) / warmup) * (1 - update / updates)
        started = time.process_time()
        optimizer.zero_grad()
        backward(update)
        optimizer.step()
        seconds.append(time.process_time() - started)
        if after is not None:
            after(update + 1)
    return seconds


class Stopwatch:
    """What a measurement took, and where it ran."""

    def __init__(self) -> None:
        self._wall, self._processor = time.monotonic(), time.process_time()

    def figures(self) -> dict[str, Any]:
        """Seconds on the wall and of the processor since the start, the processor's name, versions."""
        return {
            "wall_seconds": time.monotonic() - self._wall,
            "cpu_seconds": time.process_time() - self._processor,
            "threads": torch.get_num_threads(),
            "processor": cpu_name(),
            "versions": versions(),
        }
