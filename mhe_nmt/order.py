"""Label orders: as text, one rank a line, and by recursive bisection into groups of equal size."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np


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


def recursive_bisection(
    num_labels: int, group_size: int, coordinate: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Labels ordered so that each run of ``group_size`` is a cluster and neighbouring runs are near.

    The labels are sorted by a coordinate and cut in the middle, at a multiple of ``group_size``, and the
    halves likewise.

    Args:
        num_labels: ``V``.
        group_size: labels a cluster; the last may have fewer.
        coordinate: of labels ``(n,)`` int64, where each lies on the axis along which they are to be cut,
            ``(n,)``; called for the whole and for every part that is cut further.

    Returns:
        ``(V,)`` int64: the label at each rank. Within a cluster labels are in ascending order.

    Raises:
        ValueError: if ``group_size`` is below 1.
    """
    if group_size < 1:
        raise ValueError(f"group_size must be at least 1, got {group_size}")
    order: list[np.ndarray] = []
    stack = [np.arange(num_labels)]
    while stack:
        labels = stack.pop()
        groups = -(-len(labels) // group_size)
        if groups <= 1:
            order.append(np.sort(labels))
            continue
        along = labels[np.argsort(coordinate(labels), kind="stable")]
        cut = groups // 2 * group_size
        stack += [along[cut:], along[:cut]]
    return np.concatenate(order).astype(np.int64)
