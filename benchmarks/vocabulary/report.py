"""Tables, commands and plot of `benchmarks.vocabulary`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.names import FULL_SOFTMAX, in_words
from benchmarks.harness.pages import publish
from benchmarks.harness.recipe import script
from benchmarks.harness.results import Column, Row, markdown_table, measured_with
from benchmarks.vocabulary.layers import LAYERS
from benchmarks.vocabulary.plot import plot


def write_report(rows: Sequence[Row], results: Path) -> None:
    """Writes the tables, the commands and the plot of the rows of a results file."""
    if rows:
        titled = [(f"{in_words(row['name'])}, V = {row['labels']:,}", row) for row in rows]
        publish(results, tables(rows, results.stem), script(titled))
        plot(rows, results.with_suffix(".png"))


def tables(rows: Sequence[Row], stem: str) -> dict[str, str]:
    """The best of each vocabulary size, the texts, and quality and cost for each size."""
    by_size = {
        size: sorted(
            (row for row in rows if row["labels"] == size), key=lambda row: list(LAYERS).index(row["name"])
        )
        for size in sorted({row["labels"] for row in rows})
    }
    minutes = sum(row["cpu_seconds"] for row in rows) / 60
    named = {
        "best": _best(
            [of_size for of_size in by_size.values() if any(row["name"] == FULL_SOFTMAX for row in of_size)]
        ),
        "texts": markdown_table([of_size[0] for of_size in by_size.values()], _TEXTS),
        "measured": f"All rows took {minutes:.0f} minutes of processor time. {measured_with(rows)}",
    }
    for size, of_size in by_size.items():
        named[f"{size}-quality"] = markdown_table(of_size, _QUALITY)
        named[f"{size}-cost"] = markdown_table(of_size, _cost(of_size))
    return {f"{stem}-{name}": text for name, text in named.items()}


_TEXTS: list[Column] = [
    ("V", lambda row: f"{row['labels']:,}"),
    ("updates", lambda row: f"{row['updates_of_most']:,} of {row['batch']:,} positions"),
    ("different words seen", lambda row: f"{row['types_seen']:,}"),
    ("entropy, bits", lambda row: f"{row['entropy_bits']:.3f}"),
    ("held-out words, bits", lambda row: f"{row['source_bits']:.3f}"),
    ("best accuracy, %", lambda row: f"{100 * row['best_accuracy']:.1f}"),
    ("excess without context, bits", lambda row: f"{row['unigram_excess_bits']:.3f}"),
]


def _best(by_size: Sequence[Sequence[Row]]) -> str:
    """The best output layers of each vocabulary size; orders that no corpus reveals are left out."""
    titles = {
        "V": "V", "full": in_words(FULL_SOFTMAX), "least": "least excess",
        "small": "least excess with a tenth of its parameters", "fast": "fastest update at its excess",
    }  # fmt: skip
    columns = [(title, lambda row, key=key: row[key]) for key, title in titles.items()]
    return markdown_table([_offer(of_size) for of_size in by_size], columns)


def _offer(rows: Sequence[Row]) -> Row:
    base = next(row for row in rows if row["name"] == FULL_SOFTMAX)
    real = [row for row in rows if LAYERS[row["name"]].order != "cells" and _is_trained(row)]
    small = [row for row in real if 10 * row["parameters"] <= base["parameters"]]
    level = base["excess_bits"] + 3 * base["excess_error_bits"]
    kept = [row for row in real if row["excess_bits"] <= level] if _is_trained(base) else []
    cost = f"{_short(base['parameters'] / 1e6)} M parameters, {_short(base['step_ms'])} ms"
    excess = f"{base['excess_bits']:.2f} bits" if _is_trained(base) else "not trained"

    def least(among: Sequence[Row], key: str) -> str:
        return _told(min(among, key=lambda row: row[key]), base) if among else "–"

    return {
        "V": f"{base['labels']:,}", "full": f"{excess}, {cost}", "least": least(real, "excess_bits"),
        "small": least(small, "excess_bits"), "fast": least(kept, "step_ms"),
    }  # fmt: skip


def _is_trained(row: Row) -> bool:
    return bool(row["updates"] == row["updates_of_most"])


def _told(row: Row, base: Row) -> str:
    if row is base:
        return in_words(row["name"])
    parts = [_short(row[key] / base[key]) + "×" for key in ("parameters", "step_ms")]
    return f"{in_words(row['name'])}: {row['excess_bits']:.2f} bits, parameters {parts[0]}, time {parts[1]}"


def _name(row: Row) -> str:
    words = in_words(row["name"])
    return words if _is_trained(row) else f"{words}, {row['updates']} updates"


def _excess(row: Row) -> str:
    return f"{row['excess_bits']:.3f} ± {row['excess_error_bits']:.3f}" if _is_trained(row) else "–"


_QUALITY: list[Column] = [
    ("output layer", _name),
    ("its parameters", lambda row: f"{row['parameters']:,}"),
    ("excess, bits", _excess),
    ("accuracy, %", lambda row: f"{100 * row['accuracy']:.1f}" if _is_trained(row) else "–"),
]


def _cost(rows: Sequence[Row]) -> list[Column]:
    base = next((row for row in rows if row["name"] == FULL_SOFTMAX), None)

    def time(field: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            ratio = f" ({_short(row[field] / base[field])}×)" if base else ""
            return f"{_short(row[field])}{ratio}"

        return cell

    return [
        ("output layer", _name),
        ("update, ms", time("step_ms")),
        ("prediction, ms", time("predict_ms")),
        ("peak of training, MB", lambda row: _short(row["peak_mb"])),
        ("peak of prediction, MB", lambda row: _short(row["predict_peak_mb"])),
    ]


def _short(value: float) -> str:
    """About three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
