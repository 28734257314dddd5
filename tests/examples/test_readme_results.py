"""The results in the README are those of the pages that scripts write."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def table(path: str, heading: str) -> list[str]:
    """The lines of the first table behind a line of text."""
    lines = (REPOSITORY / path).read_text(encoding="utf-8").splitlines()
    start = next(
        n for n, line in enumerate(lines[lines.index(heading) :], lines.index(heading)) if "|" in line
    )
    end = next(n for n, line in enumerate(lines[start:], start) if not line.startswith("|"))
    return lines[start:end]


@pytest.mark.parametrize(
    ("heading", "page"),
    [
        ("### Multi30k", "multi30k"),
        ("### Tatoeba", "tatoeba"),
        ("### Tatoeba, 64,000 subwords", "tatoeba-64k"),
    ],
)
def test_translation(heading: str, page: str) -> None:
    shown = table("README.md", heading)
    assert len(shown) > 4
    assert shown == table(f"docs/results/{page}.md", "Means over seeds:")
