"""The results in the README are those of the pages that scripts write."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def table(path: str, heading: str) -> list[str]:
    """The lines of the first table behind a line of text."""
    lines = (REPOSITORY / path).read_text(encoding="utf-8").splitlines()
    start = next(
        n for n, line in enumerate(lines[lines.index(heading) :], lines.index(heading)) if "|" in line
    )
    end = next(n for n, line in enumerate(lines[start:], start) if not line.startswith("|"))
    return lines[start:end]


def test_translation() -> None:
    shown = table("README.md", "## Results")
    assert len(shown) > 4
    assert shown == table("docs/results/multi30k.md", "Means over seeds:")
