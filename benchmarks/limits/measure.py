"""Steps of all heads and their needed products, timed in turn in one process."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.layers import LAYERS, random_order
from benchmarks.gpu.steps import BEAM, SENTENCES, K, sharpness, zipf
from benchmarks.harness.results import Row
from benchmarks.limits.products import (
    DENSE,
    Linear,
    Matrices,
    Products,
    needed_prefixes,
    of_decoding,
    of_training,
    shapes,
)

NAMES = (
    "plain", "onehot", "product", "product-8-groups", "cascade-table", "cascade-table-order", "cascade-digit",
    "sampling-15-percent",
)  # fmt: skip
"""Row ids of the heads, in the order of the tables."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

#: Seconds of a call's repeats in a round, and the most repeats.
_ROUND, _MOST_REPEATS = 0.02, 20

#: Rows whose entropy is measured while features are sharpened.
_ROWS = 24


@dataclass(frozen=True)
class Size:
    """labels, features: V and d. positions: of a training step."""

    labels: int = 32_000
    features: int = 512
    positions: int = 1200


class _Timed:
    """A step and its products, with the processor seconds that a call took in each round."""

    def __init__(self, row: Row, step: Callable[[], Any], products: Products) -> None:
        self._row, self._products = row, products
        self._calls: dict[str, Callable[[], Any]] = {"measured": step, "needed": products}
        self._seconds: dict[str, list[float]] = {name: [] for name in self._calls}
        # The first call takes memory and chooses algorithms.
        for call in self._calls.values():
            call()
        self._repeats = {
            name: min(_MOST_REPEATS, math.ceil(_ROUND / max(_seconds(call, 1), 1e-6)))
            for name, call in self._calls.items()
        }

    def once(self) -> None:
        """A round: each of the two is called until it has taken a while, and the mean is kept."""
        for name, call in self._calls.items():
            self._seconds[name].append(_seconds(call, self._repeats[name]))

    def total(self) -> float:
        """The seconds of all rounds."""
        return sum(sum(self._seconds[name]) * repeats for name, repeats in self._repeats.items())

    def finished(self) -> Row:
        """The row with its figures, from medians."""
        measured, needed = (1000 * statistics.median(seconds) for seconds in self._seconds.values())
        return self._row | {
            "measured_ms": measured,
            "needed_ms": needed,
            "ratio": measured / needed,
            "gflop": self._products.operations / 1e9,
            "gflop_per_s": self._products.operations / needed / 1e6,
            "products": len(self._products),
            "rounds": len(self._seconds["needed"]),
            "repeats": self._repeats,
        }


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    """The processor time of a call, as the mean of some."""
    started = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started) / repeats


def measure(
    size: Size, mode: str, *, names: Sequence[str], rounds: int, seconds: float, smoothing: float
) -> list[Row]:
    """A row per head and kind of step.

    Args:
        size: of everything.
        mode: float32 or bfloat16, of parameters and features.
        names: row ids of the heads.
        rounds: in each of them every step and its products are called, one after the other.
        seconds: a head that has taken as long as this is left out of further rounds, after three of them.
        smoothing: label smoothing in training.
    """
    matrices: Matrices = {}
    timed = [made for name in names for made in _of_head(name, size, mode, smoothing, matrices)]
    for turn in range(rounds):
        for made in timed:
            if turn < 3 or made.total() < seconds:
                made.once()
    return [made.finished() for made in timed]


def _of_head(name: str, size: Size, mode: str, smoothing: float, matrices: Matrices) -> list[_Timed]:
    torch.manual_seed(0)
    head: Any = LAYERS[name].build(size.features, size.labels, dtype=DTYPES[mode])
    head.label_smoothing = smoothing
    radices = (0, 0)
    if name.startswith(("product", "cascade")):
        first, second = head.codec.radices.tolist()
        radices = (first, second)
    order = random_order(size.labels) if name == "cascade-table-order" else None
    made = []
    for kind in ("training", "decoding"):
        row: Row = {
            "name": name, "step": kind, "mode": mode, "labels": size.labels, "features": size.features,
            "positions": size.positions, "smoothing": smoothing,
        }  # fmt: skip
        step, layers = (
            _training(head, name, size, DTYPES[mode], radices, order)
            if kind == "training"
            else _decoding(head, name, size, DTYPES[mode], radices, order)
        )
        products = Products(layers, DTYPES[mode], gradients=kind == "training", made=matrices)
        made.append(_Timed(row | {"layers": shapes(layers)}, step, products))
    return made


def _training(
    head: Any, name: str, size: Size, dtype: torch.dtype, radices: tuple[int, int], order: Tensor | None
) -> tuple[Callable[[], Any], list[Linear]]:
    features = torch.randn(size.positions, size.features).to(dtype).requires_grad_()
    target = zipf(size.labels, size.positions)

    def step() -> None:
        head.train()
        features.grad = None
        head.zero_grad(set_to_none=True)
        head.loss(features, target).backward()

    fraction = getattr(head, "sample_fraction", 0.0)
    return step, of_training(name, size.features, size.labels, target, radices, order, fraction)


@torch.no_grad()
def _decoding(
    head: Any, name: str, size: Size, dtype: torch.dtype, radices: tuple[int, int], order: Tensor | None
) -> tuple[Callable[[], Any], list[Linear]]:
    head.eval()
    features = torch.randn(SENTENCES, BEAM, size.features).to(dtype)
    scores = -torch.rand(SENTENCES, BEAM).cumsum(-1)
    features = features * sharpness(head, features.flatten(0, 1)[:_ROWS])
    needed: Callable[[int, int], Tensor] = partial(_needed, head, features, scores, order)
    layers = of_decoding(name, size.features, size.labels, radices, needed)

    @torch.no_grad()
    def step() -> None:
        head.eval()
        if name in DENSE[:1]:
            head.beam_topk(features, scores, K)
        else:
            head.beam_topk(features, scores, K, None, head.precompute(features))

    return step, layers


def _needed(
    head: Any, features: Tensor, scores: Tensor, order: Tensor | None, first: int, second: int
) -> Tensor:
    log_prob = head.log_prob(features.flatten(0, 1))
    return needed_prefixes(log_prob, scores, order, first, second)
