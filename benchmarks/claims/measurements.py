"""What is measured for each claim: names, settings, and the functions that measure."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.claims import argmax, order, rank
from benchmarks.claims.trained import Frozen, TrainedModel, frozen_features, sentences
from benchmarks.harness.fitting import Stopwatch
from benchmarks.harness.names import FULL_SOFTMAX
from benchmarks.harness.process import CommandError
from mhe_nmt.order import named_order

#: No other benchmark trains the joint form.
JOINT = "product-4-groups-joint"


@dataclass(frozen=True)
class Measurement:
    """A row to be measured: its id, its setting, its inputs, and the function that measures it."""

    name: str
    setting: str
    made_with: dict[str, Any]
    figures: Callable[[], dict[str, Any]]


def _rank(options: argparse.Namespace, seed: int) -> Iterator[Measurement]:
    made_with = {"data": options.data.name, "positions": options.positions}

    def figures(name: str) -> dict[str, Any]:
        return rank.measure(name, _features(options, seed), seed, options.cache)

    for name in rank.MODELS:
        yield Measurement(name, "frozen features", made_with, functools.partial(figures, name))


def _features(options: argparse.Namespace, seed: int) -> Frozen:
    return frozen_features(options.cache, options.full, options.data, options.positions, seed)


def _argmax(options: argparse.Namespace, seed: int) -> Iterator[Measurement]:
    def random(case: argmax.RandomCase) -> dict[str, Any]:
        watch = Stopwatch()
        return argmax.rates(case.head(), case.features(options.cases, seed)) | watch.figures()

    def trained(run: Path) -> dict[str, Any]:
        watch = Stopwatch()
        model = TrainedModel(run, options.data)
        if argmax.kind_of(model.head) is None:
            raise CommandError(f"--runs {run}: a {type(model.head).__name__} has no digits; leave it out")
        return argmax.rates(model.head, model.features("valid")[0]) | watch.figures()

    def fitted() -> dict[str, Any]:
        watch = Stopwatch()
        frozen = _features(options, seed)
        model = rank.load(JOINT, frozen, options.cache)
        if model is None:
            raise CommandError(f"{options.cache} has no head {JOINT!r}; run python -m benchmarks.claims rank")
        return argmax.rates(model.head, frozen.valid[0]) | watch.figures()

    for case in argmax.random_cases():
        setting = f"random logits, scale {case.scale:g}"
        yield Measurement(case.name, setting, {"cases": options.cases}, functools.partial(random, case))
    for run in options.runs:
        made_with = {"data": options.data.name}
        yield Measurement(run.name, "trained model", made_with, functools.partial(trained, run))
    if options.runs:
        made_with = {"data": options.data.name, "positions": options.positions}
        yield Measurement(JOINT, "frozen features", made_with, fitted)


def _order(options: argparse.Namespace, seed: int) -> Iterator[Measurement]:
    def figures(regime: str, head: str, kind: str) -> dict[str, Any]:
        text = sentences(options.data)
        return order.measure(order.REGIMES[regime], order.HEADS[head], ranks(kind, text.labels), text, seed)

    def ranks(kind: str, labels: int) -> Tensor | None:
        if kind == "none":
            return None
        spec = str(options.order or options.data / "order.txt") if kind == "clustered" else kind
        try:
            return named_order(spec, labels, seed, what=f"--order {spec}")
        except ValueError as error:
            raise CommandError(str(error)) from error

    made_with = {"data": options.data.name}
    for regime in order.REGIMES:
        for head in order.HEADS:
            for kind in ("none",) if head.startswith(FULL_SOFTMAX) else order.ORDERS:
                measure = functools.partial(figures, regime, head, kind)
                yield Measurement(head, f"{regime}, order {kind}", made_with, measure)


CLAIMS: dict[str, Callable[[argparse.Namespace, int], Iterator[Measurement]]] = {
    "rank": _rank,
    "argmax": _argmax,
    "order": _order,
}
"""In the order in which they can be measured: argmax needs a head that rank fits."""
