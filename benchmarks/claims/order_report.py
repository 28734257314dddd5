"""Tables and plot on the order of the labels."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.claims.order import HEADS, ORDERS, REGIMES
from benchmarks.harness.names import FULL_SOFTMAX, in_words
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Row, markdown_table, percent

_FIGURES = ("train_bits", "train_accuracy", "valid_bits", "valid_accuracy")
_COLOURS = {"product": "tab:red", "cascade-digit": "tab:green", "cascade-table": "tab:blue"}


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """A table for each regime, and one of what a random order costs in both."""
    means = means_of(rows)
    named = {}
    for regime in REGIMES:
        regime_rows = [row for row in means if row["regime"] == regime]
        if regime_rows:
            setting = (
                f"Width {regime_rows[0]['width']}, {regime_rows[0]['sentences']:,} sentences "
                f"({regime_rows[0]['positions']:,} words), {regime_rows[0]['updates']:,} updates."
            )
            named[regime] = f"{setting}\n\n{markdown_table(regime_rows, _COLUMNS)}"
    return named | {"loss": _losses(means)}


def means_of(rows: Sequence[Row]) -> list[Row]:
    """One row per regime, head and order, with means over seeds and `..._spread`."""
    averaged = []
    for regime in REGIMES:
        for head in HEADS:
            for kind in (*ORDERS, "none"):
                setting = f"{regime}, order {kind}"
                members = [row for row in rows if (row["name"], row["setting"]) == (head, setting)]
                if members:
                    mean = {**members[0], "regime": regime, "order": kind}
                    for key in _FIGURES:
                        figures = [row[key] for row in members]
                        mean[key] = statistics.mean(figures)
                        mean[f"{key}_spread"] = statistics.stdev(figures) if len(figures) > 1 else None
                    averaged.append(mean)
    return averaged


def _bits(key: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        spread = row[f"{key}_spread"]
        return f"{row[key]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")

    return cell


_COLUMNS: list[Column] = [
    ("head", lambda row: in_words(row["name"])),
    ("order", lambda row: "–" if row["order"] == "none" else row["order"]),
    ("its parameters", lambda row: f"{row['head_parameters']:,}"),
    ("training, bits", _bits("train_bits")),
    ("training accuracy", lambda row: percent(row["train_accuracy"])),
    ("validation, bits", _bits("valid_bits")),
    ("validation accuracy", lambda row: percent(row["valid_accuracy"])),
]


def _losses(means: Sequence[Row]) -> str:
    """A row for each regime and head: the figures of the random order less those of the clustered one."""
    by_key = {(row["regime"], row["name"], row["order"]): row for row in means}
    losses = []
    for regime in REGIMES:
        for head in _COLOURS:
            random, clustered = (by_key.get((regime, head, order)) for order in ("random", "clustered"))
            if random and clustered:
                loss = {key: random[key] - clustered[key] for key in _FIGURES}
                losses.append({"regime": regime, "name": head, **loss})
    return markdown_table(
        losses,
        [
            ("regime", lambda row: row["regime"]),
            ("head", lambda row: in_words(row["name"])),
            ("training, bits", lambda row: f"{row['train_bits']:+.3f}"),
            ("validation, bits", lambda row: f"{row['valid_bits']:+.3f}"),
            ("validation accuracy, points", lambda row: f"{100 * row['valid_accuracy']:+.1f}"),
        ],
    )


def plot(rows: Sequence[Row], path: Path) -> None:
    """Bits and accuracy on validation text by order, a column per regime."""
    means = means_of(rows)
    regimes = [regime for regime in REGIMES if any(row["regime"] == regime for row in means)]
    figure, axes = subplots(2, len(regimes), width=5, height=3.6)
    for column, regime in enumerate(regimes):
        for axis, key, label in zip(
            axes[:, column], ("valid_bits", "valid_accuracy"), ("validation, bits", "validation accuracy"),
            strict=True,
        ):  # fmt: skip
            for head, colour in _COLOURS.items():
                by_order = {
                    row["order"]: row for row in means if (row["regime"], row["name"]) == (regime, head)
                }
                kinds = [kind for kind in ORDERS if kind in by_order]
                axis.errorbar(
                    kinds, [by_order[kind][key] for kind in kinds],
                    yerr=[by_order[kind][f"{key}_spread"] or 0.0 for kind in kinds],
                    color=colour, marker="o", capsize=3, label=in_words(head),
                )  # fmt: skip
            full = [row for row in means if (row["regime"], row["name"]) == (regime, FULL_SOFTMAX)]
            if full:
                axis.axhline(full[0][key], color="black", linestyle=":", label=in_words(FULL_SOFTMAX))
            axis.set(ylabel=label, title=regime)
            axis.grid(True, alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    save(figure, path)
