"""Table and plot on cross entropy against rank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.names import FULL_SOFTMAX, in_words
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import OUTPUT_LAYER, Column, Row, markdown_table, percent

_STYLES = {
    "bottleneck": ("full softmax behind a bottleneck", "black", "o"),
    "product": ("product", "tab:red", "*"),
    "joint": ("product, groups, joint form", "tab:orange", "s"),
    "mixture": ("product, groups", "tab:pink", "D"),
    "cascade-table": ("cascade by table", "tab:blue", "^"),
    "cascade-digit": ("cascade by digit", "tab:green", "v"),
    "sampling": ("sampling", "tab:purple", "x"),
}


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """One table with all output layers."""
    return {"fits": markdown_table(sorted(rows, key=_place), _COLUMNS), "setting": _setting(rows[0])}


def _setting(row: Row) -> str:
    rates = ", ".join(f"{rate:g}" for rate in row["rates"])
    return (
        f"Each output layer saw {row['positions']:,} positions once, in {row['updates']:,} updates, with "
        f"each of the learning rates {rates}."
    )


def _place(row: Row) -> tuple[int, int]:
    return list(_STYLES).index(row["family"]), row["rank"] or 10**6


_COLUMNS: list[Column] = [
    OUTPUT_LAYER,
    ("rank", lambda row: str(row["rank"] or "–")),
    ("parameters", lambda row: f"{row['parameters']:,}"),
    ("validation, bits", lambda row: f"{row['valid_bits']:.3f}"),
    ("accuracy", lambda row: percent(row["valid_accuracy"])),
    ("update, ms", lambda row: f"{row['step_ms']:.0f}"),
]


def plot(rows: Sequence[Row], path: Path) -> None:
    """Bits against parameters, and accuracy against rank as in the paper's figure."""
    figure, axes = subplots(1, 2, width=6, height=4.5)
    left, right = axes[0]
    for family, (label, colour, marker) in _STYLES.items():
        family_rows = sorted(
            (row for row in rows if row["family"] == family), key=lambda row: row["parameters"]
        )
        if not family_rows:
            continue
        style: dict[str, Any] = {"color": colour, "marker": marker, "label": label}
        style["linestyle"] = "-" if family in ("bottleneck", "joint", "mixture") else ""
        left.plot(
            [row["parameters"] for row in family_rows], [row["valid_bits"] for row in family_rows], **style
        )
        ranked = [row for row in family_rows if row["rank"]]
        if ranked:
            accuracy = [100 * row["valid_accuracy"] for row in ranked]
            right.plot([row["rank"] for row in ranked], accuracy, **style)
    full = next((row for row in rows if row["name"] == FULL_SOFTMAX), None)
    if full:
        label = in_words(FULL_SOFTMAX)
        right.axhline(100 * full["valid_accuracy"], color="gray", linestyle=":", label=label)
    left.set(xscale="log", xlabel="parameters of the output layer", ylabel="validation, bits")
    right.set(xscale="log", xlabel="rank (groups, or units of the bottleneck)", ylabel="accuracy, %")
    for axis in (left, right):
        axis.grid(True, alpha=0.3)
        axis.legend(fontsize=8)
    save(figure, path)
