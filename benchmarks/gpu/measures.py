"""The figures of a row: waits and launches of a step, and its time and memory."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.gpu.device import Budget, Device
from benchmarks.gpu.layers import LAYERS
from benchmarks.gpu.steps import Setting, Steps

MOST_WAITS: dict[str, tuple[int, int]] = {"sampling-15-percent": (1, 1)}
"""How often a head may make the host wait, in a training and in a decoding step; 0 and 1 for the others."""


def waits(name: str, setting: Setting, device: Device) -> dict[str, Any]:
    """How often the host waits for the device in a step, where, and how many kernels the step launches.

    Figures are None where they cannot be had: on the CPU, and of decoding for layers that do not decode.
    """
    layer, steps = LAYERS[name], Steps(name, setting, device)
    row: dict[str, Any] = {"wrong": []}
    calls: dict[str, Callable[[], Any]] = {"train": steps.train}
    if layer.decodes:
        calls["decode"] = steps.decode()
    for (step, call), most in zip(calls.items(), MOST_WAITS.get(name, (0, 1)), strict=False):
        # What is made once is made by the second step.
        steps.module.train(step == "train")
        call()
        call()
        places = device.waits(call)
        row[f"{step}_waits"] = None if places is None else places.total()
        row[f"{step}_where"] = shown(places or Counter())
        row[f"{step}_launches"] = device.launches(call)
        if layer.ours and places is not None and places.total() > most:
            kind = "training" if step == "train" else "decoding"
            row["wrong"].append(
                f"the host waits {places.total()} times in a {kind} step (at most {most}): {shown(places)}"
            )
    return row


def shown(places: Counter[str]) -> str:
    """The places with the most waits, in words."""
    return "; ".join(f"{place} × {count}" for place, count in places.most_common(4))


def times(name: str, setting: Setting, device: Device, budget: Budget, seconds: float) -> dict[str, Any]:
    """Milliseconds and peak memory of a training and of a decoding step.

    Args:
        name: row id of the layer.
        setting: its size.
        device: where it runs.
        budget: measuring ends early where nothing is left of it.
        seconds: how long a step is repeated.
    """
    layer, steps = LAYERS[name], Steps(name, setting, device)
    steps.module.train()
    row: dict[str, Any] = {"wrong": [], "parameters": steps.parameters()}
    row |= {f"train_{key}": value for key, value in timed(steps.train, device, budget, seconds).items()}
    row["gradient_mb"] = steps.gradient_mb()
    steps.release()
    row["train_peak_mb"] = device.peak_mb(steps.train)
    if layer.decodes:
        step = steps.decode()
        # A search waits for the step's result, so that calls cannot follow each other without a pause.
        figures = timed(step, device, budget, seconds, in_a_row=1)
        row |= {f"decode_{key}": value for key, value in figures.items()}
        row["decode_peak_mb"] = device.peak_mb(step)
    return row


def timed(
    call: Callable[[], Any], device: Device, budget: Budget, seconds: float, in_a_row: int | None = None
) -> dict[str, float | int]:
    """The median time of a call in milliseconds, and the fastest, over samples of several calls each.

    The calls of a sample are launched without waiting between them, as in a training; there are enough of
    them for 20 ms, unless `in_a_row` says how many.
    """

    def sample(calls: int) -> float:
        device.wait()
        started = time.perf_counter()
        for _ in range(calls):
            call()
        device.wait()
        return (time.perf_counter() - started) / calls

    # The first calls compile, choose algorithms and take memory.
    for _ in range(2):
        sample(1)
    calls = in_a_row or min(50, max(1, math.ceil(0.02 / sample(1))))
    samples: list[float] = []
    while len(samples) < 3 or (sum(samples) * calls < seconds and len(samples) < 25):
        samples.append(sample(calls))
        if budget.left() < 2:
            break
    return {
        "ms": 1000 * statistics.median(samples),
        "ms_least": 1000 * min(samples),
        "samples": len(samples),
        "calls": calls,
    }
