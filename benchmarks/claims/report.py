"""Tables, commands and plots of `benchmarks.claims`, from its rows."""

from __future__ import annotations

from pathlib import Path

from benchmarks.claims import argmax_report, order_report, rank_report
from benchmarks.harness.names import in_words
from benchmarks.harness.pages import publish
from benchmarks.harness.recipe import script
from benchmarks.harness.results import Row, measured_with, read_rows

KEY = ("claim", "name", "setting", "seed")

_CLAIMS = {"argmax": argmax_report, "rank": rank_report, "order": order_report}


def write_report(results: Path) -> None:
    """Writes the tables, the commands and a plot per claim, next to the results file."""
    rows = read_rows(results, KEY)
    titled = [(f"{in_words(row['name'])}; {row['setting']}, seed {row['seed']}", row) for row in rows]
    publish(results, tables(results), script(titled))
    for claim, module in _CLAIMS.items():
        if claim_rows := _of(claim, rows):
            module.plot(claim_rows, results.with_name(f"{results.stem}-{claim}.png"))


def tables(results: Path) -> dict[str, str]:
    """The tables of all claims that have rows."""
    rows = read_rows(results, KEY)
    named = {
        f"{results.stem}-{claim}-{name}": text
        for claim, module in _CLAIMS.items()
        if (claim_rows := _of(claim, rows))
        for name, text in module.tables(claim_rows).items()
    }
    if rows:
        minutes = sum(row["cpu_seconds"] for row in rows) / 60
        measured = f"{len(rows)} measurements, {minutes:.0f} minutes of processor time. {measured_with(rows)}"
        named[f"{results.stem}-measured"] = measured
    return named


def _of(claim: str, rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["claim"] == claim]
