"""The plot of `benchmarks.vocabulary`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.names import ADAPTIVE, FULL_SOFTMAX, in_words
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Row
from benchmarks.vocabulary.layers import LAYERS

#: The colour shows the kind of output layer, the marker the order of the labels.
_COLOURS = {
    "full": "black", "full-chunked": "tab:pink", "onehot": "tab:brown", "adaptive": "tab:gray",
    "sampling": "tab:purple", "product": "tab:red", "groups": "tab:orange", "digit": "tab:green",
    "table": "tab:blue",
}  # fmt: skip
_IDS = {
    "full": FULL_SOFTMAX, "full-chunked": f"{FULL_SOFTMAX}-torch-chunked",
    "onehot": f"{FULL_SOFTMAX}-chunked", "adaptive": ADAPTIVE, "groups": "product-8-groups",
    "digit": "cascade-digit", "table": "cascade-table",
}  # fmt: skip
_MARKERS = {"dictionary": "o", "clustered": "s", "cells": "^"}


def plot(rows: Sequence[Row], path: Path) -> None:
    """Excess against parameters and against the time of training, a column for each V."""
    sizes = sorted({row["labels"] for row in rows})
    figure, axes = subplots(2, len(sizes), width=4.6, height=4.2)
    for column, size in enumerate(sizes):
        # An output layer that was only timed has no excess to show.
        trained_rows = [
            row for row in rows if row["labels"] == size and row["updates"] == row["updates_of_most"]
        ]
        if not trained_rows:
            continue
        by_size, by_time = axes[:, column]
        # The full softmax is drawn last: layers with as many parameters would hide it.
        for row in sorted(trained_rows, key=lambda row: row["name"] == FULL_SOFTMAX):
            style = _style(row["name"])
            by_size.plot(row["parameters"], row["excess_bits"], linestyle="", markersize=7, **style)
            points = [*row["curve"], row]
            by_time.plot(
                [point["train_seconds"] for point in points], [point["excess_bits"] for point in points],
                linewidth=1, markersize=8, markevery=[-1], **style,
            )  # fmt: skip
        by_size.set(xlabel="parameters of the output layer", title=f"V = {size:,}")
        by_time.set(xlabel="processor seconds of training")
        for axis in (by_size, by_time):
            axis.axhline(trained_rows[0]["unigram_excess_bits"], color="tab:gray", linestyle=":", linewidth=1)
            axis.set(xscale="log", ylabel="excess, bits")
            axis.xaxis.set_minor_formatter("")
            axis.grid(True, alpha=0.3)
        # The excess of the first updates would leave no room for the rest.
        highest = max([trained_rows[0]["unigram_excess_bits"], *(row["excess_bits"] for row in trained_rows)])
        for axis in (by_size, by_time):
            axis.set_ylim(0, 1.1 * highest)
    handles = _legend(axes[0, 0])
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=9)
    save(figure, path)


def _style(name: str) -> dict[str, Any]:
    layer = LAYERS[name]
    hollow = {"markerfacecolor": "white"} if "prototypes" in layer.options else {}
    return {"color": _COLOURS[_kind(name)], "marker": _MARKERS[layer.order], **hollow}


def _kind(name: str) -> str:
    layer = LAYERS[name]
    if layer.head == "product":
        return "groups" if "groups" in layer.options else "product"
    return layer.options.get("conditioning", "table") if layer.head == "cascade" else layer.head


def _legend(axis: Any) -> list[Any]:
    entries = [
        ({"color": colour, "marker": "o"}, in_words(_IDS.get(kind, kind)))
        for kind, colour in _COLOURS.items()
    ]
    entries += [({"color": "dimgray", "marker": mark}, f"order: {order}") for order, mark in _MARKERS.items()]
    entries.append(({"color": "dimgray", "marker": "s", "markerfacecolor": "white"}, "8 prototypes"))
    handles = [axis.plot([], [], linestyle="", label=label, **style)[0] for style, label in entries]
    handles += axis.plot([], [], color="tab:gray", linestyle=":", label="true frequencies, no context")
    return handles
