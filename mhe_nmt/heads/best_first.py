"""Exact top-k of a cascade: expand prefixes best first until none left can matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mhe_nmt.codec import LabelCodec
from mhe_nmt.topk import TopKQuery, select_topk

#: ``(level, rows, prefixes) -> (n, b)``: conditional log-probabilities of digit ``level`` for the features at
#: ``rows`` after ``prefixes``, -inf at unused codes.
Expand = Callable[[int, Tensor, Tensor], Tensor]

#: How many prefixes a sentence expands in the first round at most, and at least: a peaked distribution needs
#: few, but a round costs as much as several more prefixes. Measured with ``benchmarks.decoding``.
FIRST_ROUND = (2, 12)


@dataclass
class _Frontier:
    """Unexpanded prefixes of the open sentences, ``(n, F)`` each; spent places score -inf.

    A prefix of ``l`` digits has the code ``beam · b_1 … b_l + prefix``: the beam is one digit more.
    """

    scores: Tensor
    codes: Tensor
    lengths: Tensor

    def pop(self, count: int) -> _Frontier:
        """The ``count`` best of each sentence, which leave the frontier."""
        scores, index = self.scores.topk(min(count, self.scores.size(-1)), dim=-1)
        self.scores = self.scores.scatter(-1, index, -torch.inf)
        return _Frontier(scores, self.codes.gather(-1, index), self.lengths.gather(-1, index))

    def push(self, scores: Tensor, codes: Tensor, length: int) -> None:
        self.scores = torch.cat([self.scores, scores], dim=-1)
        self.codes = torch.cat([self.codes, codes], dim=-1)
        self.lengths = torch.cat([self.lengths, torch.full_like(codes, length)], dim=-1)

    def keep(self, sentences: Tensor) -> None:
        """Closes all sentences but those where the mask ``(n,)`` is true."""
        self.scores, self.codes = self.scores[sentences], self.codes[sentences]
        self.lengths = self.lengths[sentences]

    def compact(self) -> None:
        """Drops columns until as many are left as the fullest sentence needs."""
        alive = max(1, int((~self.scores.isneginf()).sum(-1).max()))
        if alive < self.scores.size(-1):
            self.scores, index = self.scores.topk(alive, dim=-1)
            self.codes, self.lengths = self.codes.gather(-1, index), self.lengths.gather(-1, index)


def best_first_topk(
    codec: LabelCodec, expand: Expand, dense: Callable[[Tensor], Tensor], query: TopKQuery
) -> tuple[Tensor, Tensor]:
    """The ``k`` best continuations of each sentence under the chain rule.

    No label scores above its prefix, for a conditional log-probability is at most 0. So a sentence is finished
    once its best unexpanded prefix is strictly below its k-th label; strictly, because an equal score could
    belong to a smaller id. Keeping only the best few prefixes, as a greedy cascade does, would be wrong. With
    three heads or more, sentences so flat that half the code space would be visited are finished from dense
    scores, a few rows at a time.

    Args:
        codec: the code.
        expand: see :data:`Expand`.
        dense: log-probabilities of all labels for the given rows, ``(n,)`` to ``(n, V)``.
        query: what is wanted.

    Returns:
        sums ``(S, k)`` and ids ``(S, k)``, best first.
    """
    num_sentences, beam = query.scores.shape
    device = query.scores.device
    sentences = torch.arange(num_sentences, device=device)
    frontier = _all_first_digits(codec, expand, query)
    sums = frontier.scores.new_full((num_sentences, query.k), -torch.inf)
    ids = torch.zeros(num_sentences, query.k, dtype=torch.int64, device=device)
    best_sums, best_ids = sums, ids

    widest = max(codec.radix_list[1:])
    space = beam * codec.num_labels
    # Never so many that their children number rows × V.
    most = max(1, space // (4 * widest))
    step = min(max(FIRST_ROUND[0], min(query.k, FIRST_ROUND[1])), most)
    visited = 0
    while len(sentences):
        if codec.num_heads > 2 and 2 * visited > space:
            rows = (sentences.unsqueeze(-1) * beam + torch.arange(beam, device=device)).flatten()
            found = [part.view(len(sentences), beam * part.size(-1)) for part in query.of_rows(dense, rows)]
            sums[sentences], ids[sentences] = select_topk(found[0], found[1], query.k)
            break
        popped = frontier.pop(step)
        for length in range(1, codec.num_heads):
            chosen = (popped.lengths == length) & (popped.scores >= best_sums[:, -1:])
            chosen &= ~popped.scores.isneginf()
            if not bool(chosen.any()):
                continue
            children, codes = _children(codec, expand, popped, chosen, sentences, length, beam)
            if length < codec.num_heads - 1:
                frontier.push(children, codes, length + 1)
            else:
                found_ids = _ids(codec, codes)
                children = query.admitted(children, found_ids.remainder(codec.num_labels))
                best_sums, best_ids = select_topk(
                    torch.cat([best_sums, children], dim=-1), torch.cat([best_ids, found_ids], dim=-1), query.k
                )
        left = frontier.scores.max(-1).values
        still_open = (left >= best_sums[:, -1]) & ~left.isneginf()
        if not bool(still_open.all()):
            closed = ~still_open
            sums[sentences[closed]], ids[sentences[closed]] = best_sums[closed], best_ids[closed]
            sentences, best_sums, best_ids = sentences[still_open], best_sums[still_open], best_ids[still_open]
            frontier.keep(still_open)
        visited += step * widest
        step = min(2 * step, most)
        if codec.num_heads > 2 and len(sentences):
            frontier.compact()
    return sums, ids


def _all_first_digits(codec: LabelCodec, expand: Expand, query: TopKQuery) -> _Frontier:
    num_sentences, beam = query.scores.shape
    rows = torch.arange(query.scores.numel(), device=query.scores.device)
    scores = expand(0, rows, torch.zeros_like(rows)) + query.scores.view(-1, 1)
    digits = torch.arange(scores.size(-1), device=rows.device)
    codes = (torch.arange(beam, device=rows.device).unsqueeze(-1) * codec.radix_list[0] + digits).flatten()
    codes = codes.expand(num_sentences, -1)
    return _Frontier(scores.view(codes.shape), codes, torch.ones_like(codes))


def _children(
    codec: LabelCodec,
    expand: Expand,
    parents: _Frontier,
    chosen: Tensor,
    sentences: Tensor,
    length: int,
    beam: int,
) -> tuple[Tensor, Tensor]:
    """Scores and codes ``(n, P·b)`` of the children of the ``chosen`` parents ``(n, P)`` of ``length`` digits."""
    radix = codec.radix_list[length]
    size = math.prod(codec.radix_list[:length])
    codes = parents.codes[chosen]
    beams = codes.div(size, rounding_mode="floor")
    rows = sentences[chosen.nonzero()[:, 0]] * beam + beams
    conditional = expand(length, rows, codes - beams * size)
    scores = parents.scores.new_full((*parents.scores.shape, radix), -torch.inf)
    scores[chosen] = parents.scores[chosen].unsqueeze(-1) + conditional
    children = parents.codes.unsqueeze(-1) * radix + torch.arange(radix, device=codes.device)
    return scores.flatten(1), children.flatten(1)


def _ids(codec: LabelCodec, codes: Tensor) -> Tensor:
    """Ids of whole codes; those of unused codes mean nothing."""
    size = math.prod(codec.radix_list)
    beams = codes.div(size, rounding_mode="floor")
    ranks = (codes - beams * size).clamp(max=codec.num_labels - 1)
    return beams * codec.num_labels + codec.labels(ranks)
