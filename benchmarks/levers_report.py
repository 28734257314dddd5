"""The tables of `benchmarks.levers`, one a section."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from .results import Column, columns, markdown_table, read_rows, signatures, write_whole

_INTRODUCTION = """Multi30k de-en with a small model (2 + 2 layers of 192) and short trainings (1,400 updates
with linear decay, three passes), as `python -m benchmarks.levers` runs them; likelihood of val, BLEU and
chrF++ of test_2016_flickr, beam 5. Single runs: 0.01 bits or half a BLEU point between two of them mean
nothing. What was tried and left out used options that are gone again."""

_PRECISION: Column = (
    "trained in",
    lambda row: "bfloat16" if "--autocast-bf16" in row["commands"][0] else "float32",
)


def write_report(results: Path) -> None:
    """The .md file beside the .jsonl file."""
    write_whole(results.with_suffix(".md"), _report(results))


def _report(results: Path) -> str:
    rows = sorted(read_rows(results, ("section", "name", "seed")), key=lambda row: row["section"])
    parts = ["# Levers, one at a time", _INTRODUCTION]
    for section, members in groupby(rows, key=lambda row: row["section"]):
        parts += [f"## {section}", markdown_table(list(members), [*columns((1.0,)), _PRECISION])]
    parts += ["\n".join(f"`{signature}`" for signature in signatures(rows)), "## Commands"]
    parts += [f"{row['section']}, {row['name']}:\n\n    {row['commands'][0]}" for row in rows]
    return "\n\n".join(parts) + "\n"
