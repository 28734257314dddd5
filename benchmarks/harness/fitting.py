"""Small trainings inside a benchmark: Adam with a warm-up and linear decay, each update timed."""

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
    """Trains for `updates` updates; the learning rate rises for `warmup` of them and falls to 0 over all.

    Args:
        parameters: of the model.
        backward: is given the number of the update and adds its gradients to the parameters.
        updates: at least 1.
        rate: the highest learning rate.
        warmup: number of updates.
        after: called after each update with the number of updates so far; its time is not counted.

    Returns:
        Seconds of processor time of each update, including Adam's part.
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
    """The time that a measurement takes, and the machine that it runs on."""

    def __init__(self) -> None:
        self._wall, self._processor = time.monotonic(), time.process_time()

    def figures(self) -> dict[str, Any]:
        """Wall time and processor time in seconds since the start, the processor's name, and versions."""
        return {
            "wall_seconds": time.monotonic() - self._wall,
            "cpu_seconds": time.process_time() - self._processor,
            "threads": torch.get_num_threads(),
            "processor": cpu_name(),
            "versions": versions(),
        }
