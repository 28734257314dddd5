"""The tables of the documentation are those that the scripts make of the stored rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.pages import RESULTS, filled, included, pages, publish
from benchmarks.harness.process import ROOT
from benchmarks.reports import REPORTS

MADE = {name: table for report in REPORTS.values() for name, table in report.tables().items()}
WITH_TABLES = [page for page in pages() if included(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_TABLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_included_tables_are_up_to_date(page: Path) -> None:
    for name, table in included(page.read_text(encoding="utf-8")).items():
        assert table == MADE[name], f"run `python -m benchmarks` to make the table {name} anew"


def test_every_page_of_results_includes_its_tables() -> None:
    found = {page.stem for page in WITH_TABLES if page.parent == RESULTS}
    assert found >= {path.stem for path in RESULTS.glob("*.jsonl")} - {"smoothing", "decoding-memory-kept"}


@pytest.mark.parametrize("name", MADE)
def test_tables_have_at_most_seven_columns(name: str) -> None:
    rows = [line for line in MADE[name].splitlines() if line.startswith("|")]
    assert all(row.count("|") <= 8 for row in rows)
    assert len({row.count("|") for row in rows}) <= 1


def test_every_plot_is_shown_somewhere() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages() if page.name != "README.md")
    plots = {plot.name for plot in RESULTS.glob("*.png")}
    assert {plot for plot in plots if plot not in text} == set()


def test_only_the_named_table_is_replaced() -> None:
    page = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n<!-- table: y -->\n<!-- end -->\n"
    new = filled(page, {"x": "| new |"})
    assert new == "a\n<!-- table: x -->\n\n| new |\n\n<!-- end -->\nb\n<!-- table: y -->\n<!-- end -->\n"
    assert filled(new, {"x": "| new |"}) == new
    assert included(new) == {"x": "| new |", "y": ""}


def test_tables_of_other_results_go_next_to_them(tmp_path: Path) -> None:
    publish(tmp_path / "mine.jsonl", {"mine-a": "| a |", "mine-b": "| b |"}, "echo\n")
    assert (tmp_path / "mine.md").read_text() == "## mine-a\n\n| a |\n\n## mine-b\n\n| b |\n"
    assert (tmp_path / "commands" / "mine.sh").read_text() == "echo\n"
