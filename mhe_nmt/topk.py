"""Exact top-k over labels, with ties broken by label id, without a score for every label.

Three pieces serve all heads: a selection with a total order (:func:`select_topk`), the lists of digit
tuples that can matter in a box (:func:`staircase`), and a loop that asks for more candidates until a bound
proves that none is missing (:func:`certified_topk`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

#: Candidate source: ``(rows, count) -> (values, labels, bound)`` with values and labels ``(n, C)``,
#: C >= count, and bound ``(n,)`` at or above the score of every label that is not listed.
CandidateSource = Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]


def select_topk(values: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of listed candidates, best first, ties between equal scores broken by smaller label id.

    Args:
        values: ``(…, C)`` scores, float32 or float64, no NaN.
        labels: ``(…, C)`` int64, in ``[0, 2**32)``, distinct within a row (but for entries of score -inf).
        k: at most ``C``.

    Returns:
        values ``(…, k)`` and labels ``(…, k)``.
    """
    if values.dtype == torch.float32:
        # One int64 key holds the order of the score and, below it, that of the label, so that a plain topk
        # breaks ties by label. Adding 0.0 turns -0.0, which equals 0.0 but has other bits, into 0.0.
        bits = (values + 0.0).contiguous().view(torch.int32).to(torch.int64)
        ascending = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
        index = ((ascending << 32) | (0xFFFFFFFF - labels)).topk(k, dim=-1).indices
    else:
        by_label = labels.argsort(dim=-1, stable=True)
        by_value = values.gather(-1, by_label).sort(dim=-1, descending=True, stable=True).indices
        index = by_label.gather(-1, by_value[..., :k])
    return values.gather(-1, index), labels.gather(-1, index)


def dense_topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Top-k of dense ``(…, V)`` scores, as :func:`select_topk` with ``labels = arange(V)``.

    ``torch.topk`` leaves the order of ties open; only rows where a tie crosses the k-th place pay for it.
    """
    size = scores.size(-1)
    values, labels = scores.topk(min(k + 1, size), dim=-1)
    if size > k:
        tied = values[..., k] == values[..., k - 1]
        values, labels = select_topk(values[..., :k], labels[..., :k], k)
        if bool(tied.any()):
            rows = scores[tied]
            everything = torch.arange(size, device=scores.device).expand_as(rows)
            values[tied], labels[tied] = select_topk(rows, everything, k)
        return values, labels
    return select_topk(values, labels, k)


@lru_cache(maxsize=256)
def _staircase(ranges: tuple[int, ...], k: int) -> Tensor:
    columns: list[np.ndarray] = []
    products = np.ones(1, dtype=np.int64)
    for size in ranges:
        counts = np.minimum(size, k // products)
        starts = np.repeat(counts.cumsum() - counts, counts)
        positions = np.arange(counts.sum()) - starts
        columns = [np.repeat(column, counts) for column in columns] + [positions]
        products = np.repeat(products, counts) * (positions + 1)
    return torch.from_numpy(np.stack(columns, axis=-1))


def staircase(ranges: tuple[int, ...], k: int, device: torch.device) -> Tensor:
    """Places ``(i_1 … i_H)`` in per-digit sorted lists that can be among the k best sums.

    A tuple is beaten or equalled by every tuple that is nowhere behind it, of which there are
    ``prod(i_h + 1)``; so only tuples with ``prod(i_h + 1) <= k`` can matter: 27 pairs for k = 10, H = 2.

    Returns:
        int64 ``(P, H)`` with ``i_h < ranges[h]``.
    """
    return _staircase(ranges, k).to(device)


def certified_topk(
    source: CandidateSource,
    width: Callable[[int], int],
    dense: Callable[[Tensor], Tensor],
    num_rows: int,
    num_labels: int,
    k: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Exact top-k from a source of candidates: doubles their number until the bound proves completeness.

    A row is finished when its k-th score is strictly above the bound on all labels that were not listed;
    strictly, because an unlisted label with the same score could have the smaller id. Rows so flat that it
    would take candidates in the order of V are finished from dense scores, a few rows at a time.

    Args:
        source: see :data:`CandidateSource`; called with the unfinished rows, int64 ``(n,)``.
        width: how many entries a row the source makes for a count.
        dense: scores of all labels for the given rows, ``(n,)`` to ``(n, V)``.
        num_rows: number of rows ``N``.
        num_labels: ``V``.
        k: number of labels wanted, ``1 <= k <= V``.

    Returns:
        values ``(N, k)`` and labels ``(N, k)``, best first, ties broken by smaller label id.
    """
    rows = torch.arange(num_rows, device=device)
    count = k + 1
    best: tuple[Tensor, Tensor] | None = None
    while 4 * width(count) < num_labels and count <= 64 * (k + 1):
        values, labels, bound = source(rows, count)
        found = select_topk(values, labels, k)
        if best is None:
            best = found
        else:
            best[0][rows], best[1][rows] = found
        rows = rows[found[0][:, -1] <= bound]
        if not len(rows):
            return best
        count *= 2
    found = dense_topk_in_chunks(dense, rows, num_labels, k)
    if best is None:
        return found
    best[0][rows], best[1][rows] = found
    return best


def dense_topk_in_chunks(
    dense: Callable[[Tensor], Tensor], rows: Tensor, num_labels: int, k: int
) -> tuple[Tensor, Tensor]:
    """Top-k of ``rows`` ``(n,)`` from dense scores, few rows at a time so that nothing is rows × V."""
    chunk = max(1, min(2**24 // num_labels, -(-len(rows) // 4)))
    pieces = [dense_topk(dense(part), k) for part in rows.split(chunk)]
    return torch.cat([piece[0] for piece in pieces]), torch.cat([piece[1] for piece in pieces])
