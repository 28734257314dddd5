"""The output layer's part of a decoding step: from the decoder's features to the chosen continuations."""

from __future__ import annotations

import argparse
import ctypes
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h


@dataclass
class Step:
    """The inputs of the output layer and of the search in one step of a real beam search."""

    step: int
    features: Tensor  # (rows, d)
    scores: Tensor  # (sentences, beam, step)
    tokens: Tensor  # (rows, step + 1)


@torch.no_grad()
def record(generator: Any, model: Any, batch: dict[str, Any]) -> list[Step]:
    """Runs the search on ``batch`` and keeps the inputs of output layer and search in every step."""
    steps: list[Step] = []
    features: list[Tensor] = []
    search_step, extract = generator.search.step, model.decoder.extract_features

    def keep_features(*args: Any, **kwargs: Any) -> Any:
        output, extra = extract(*args, **kwargs)
        features.append(output[:, -1])
        return output, extra

    def keep_step(step: int, lprobs: Tensor, scores: Tensor, tokens: Tensor, *rest: Any) -> Any:
        steps.append(Step(step, features[-1].clone(), scores.clone(), tokens.clone()))
        return search_step(step, lprobs, scores, tokens, *rest)

    generator.search.step, model.decoder.extract_features = keep_step, keep_features
    try:
        generator.generate([model], batch)
    finally:
        generator.search.step, model.decoder.extract_features = search_step, extract
    return steps


def replay(generator: Any, model: Any, recorded: Step) -> Callable[[], Any]:
    """A function that repeats the output layer and the choice of continuations of a recorded step."""
    shape = recorded.scores.shape[:2]

    def choose(columns: Tensor) -> Any:
        return generator.search.step(
            recorded.step, columns.view(*shape, -1), recorded.scores, recorded.tokens, None
        )

    def through_candidates() -> Any:
        return choose(generator.model.begin_step([recorded.features]))

    def through_all_scores() -> Any:
        output = recorded.features.unsqueeze(1)
        if model.decoder.adaptive_softmax is None:
            output = model.decoder.output_layer(output)
        log_probs = model.get_normalized_probs((output, None), log_probs=True)[:, -1]
        # Like the generator, which never lets padding through.
        log_probs[:, generator.pad] = -torch.inf
        return choose(log_probs)

    return through_candidates if hasattr(generator.model, "begin_step") else through_all_scores


@torch.no_grad()
def measure(model: Any, task: Any, batch: dict[str, Any], beam: int, repeats: int) -> dict[str, Any]:
    """Median milliseconds of a step's output layer, and the memory that it needs at its peak.

    The steps are those of a real search on ``batch``, except for the first, where all hypotheses are equal.
    """
    options = argparse.Namespace(beam=beam, max_len_a=0, max_len_b=6, min_len=6)
    generator = task.build_generator([model], options)
    # In the last step the generator lets only the end of the sentence through.
    steps = record(generator, model, batch)[1:-1]
    calls = [replay(generator, model, recorded) for recorded in steps]
    for call in calls:
        call()
    times: list[float] = []
    for _ in range(repeats):
        # A step that takes several seconds needs fewer repetitions.
        if sum(times) > 60_000:
            break
        for call in calls:
            started = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - started))
    return {
        "rows": len(steps[0].features),
        "step_ms": statistics.median(times),
        "step_ms_p20": statistics.quantiles(times, n=5)[0],
        "step_ms_p80": statistics.quantiles(times, n=5)[-1],
        "step_peak_mb": max(peak_memory(call) for call in calls),
    }


def peak_memory(call: Callable[[], Any]) -> float:
    """The largest growth of the process during ``call`` in MB (Linux, glibc)."""
    allocator = ctypes.CDLL(None)
    # Each tensor of 64 KB or more gets its own pages and returns them when it is freed; the heap hides none.
    allocator.mallopt(_MMAP_THRESHOLD, 1 << 16)
    allocator.malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        call()
        return max(0.0, _status("VmHWM") - before)
    finally:
        # The value that the allocator itself reaches in a process that frees large tensors.
        allocator.mallopt(_MMAP_THRESHOLD, 32 << 20)


def _status(field: str) -> float:
    text = Path("/proc/self/status").read_text()
    match = re.search(rf"{field}:\s+(\d+) kB", text)
    assert match is not None
    return int(match.group(1)) / 1024
