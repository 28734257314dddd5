"""Exact top-k of a cascade: expand prefixes best first until none left can matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mhe_nmt.codec import LabelCodec
from mhe_nmt.topk import TopKQuery, best_places

#: ``(level, rows, prefixes) -> (n, b)``: conditional log-probabilities of digit ``level`` for the features at
#: ``rows`` after ``prefixes``, -inf at unused codes.
Expand = Callable[[int, Tensor, Tensor], Tensor]

#: How many prefixes a sentence expands in the first round at most, and at least: a peaked distribution needs
#: few, but a round costs as much as several more prefixes. Measured with ``benchmarks.decoding``.
FIRST_ROUND = (2, 12)


@dataclass
class _Frontier:
    """Unexpanded prefixes of the open sentences, ``(n, F)`` each; spent places have sums of -inf.

    A prefix of ``l`` digits has the code ``beam · b_1 … b_l + prefix``: the beam counts as one more digit. A
    sum is the score of a hypothesis plus the log-probability of a prefix.
    """

    sums: Tensor
    log_probs: Tensor
    codes: Tensor
    lengths: Tensor

    def pop(self, count: int) -> _Frontier:
        """The ``count`` best of each sentence, which leave the frontier."""
        sums, index = self.sums.topk(min(count, self.sums.size(-1)), dim=-1)
        self.sums = self.sums.scatter(-1, index, -torch.inf)
        return self._gather(sums, index)

    def push(self, more: _Frontier) -> None:
        self.sums = torch.cat([self.sums, more.sums], dim=-1)
        self.log_probs = torch.cat([self.log_probs, more.log_probs], dim=-1)
        self.codes = torch.cat([self.codes, more.codes], dim=-1)
        self.lengths = torch.cat([self.lengths, more.lengths], dim=-1)

    def of(self, sentences: Tensor) -> _Frontier:
        """The sentences where the mask ``(n,)`` is true."""
        return _Frontier(
            self.sums[sentences], self.log_probs[sentences], self.codes[sentences], self.lengths[sentences]
        )

    def compacted(self) -> _Frontier:
        """Only as many columns as the fullest sentence needs."""
        alive = max(1, int((~self.sums.isneginf()).sum(-1).max()))
        return self if alive == self.sums.size(-1) else self._gather(*self.sums.topk(alive, dim=-1))

    def _gather(self, sums: Tensor, index: Tensor) -> _Frontier:
        return _Frontier(
            sums,
            self.log_probs.gather(-1, index),
            self.codes.gather(-1, index),
            self.lengths.gather(-1, index),
        )


@dataclass
class _Best:
    """The ``k`` best labels so far of the open sentences, ``(n, k)`` each, best first."""

    sums: Tensor
    log_probs: Tensor
    ids: Tensor

    def merge(self, sums: Tensor, log_probs: Tensor, ids: Tensor) -> _Best:
        """The best of these and of ``(n, C)`` more."""
        sums, ids = torch.cat([self.sums, sums], dim=-1), torch.cat([self.ids, ids], dim=-1)
        index = best_places(sums, ids, self.sums.size(-1))
        log_probs = torch.cat([self.log_probs, log_probs], dim=-1)
        return _Best(sums.gather(-1, index), log_probs.gather(-1, index), ids.gather(-1, index))

    def of(self, sentences: Tensor) -> _Best:
        return _Best(self.sums[sentences], self.log_probs[sentences], self.ids[sentences])


def best_first_topk(
    codec: LabelCodec,
    first_log_prob: Tensor,
    expand: Expand,
    dense: Callable[[Tensor], Tensor],
    query: TopKQuery,
) -> tuple[Tensor, Tensor]:
    """The ``k`` best continuations of each sentence under the chain rule.

    No label scores above its prefix, because a conditional log-probability is at most 0. So a sentence is
    finished once its best unexpanded prefix is strictly below its k-th label. It must be strictly below,
    because an equal score could belong to a smaller id. Keeping only the best few prefixes, as
    a greedy cascade does, would be wrong. With three heads or more, sentences so flat that half the code
    space would be visited are finished from dense scores, a few rows at a time.

    Args:
        codec: the code.
        first_log_prob: log-probabilities of the first digit, ``(N, b)``.
        expand: see :data:`Expand`.
        dense: log-probabilities of all labels for the given rows, ``(n,)`` to ``(n, V)``.
        query: what is wanted.

    Returns:
        log-probabilities ``(S, k)`` and ids ``(S, k)``, best sum first.
    """
    num_sentences, beam = query.scores.shape
    device = query.scores.device
    sentences = torch.arange(num_sentences, device=device)
    frontier = _first_digits(codec, first_log_prob, query)
    log_probs = frontier.sums.new_full((num_sentences, query.k), -torch.inf)
    ids = torch.zeros(num_sentences, query.k, dtype=torch.int64, device=device)
    best = _Best(log_probs, log_probs, ids)

    widest = max(codec.radix_list[1:])
    space = beam * codec.num_labels
    # Never so many that their children number rows × V.
    most = max(1, space // (4 * widest))
    step = min(max(FIRST_ROUND[0], min(query.k, FIRST_ROUND[1])), most)
    visited = 0
    while len(sentences):
        if codec.num_heads > 2 and 2 * visited > space:
            log_probs[sentences], ids[sentences] = from_dense(dense, query, sentences)
            break
        popped = frontier.pop(step)
        for length in range(1, codec.num_heads):
            chosen = (popped.lengths == length) & (popped.sums >= best.sums[:, -1:]) & ~popped.sums.isneginf()
            if not bool(chosen.any()):
                continue
            children = _children(codec, expand, query, popped, chosen, sentences, length)
            if length < codec.num_heads - 1:
                size = math.prod(codec.radix_list[: length + 1])
                frontier.push(children.as_frontier(size, length + 1))
            else:
                best = best.merge(*children.as_labels(codec, query))
        left = frontier.sums.max(-1).values
        still_open = (left >= best.sums[:, -1]) & ~left.isneginf()
        if not bool(still_open.all()):
            closed = ~still_open
            log_probs[sentences[closed]], ids[sentences[closed]] = best.log_probs[closed], best.ids[closed]
            sentences, best, frontier = sentences[still_open], best.of(still_open), frontier.of(still_open)
        visited += step * widest
        step = min(2 * step, most)
        if codec.num_heads > 2 and len(sentences):
            frontier = frontier.compacted()
    return log_probs, ids


def _first_digits(codec: LabelCodec, log_probs: Tensor, query: TopKQuery) -> _Frontier:
    num_sentences, beam = query.scores.shape
    digits = torch.arange(log_probs.size(-1), device=log_probs.device)
    codes = (
        torch.arange(beam, device=log_probs.device).unsqueeze(-1) * codec.radix_list[0] + digits
    ).flatten()
    codes = codes.expand(num_sentences, -1)
    sums = (log_probs + query.scores.view(-1, 1)).view(codes.shape)
    return _Frontier(sums, log_probs.view(codes.shape), codes, torch.ones_like(codes))


@dataclass
class _Children:
    """The ``b`` children of each of ``(n, P)`` parents, ``(n, P·b)``; unwanted ones have sums of -inf."""

    sums: Tensor
    log_probs: Tensor
    beams: Tensor  # (n, P, 1)
    prefixes: Tensor  # (n, P, b), with the new digit

    def as_frontier(self, size: int, length: int) -> _Frontier:
        codes = (self.beams * size + self.prefixes).flatten(1)
        return _Frontier(self.sums, self.log_probs, codes, torch.full_like(codes, length))

    def as_labels(self, codec: LabelCodec, query: TopKQuery) -> tuple[Tensor, Tensor, Tensor]:
        """Sums, log-probabilities and ids, of whole codes; -inf for excluded labels too."""
        labels = codec.labels(self.prefixes.clamp(max=codec.num_labels - 1))
        ids = (self.beams * codec.num_labels + labels).flatten(1)
        sums = query.admitted(self.sums, labels.flatten(1))
        return sums, self.log_probs.masked_fill(sums.isneginf(), -torch.inf), ids


def _children(
    codec: LabelCodec,
    expand: Expand,
    query: TopKQuery,
    parents: _Frontier,
    chosen: Tensor,
    sentences: Tensor,
    length: int,
) -> _Children:
    """The children of the ``chosen`` parents ``(n, P)``, which have ``length`` digits."""
    radix = codec.radix_list[length]
    size = math.prod(codec.radix_list[:length])
    codes = parents.codes.where(chosen, 0)
    beams = codes.div(size, rounding_mode="floor")
    prefixes = codes - beams * size
    rows = sentences.unsqueeze(-1) * query.scores.size(1) + beams
    conditional = expand(length, rows[chosen], prefixes[chosen])
    log_probs = conditional.new_full((*chosen.shape, radix), -torch.inf)
    log_probs[chosen] = parents.log_probs[chosen].unsqueeze(-1) + conditional
    # The sum is rounded once, as it would be with the label's log-probability at hand.
    sums = log_probs + query.scores.flatten()[rows].unsqueeze(-1)
    digits = torch.arange(radix, device=rows.device)
    return _Children(
        sums.flatten(1),
        log_probs.flatten(1),
        beams.unsqueeze(-1),
        prefixes.unsqueeze(-1) * radix + digits,
    )


def from_dense(
    dense: Callable[[Tensor], Tensor], query: TopKQuery, sentences: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and ids ``(n, k)`` of ``sentences`` ``(n,)``, from the scores of all labels."""
    log_probs, ids = query.of_rows(dense, query.rows_of(sentences))
    return query.of_sentences(log_probs, ids, query.scores[sentences])[1:]
