"""Label orders as text: one rank a line."""

from __future__ import annotations

from collections.abc import Iterable


def parse_ranks(lines: Iterable[str], num_labels: int, labels: str = "the labels") -> list[int]:
    """Ranks of label 0, 1, 2 … from lines of one integer each; empty lines and ``#`` comments are left out.

    Whether all labels have a rank is for the caller to check: the list may be shorter than ``num_labels``.

    Args:
        lines: of an order file.
        num_labels: ``V``; ranks are in ``[0, V)``.
        labels: what the ranks are of, for messages.

    Raises:
        ValueError: naming the line, where it holds no integer, a rank out of range or one that came before.
    """
    ranks: list[int] = []
    first_line: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            rank = int(text)
        except ValueError:
            raise ValueError(f"line {number}: {text[:40]!r} is not an integer rank") from None
        if not 0 <= rank < num_labels:
            raise ValueError(f"line {number}: rank {rank} is outside [0, {num_labels}), {labels}")
        if rank in first_line:
            raise ValueError(
                f"line {number}: rank {rank} stands on line {first_line[rank]} already; "
                "the ranks must be a permutation"
            )
        first_line[rank] = number
        ranks.append(rank)
    return ranks
