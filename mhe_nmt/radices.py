"""Default radices of a code."""

from __future__ import annotations

import itertools
import math

#: Below it, blocks are so small that their alignment gains nothing.
FEWEST_LABELS_TO_ALIGN = 1024


def balanced_radices(num_labels: int, num_heads: int) -> tuple[int, ...]:
    """The ``num_heads`` near-equal radices whose product covers ``num_labels``.

    All but the first are multiples of 8 where that costs next to nothing, because matrix units read blocks
    of such widths only: if their sum is at most 1, or 1 %, more than that of :func:`smallest_radices`, which
    are taken otherwise.

    Args:
        num_labels: number of labels ``V``, at least 2.
        num_heads: number of digits ``H``, at least 2.

    Raises:
        ValueError: if there are fewer than 2 labels or heads.
    """
    smallest = smallest_radices(num_labels, num_heads)
    if num_labels < FEWEST_LABELS_TO_ALIGN:
        return smallest
    nearest = 8 * round(num_labels ** (1 / num_heads) / 8)
    found = []
    for last in itertools.combinations_with_replacement((nearest - 8, nearest, nearest + 8), num_heads - 1):
        if last[0] > 0 and math.prod(last) < num_labels:
            radices = (max(2, -(-num_labels // math.prod(last))), *last)
            found.append((sum(radices), max(radices) - min(radices), radices))
    if not found or min(found)[0] > sum(smallest) + max(1, sum(smallest) // 100):
        return smallest
    return min(found)[-1]


def smallest_radices(num_labels: int, num_heads: int) -> tuple[int, ...]:
    """The ``num_heads`` near-equal radices with the smallest sum: the default of version 0.2.

    All radices are ``r`` or ``r + 1`` where possible (``r`` the integer root), larger ones last.

    Args:
        num_labels, num_heads: see :func:`balanced_radices`.

    Raises:
        ValueError: if there are fewer than 2 labels or heads.
    """
    if num_labels < 2:
        raise ValueError(f"num_labels must be at least 2, got {num_labels}")
    if num_heads < 2:
        raise ValueError(f"a multi-head code needs at least 2 heads, got {num_heads}")
    root = max(2, int(num_labels ** (1 / num_heads)))
    while root**num_heads > num_labels and root > 2:
        root -= 1
    while (root + 1) ** num_heads <= num_labels:
        root += 1
    for larger in range(num_heads + 1):
        radices = (root,) * (num_heads - larger) + (root + 1,) * larger
        if math.prod(radices) >= num_labels:
            return radices
    raise AssertionError("unreachable: (root + 1) ** num_heads exceeds num_labels")
