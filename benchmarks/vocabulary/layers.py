"""The output layers to measure, by row id, and the options that all rows of a table share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.names import ADAPTIVE, FULL_SOFTMAX


@dataclass(frozen=True)
class Layer:
    """An output layer: `full`, `full-chunked`, `adaptive` or the head's name, its label order and options.

    `full` and `adaptive` are torch's; so is `full-chunked`, the full softmax with torch's chunked loss.
    """

    head: str
    order: str = "dictionary"
    options: dict[str, Any] = field(default_factory=dict)


def _cascade(order: str = "dictionary", **options: Any) -> Layer:
    return Layer("cascade", order, options)


TORCH_CHUNKED = f"{FULL_SOFTMAX}-torch-chunked"

LAYERS: dict[str, Layer] = {
    FULL_SOFTMAX: Layer("full"),
    TORCH_CHUNKED: Layer("full-chunked"),
    f"{FULL_SOFTMAX}-chunked": Layer("onehot"),
    ADAPTIVE: Layer("adaptive"),
    "sampling-5-percent": Layer("sampling", options={"sample_fraction": 0.05, "unit": "block"}),
    "product": Layer("product"),
    "product-clustered": Layer("product", "clustered"),
    "product-8-groups": Layer("product", options={"groups": 8}),
    "product-8-groups-clustered": Layer("product", "clustered", {"groups": 8}),
    "cascade-digit": _cascade(conditioning="digit"),
    "cascade-digit-clustered": _cascade("clustered", conditioning="digit"),
    "cascade-table": _cascade(),
    "cascade-table-clustered": _cascade("clustered"),
    "cascade-table-8-prototypes-clustered": _cascade("clustered", prototypes=8),
    "cascade-table-cells": _cascade("cells"),
}
"""The order is the dictionary's, by frequency, unless the name says another."""

#: All of them compute the same, in different ways.
FULL_SOFTMAXES = tuple(name for name in LAYERS if name.startswith(FULL_SOFTMAX))

#: With more labels a full softmax takes many seconds per update: only its time and memory are measured.
MANY_LABELS = 300_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of a training, the same for every output layer."""
    add = parser.add_argument
    # fmt: off
    add("--updates", type=int, default=None, metavar="N",
        help="default: 1500 up to 10,000 labels, 200 up to 100,000, 100 above")
    add("--full-updates", type=int, default=3, metavar="N",
        help=f"updates of the full softmax above {MANY_LABELS:,} labels (default: %(default)s)")
    add("--batch", type=int, default=None, metavar="N",
        help="positions per update (default: 256 up to 10,000 labels, 512 up to 100,000, 1024 above)")
    add("--held-out", type=int, default=2048, metavar="N", help="positions scored (default: %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    # fmt: on


def updates_of_most(labels: int, options: argparse.Namespace) -> int:
    """The number of updates of an output layer; higher where updates are cheaper."""
    return options.updates or (1500 if labels <= 10_000 else 200 if labels <= 100_000 else 100)


def batch_of(labels: int, options: argparse.Namespace) -> int:
    """The number of positions per update."""
    return options.batch or (256 if labels <= 10_000 else 512 if labels <= 100_000 else 1024)


def updates_of(name: str, labels: int, options: argparse.Namespace) -> int:
    """The number of updates of this output layer."""
    most = updates_of_most(labels, options)
    return min(options.full_updates, most) if name in FULL_SOFTMAXES and labels > MANY_LABELS else most
