"""Tables of `benchmarks.limits`: a row per head, training and decoding beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.layers import LAYERS
from benchmarks.harness.pages import publish
from benchmarks.harness.results import Column, Row, markdown_table, measured_with, read_rows
from benchmarks.limits.measure import DTYPES, NAMES

KEY = ("name", "step", "mode", "labels", "features", "positions")
"""The fields that tell rows apart."""

SIZES = (32_000, 128_000)
"""The vocabularies that have a place in the documentation."""

NOT_YET = "Not yet measured."


def write_report(results: Path) -> None:
    """Writes the tables of a results file."""
    publish(results, tables(results))


def tables(results: Path) -> dict[str, str]:
    """A table per vocabulary and dtype; those of :data:`SIZES` always, others where there are rows."""
    rows = read_rows(results, KEY)
    sizes = dict.fromkeys((*SIZES, *(row["labels"] for row in rows)))
    made = {f"{labels}-{mode}": _table(rows, labels, mode) for labels in sizes for mode in DTYPES}
    made["setting"] = _setting(rows, results)
    return {f"{results.stem}-{name}": text or NOT_YET for name, text in made.items()}


def _setting(rows: Sequence[Row], results: Path) -> str:
    if not rows:
        return ""
    last = rows[-1]
    kept = "kept for the next tensor" if last["memory_kept"] else "handled as glibc does by default"
    return (
        f"d = {last['features']:,}, {last['positions']:,} positions, label smoothing {last['smoothing']:g}. "
        f"Freed memory is {kept}. {measured_with(rows)} The rows are in [{results.name}]({results.name})."
    )


def _table(rows: Sequence[Row], labels: int, mode: str) -> str:
    cells = {
        (row["name"], row["step"]): row for row in rows if row["labels"] == labels and row["mode"] == mode
    }

    def column(step: str, title: str, field: str, pattern: str) -> Column:
        def cell(named: Row) -> str:
            row = cells.get((named["name"], step))
            return "–" if row is None else pattern.format(row[field])

        return title, cell

    columns: list[Column] = [("output layer", lambda row: LAYERS[row["name"]].words)]
    for step in ("training", "decoding"):
        columns += [
            column(step, f"{step}, ms", "measured_ms", "{:.1f}"),
            column(step, "products, ms", "needed_ms", "{:.2f}"),
            column(step, "ratio", "ratio", "{:.2f}"),
        ]
    names = [{"name": name} for name in NAMES if any(found == name for found, _ in cells)]
    return markdown_table(names, columns) if names else ""
