"""Exact top-k of a cascade: expand prefixes best first until none left can matter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mhe_nmt.codec import LabelCodec
from mhe_nmt.topk import dense_topk_in_chunks, select_topk

#: ``(level, rows, prefixes) -> (n, b)``: conditional log-probabilities of digit ``level`` for the features at
#: ``rows`` after ``prefixes``, -inf at unused codes.
Expand = Callable[[int, Tensor, Tensor], Tensor]


def best_first_topk(
    codec: LabelCodec, expand: Expand, dense: Callable[[Tensor], Tensor], num_rows: int, k: int
) -> tuple[Tensor, Tensor]:
    """The ``k`` best labels under the chain rule, ties broken by smaller label id.

    No label scores above its prefix, for a conditional log-probability is at most 0. So a row is finished
    once its best unexpanded prefix is strictly below its k-th label; strictly, because an equal score could
    belong to a smaller id. Keeping only the best few prefixes, as a greedy cascade does, would be wrong. With
    three heads or more, rows so flat that half the code space would be visited are finished from dense
    scores, a few at a time.

    Args:
        codec: the code.
        expand: see :data:`Expand`.
        dense: scores of all labels for the given rows, ``(n,)`` to ``(n, V)``.
        num_rows: ``N``.
        k: ``1 <= k <= V``.

    Returns:
        values ``(N, k)`` and labels ``(N, k)``, best first.
    """
    device = codec.order.device
    levels = codec.num_heads
    rows = torch.arange(num_rows, device=device)
    # The frontier: unexpanded prefixes of the open rows, with their lengths. Spent ones score -inf.
    scores = expand(0, rows, torch.zeros_like(rows))
    prefixes = torch.arange(scores.size(-1), device=device).expand_as(scores)
    lengths = torch.ones_like(prefixes)
    values = scores.new_full((num_rows, k), -torch.inf)
    labels = torch.zeros(num_rows, k, dtype=torch.int64, device=device)
    best_values, best_labels = values, labels

    # Few prefixes at first, for peaked rows need few; never so many that their children number V.
    widest = max(codec.radix_list[1:])
    most = max(1, codec.num_labels // (4 * widest))
    step = min(4, most)
    visited = 0
    while len(rows):
        if levels > 2 and 2 * visited > codec.num_labels:
            values[rows], labels[rows] = dense_topk_in_chunks(dense, rows, codec.num_labels, k)
            break
        step = min(step, scores.size(-1))
        popped, index = scores.topk(step, dim=-1)
        scores = scores.scatter(-1, index, -torch.inf)
        popped_prefixes, popped_lengths = prefixes.gather(-1, index), lengths.gather(-1, index)
        for level in range(1, levels):
            chosen = (popped_lengths == level) & (popped >= best_values[:, -1:]) & ~popped.isneginf()
            if not bool(chosen.any()):
                continue
            radix = codec.radix_list[level]
            parents = popped_prefixes[chosen]
            children = scores.new_full((*popped.shape, radix), -torch.inf)
            children[chosen] = popped[chosen].unsqueeze(-1) + expand(
                level, rows[chosen.nonzero()[:, 0]], parents
            )
            codes = popped_prefixes.unsqueeze(-1) * radix + torch.arange(radix, device=device)
            children, codes = children.flatten(1), codes.flatten(1)
            if level < levels - 1:
                scores = torch.cat([scores, children], dim=-1)
                prefixes = torch.cat([prefixes, codes], dim=-1)
                lengths = torch.cat([lengths, torch.full_like(codes, level + 1)], dim=-1)
            else:
                found = codec.labels(codes.clamp(max=codec.num_labels - 1))
                best_values, best_labels = select_topk(
                    torch.cat([best_values, children], dim=-1), torch.cat([best_labels, found], dim=-1), k
                )
        left = scores.max(-1).values
        open_rows = (left >= best_values[:, -1]) & ~left.isneginf()
        closed = ~open_rows
        if bool(closed.any()):
            values[rows[closed]], labels[rows[closed]] = best_values[closed], best_labels[closed]
            rows, scores, prefixes = rows[open_rows], scores[open_rows], prefixes[open_rows]
            lengths = lengths[open_rows]
            best_values, best_labels = best_values[open_rows], best_labels[open_rows]
        visited += step * widest
        step = min(2 * step, most)
        if levels > 2 and len(rows):
            scores, prefixes, lengths = _compacted(scores, prefixes, lengths)
    return values, labels


def _compacted(scores: Tensor, prefixes: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The frontier without the columns that are spent in every row."""
    alive = max(1, int((~scores.isneginf()).sum(-1).max()))
    if alive == scores.size(-1):
        return scores, prefixes, lengths
    scores, index = scores.topk(alive, dim=-1)
    return scores, prefixes.gather(-1, index), lengths.gather(-1, index)
