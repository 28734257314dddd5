"""Exact top-k over labels, with ties broken by label id, without a score for every label.

Four pieces serve all heads: what is asked for (:class:`TopKQuery`), a selection with a total order
(:func:`select_topk`), the lists of digit tuples that can matter in a box (:func:`staircase`), and a loop that
asks for more candidates until a bound proves that none is missing (:func:`certified_topk`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mhe_nmt import waiting
from mhe_nmt.constants import Constants

#: Candidate source: ``(rows, count) -> (values, labels, bound)`` with rows ``(n,)``, or ``None`` for all,
#: values and labels ``(n, C)``, C >= count, and bound ``(n,)`` at or above the score of every label that is
#: not listed.
CandidateSource = Callable[[Tensor | None, int], tuple[Tensor, Tensor, Tensor]]


_CONSTANTS = Constants()


@dataclass(frozen=True)
class TopKQuery:
    """The ``k`` best of the ``B·V`` sums "score of a hypothesis + log-probability of a label", per sentence.

    Hypotheses are numbered as rows, ``sentence · B + beam``. Candidates have *ids*, ``beam · V + label``:
    their places in dense ``(B, V)`` sums. Equal sums are ordered by id.

    Attributes:
        scores: ``(S, B)``, to which the log-probabilities of a row are added; rows at -inf are left out.
        k: at least 1.
        num_labels: ``V``.
        exclude: ``(V,)`` bool, labels that count as impossible, or ``None``.
    """

    scores: Tensor
    k: int
    num_labels: int
    exclude: Tensor | None = None

    def ids(self, rows: Tensor | None, labels: Tensor) -> Tensor:
        """Ids of ``labels`` ``(n, C)`` of ``rows`` ``(n,)``, ``None`` for all rows."""
        beam, device = self.scores.size(1), labels.device
        firsts = _CONSTANTS.get(
            ("first ids", beam, self.num_labels),
            device,
            lambda device: torch.arange(beam, device=device).mul_(self.num_labels).unsqueeze(-1),
        )
        if rows is None:
            return (labels.view(-1, beam, labels.size(-1)) + firsts).view(labels.shape)
        return firsts.index_select(0, rows.remainder(beam)) + labels

    def rows_of(self, sentences: Tensor) -> Tensor:
        """The rows of ``sentences`` ``(n,)``, ``(n·B,)``."""
        beam = self.scores.size(1)
        in_sentence = _CONSTANTS.arange(beam, sentences.device)
        return (sentences.unsqueeze(-1) * beam + in_sentence).flatten()

    def admitted(self, log_probs: Tensor, labels: Tensor) -> Tensor:
        """``log_probs`` with -inf at excluded labels; both of one shape."""
        if self.exclude is None:
            return log_probs
        excluded = self.exclude.index_select(0, labels.reshape(-1)).view(labels.shape)
        return log_probs.masked_fill(excluded, -torch.inf)

    def of_dense(self, log_probs: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The ``k`` best of dense log-probabilities ``(n, B', V)`` and ``scores`` ``(n, B')``.

        Returns:
            log-probabilities and places in ``B'·V``, ``(n, min(k, B'·V))`` each.
        """
        if self.exclude is not None:
            log_probs = log_probs.masked_fill(self.exclude, -torch.inf)
        sums = (log_probs + scores.unsqueeze(-1)).flatten(1)
        places = dense_topk(sums, min(self.k, sums.size(-1)))[1]
        dead = sums.gather(-1, places).isneginf()
        return log_probs.flatten(1).gather(-1, places).masked_fill(dead, -torch.inf), places

    def of_rows(self, dense: Callable[[Tensor], Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
        """The ``min(k, V)`` best of each of ``rows`` ``(n,)`` from dense log-probabilities, with their ids.

        Few rows at a time, so that nothing is rows × V.
        """
        chunk = max(1, min(2**24 // self.num_labels, -(-len(rows) // 4)))
        parts = [
            self.of_dense(dense(part).unsqueeze(1), self.scores.flatten()[part].unsqueeze(-1))
            for part in rows.split(chunk)
        ]
        return torch.cat([part[0] for part in parts]), self.ids(rows, torch.cat([part[1] for part in parts]))

    def of_sentences(self, log_probs: Tensor, ids: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The ``k`` best of each sentence among the best of its rows.

        Args:
            log_probs, ids: ``(n·B, C)``, all rows of ``n`` sentences.
            scores: ``(n, B)``.

        Returns:
            sums, log-probabilities and ids, ``(n, k)`` each, best first.
        """
        by_sentence = (len(scores), scores.size(1) * ids.size(-1))
        sums = (log_probs + scores.view(-1, 1)).view(by_sentence)
        return self.best(sums, log_probs.view(by_sentence), ids.view(by_sentence))

    def best(self, sums: Tensor, log_probs: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The ``k`` best of each sentence's candidates ``(n, C)``, as :meth:`of_sentences` returns them."""
        places = best_places(sums, ids, self.k)
        sums, log_probs = sums.gather(-1, places), log_probs.gather(-1, places)
        # A hypothesis that is left out has continuations of its own, which must not be taken.
        return sums, log_probs.masked_fill(sums.isneginf(), -torch.inf), ids.gather(-1, places)


def select_topk(values: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of listed candidates and their labels, ``(…, k)`` each; see :func:`best_places`."""
    index = best_places(values, labels, k)
    return values.gather(-1, index), labels.gather(-1, index)


def best_places(values: Tensor, labels: Tensor, k: int) -> Tensor:
    """Where the k best of listed candidates stand, best first, ties broken by smaller label id.

    Args:
        values: ``(…, C)`` scores, float32 or float64, no NaN.
        labels: ``(…, C)`` int64, in ``[0, 2**32)``, distinct within a row (except for entries of score -inf).
        k: at most ``C``.

    Returns:
        ``(…, k)`` int64. Among scores of -inf the order is open.
    """
    if waiting.may_wait(values) and values.size(-1) > 2 * (k + 1):
        # Only a tie across the k-th place needs the order of all.
        best, places = values.topk(k + 1, dim=-1)
        tied = (best[..., k] == best[..., k - 1]) & ~best[..., k].isneginf()
        if not bool(tied.any()):
            places = places[..., :k]
            return places.gather(-1, _ordered(best[..., :k], labels.gather(-1, places), k))
    return _ordered(values, labels, k)


def _ordered(values: Tensor, labels: Tensor, k: int) -> Tensor:
    if values.dtype == torch.float32:
        # One int64 key holds the order of the score and, below it, that of the label, so that a plain topk
        # breaks ties by label. Adding 0.0 turns -0.0, which equals 0.0 but has other bits, into 0.0.
        bits = (values + 0.0).view(torch.int32)
        ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
        return ((ascending.to(torch.int64) << 32) + (0xFFFFFFFF - labels)).topk(k, dim=-1).indices
    by_label = labels.argsort(dim=-1, stable=True)
    by_value = values.gather(-1, by_label).sort(dim=-1, descending=True, stable=True).indices
    return by_label.gather(-1, by_value[..., :k])


def repeats(sorted_ids: Tensor) -> Tensor:
    """Where an entry of ``(…, C)`` sorted rows equals the one before it: bool, of the same shape."""
    return F.pad(sorted_ids[..., 1:] == sorted_ids[..., :-1], (1, 0))


def dense_topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Top-k of dense ``(…, V)`` scores, as :func:`select_topk` with ``labels = arange(V)``.

    ``torch.topk`` leaves the order of ties open. On a CPU only rows where a tie crosses the k-th place pay
    for it; elsewhere their number would have to be waited for.
    """
    size = scores.size(-1)
    if not waiting.may_wait(scores):
        return select_topk(scores, torch.arange(size, device=scores.device).expand_as(scores), k)
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


def staircase(ranges: tuple[int, ...], k: int, device: torch.device) -> Tensor:
    """Places ``(i_1 … i_H)`` in per-digit sorted lists that can be among the k best sums.

    A tuple is beaten or equalled by every tuple that is nowhere behind it, of which there are
    ``prod(i_h + 1)``; so only tuples with ``prod(i_h + 1) <= k`` can matter: 27 pairs for k = 10, H = 2.

    Returns:
        int64 ``(P, H)`` with ``i_h < ranges[h]``; it must not be changed.
    """
    return _CONSTANTS.get((ranges, k), device, lambda device: _staircase(ranges, k).to(device))


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


def certified_topk(
    source: CandidateSource,
    width: Callable[[int], int],
    dense: Callable[[Tensor], Tensor],
    query: TopKQuery,
    first: int,
) -> tuple[Tensor, Tensor]:
    """Exact top-k from a source of candidates: doubles their number until the bound proves completeness.

    A sentence is finished when its k-th sum is strictly above the bound on all labels that were not listed
    for its rows; strictly, because an unlisted label with the same sum could have the smaller id. Rows so
    flat that it would take candidates in the order of V are finished from dense scores, a few at a time. The
    host waits once, unless a sentence is not finished by the first candidates.

    Args:
        source: see :data:`CandidateSource`; called with rows, int64 ``(n,)``.
        width: how many entries per row the source makes for a count.
        dense: log-probabilities of all labels for the given rows, ``(n,)`` to ``(n, V)``.
        query: what is wanted, ``k <= B·V``.
        first: the number of candidates per row to begin with.

    Returns:
        log-probabilities ``(S, k)`` and ids ``(S, k)``, best sum first.
    """
    num_sentences, beam = query.scores.shape
    sentences: Tensor | None = None  # those that are not finished; all of them at first
    rows: Tensor | None = None
    log_probs = ids = query.scores  # until the first round
    count = min(first, query.num_labels)
    most = 64 * (query.k + 1)
    while True:
        scores = query.scores if sentences is None else query.scores.index_select(0, sentences)
        bounds = None
        if 4 * width(count) >= query.num_labels or count > most:
            every = torch.arange(query.scores.numel(), device=query.scores.device) if rows is None else rows
            values, found = query.of_rows(dense, every)
        else:
            values, labels, bounds = source(rows, count)
            values, found = query.admitted(values, labels), query.ids(rows, labels)
        # A row alone may list fewer than are wanted of its sentence.
        missing = query.k - beam * values.size(-1)
        if missing > 0:
            values = F.pad(values, (0, missing), value=-torch.inf)
            found = F.pad(found, (0, missing))
        sums, *best = query.of_sentences(values, found, scores)
        if sentences is None:
            log_probs, ids = best
        else:
            log_probs[sentences], ids[sentences] = best
        if bounds is None or not num_sentences:
            return log_probs, ids
        unlisted = bounds.view(scores.shape) + scores
        open_rows = unlisted >= sums[:, -1:].clamp(min=torch.finfo(sums.dtype).min)
        if not bool(open_rows.any()):
            return log_probs, ids
        still_open = open_rows.any(-1)
        sentences = still_open.nonzero().squeeze(-1) if sentences is None else sentences[still_open]
        rows = query.rows_of(sentences)
        count *= 2
