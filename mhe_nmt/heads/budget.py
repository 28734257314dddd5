"""Exact top-k of a cascade by a fixed budget: the best prefixes of a sentence are opened at once.

One round has a fixed number of operations and returns, next to its result, whether that is complete, so that
the host waits once for a step. :mod:`.best_first` opens fewer prefixes, but in rounds that each wait.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mhe_nmt import waiting
from mhe_nmt.codec import LabelCodec
from mhe_nmt.heads.best_first import Expand, from_dense
from mhe_nmt.topk import TopKQuery

#: How many prefixes of a sentence the first round opens, over all its hypotheses. Where a round is cheap and
#: a wait is dear, they are enough for nearly all sentences: with a single hypothesis, the tenth label can be
#: behind most prefixes. On a CPU, where every prefix costs time, they are as few as pay.
FIRST_BUDGET, FIRST_BUDGET_ON_CPU = 128, 16


class _Round(NamedTuple):
    log_probs: Tensor  # (S, k)
    ids: Tensor  # (S, k)
    complete: Tensor  # (S,) bool


def budget_topk(
    codec: LabelCodec,
    first_log_prob: Tensor,
    expand: Expand,
    dense: Callable[[Tensor], Tensor],
    query: TopKQuery,
) -> tuple[Tensor, Tensor]:
    """The ``k`` best continuations of each sentence under the chain rule.

    No label scores above its prefix. So the best labels under the ``M`` best prefixes are the best of all if
    the next prefix is strictly below the ``k``-th of them; strictly, because an equal score could belong to
    a smaller id. Sentences for which that does not hold go on with ``M`` doubled. Those so flat that half of
    all labels would be scored are finished from dense scores, a few rows at a time.

    Arguments and results are those of :func:`mhe_nmt.heads.best_first.best_first_topk`.
    """
    first = FIRST_BUDGET_ON_CPU if waiting.may_wait(query.scores) else FIRST_BUDGET
    budget = max(first, -(-query.k // codec.radix_list[-1]) + 1)
    found = _one_round(codec, first_log_prob, expand, query, budget)
    if bool(found.complete.all()):
        return found.log_probs, found.ids
    log_probs, ids = found.log_probs, found.ids
    sentences = (~found.complete).nonzero().squeeze(-1)
    while len(sentences):
        budget *= 2
        if 2 * budget * codec.radix_list[-1] >= query.scores.size(1) * codec.num_labels:
            log_probs[sentences], ids[sentences] = from_dense(dense, query, sentences)
            break
        rows = query.rows_of(sentences)
        part = dataclasses.replace(query, scores=query.scores[sentences])

        def expand_rows(level: int, places: Tensor, prefixes: Tensor, rows: Tensor = rows) -> Tensor:
            return expand(level, rows.index_select(0, places), prefixes)

        found = _one_round(codec, first_log_prob.index_select(0, rows), expand_rows, part, budget)
        log_probs[sentences], ids[sentences] = found.log_probs, found.ids
        sentences = sentences[~found.complete]
    return log_probs, ids


def _one_round(
    codec: LabelCodec, first_log_prob: Tensor, expand: Expand, query: TopKQuery, budget: int
) -> _Round:
    """Opens ``budget`` prefixes of each length; ``first_log_prob`` ``(S·B, b)``."""
    num_sentences, beam = query.scores.shape
    arange = codec.constants.arange
    sentences = arange(num_sentences, query.scores.device).unsqueeze(-1)
    size = first_log_prob.size(-1)
    log_probs = first_log_prob.view(num_sentences, beam * size)
    sums = (first_log_prob + query.scores.view(-1, 1)).view(num_sentences, beam * size)
    codes: Tensor | None = None  # beam · size + prefix, of each column; None where that is its place
    bound: Tensor | None = None  # the best prefix that is not opened
    for level in range(1, codec.num_heads):
        opened = min(budget, sums.size(-1))
        best, places = sums.topk(min(opened + 1, sums.size(-1)), dim=-1)
        if best.size(-1) > opened:
            bound = best[:, opened] if bound is None else torch.maximum(bound, best[:, opened])
            places = places[:, :opened]
        chosen = places if codes is None else codes.gather(-1, places)
        beams = chosen.div(size, rounding_mode="floor")
        prefixes = chosen.remainder(size)
        if level > 1 and not codec.is_full:
            # What is opened for want of a used prefix has a sum of -inf.
            prefixes = prefixes.clamp(max=codec.prefix_counts[level - 1] - 1)
        rows = (sentences * beam + beams).flatten()
        radix = codec.radix_list[level]
        conditional = expand(level, rows, prefixes.flatten()).view(*prefixes.shape, radix)
        log_probs = (log_probs.gather(-1, places).unsqueeze(-1) + conditional).flatten(1)
        # The sum is rounded once, as it would be with the label's log-probability at hand.
        sums = log_probs + query.scores.gather(-1, beams).repeat_interleave(radix, -1)
        ranks = prefixes.unsqueeze(-1) * radix + arange(radix, sums.device)
        size *= radix
        if level < codec.num_heads - 1:
            codes = (beams.unsqueeze(-1) * size + ranks).flatten(1)
    if not codec.is_full:
        ranks = ranks.clamp(max=codec.num_labels - 1)
    labels = codec.labels(ranks)
    ids = (beams.unsqueeze(-1) * codec.num_labels + labels).flatten(1)
    sums, log_probs, ids = query.best(query.admitted(sums, labels.flatten(1)), log_probs, ids)
    if bound is None:
        complete = torch.ones(num_sentences, dtype=torch.bool, device=sums.device)
    else:
        complete = (bound < sums[:, -1]) | bound.isneginf()
    return _Round(log_probs, ids, complete)
