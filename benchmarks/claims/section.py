"""What the section of a claim consists of."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """A line of the summary."""

    claim: str
    measured: str
    verdict: str


class Section(NamedTuple):
    """Lines of the summary, and the text."""

    summary: list[Line]
    text: str


def percent(share: float) -> str:
    """`0.9532` as `95.3 %`, and 1 as `100 %` only if it is that."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    return f"{100 * share:.1f} %" if 0.001 <= share <= 0.999 else f"{100 * share:.2f} %"
