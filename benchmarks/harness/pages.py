"""Writes tables into the pages that include them, and commands into shell scripts.

A page includes a table by two lines, `<!-- table: NAME -->` and `<!-- end -->`; what stands between them is
replaced. Everything else on a page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.harness.process import ROOT
from benchmarks.harness.results import write_whole

RESULTS = ROOT / "docs" / "results"
"""The rows that the documentation shows."""

_INCLUDED = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def publish(results: Path, tables: Mapping[str, str], commands: str | None = None) -> None:
    """Writes the tables and the commands of a results file.

    Args:
        results: if it is among those of the documentation, tables go into the pages that include them;
            otherwise into a file next to it (.md).
        tables: Markdown by name.
        commands: a shell script, goes to `commands/STEM.sh`.
    """
    if commands is not None:
        write_whole(results.parent / "commands" / f"{results.stem}.sh", commands)
    if results.parent.resolve() != RESULTS:
        parts = [f"## {name}\n\n{table}\n" for name, table in tables.items()]
        write_whole(results.with_suffix(".md"), "\n".join(parts))
        return
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = filled(before, tables)
        if after != before:
            write_whole(page, after)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The text of a page with these tables in their places; the others stay as they are."""

    def place(match: re.Match[str]) -> str:
        table = tables.get(match[2])
        return match[0] if table is None else f"{match[1]}\n{table}\n\n{match[4]}"

    return _INCLUDED.sub(place, page)


def included(page: str) -> dict[str, str]:
    """The tables of a page by name, as they stand there."""
    return {match[2]: match[3].strip("\n") for match in _INCLUDED.finditer(page)}


def pages() -> Iterator[Path]:
    """The pages of the documentation."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))
