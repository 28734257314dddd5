"""Any of fairseq's search strategies, on the labels that the heads have found."""

from __future__ import annotations

import math

import torch
from fairseq import search
from torch import Tensor

from mhe_nmt import waiting
from mhe_nmt.topk import repeats
from user_dir.decoding.state import CurrentStep


class CandidateSearch(search.Search):
    """A search that treats all columns alike, on columns of only those labels that can matter to it.

    For each row the inner search gets columns of the special labels, of a label that a prefix forces, and of
    the labels that the heads have found. Which labels these are depends on the search:

    * plain beam search gets the best of all hypotheses of a sentence together;
    * a search that looks at each hypothesis by itself gets the best of each;
    * diverse beam search counts labels across hypotheses, and so gets the same labels in the columns of all.

    Args:
        tgt_dict: fairseq's target dictionary.
        inner: the search that chooses among the columns.
        current: where the step's state is.
        needed: how many labels the inner search reads, see :func:`labels_read`.
    """

    def __init__(self, tgt_dict: object, inner: search.Search, current: CurrentStep, needed: int) -> None:
        super().__init__(tgt_dict)
        self.inner = inner
        self.current = current
        self.needed = needed
        self.supports_constraints = inner.supports_constraints
        self.stop_on_max_len = inner.stop_on_max_len
        self._exclude: dict[tuple[bool, torch.device], Tensor] = {}
        self.needs_src_lengths = getattr(inner, "needs_src_lengths", False)

    def step(
        self,
        step: int,
        lprobs: Tensor,
        scores: Tensor | None,
        prev_output_tokens: Tensor | None = None,
        original_batch_idxs: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As fairseq's; ``lprobs`` ``(sentences, beam, width)`` has the layout's columns."""
        columns, ids = self._columns(step, lprobs, scores)
        values, picked, beams = self.inner.step(
            step, columns, scores, prev_output_tokens, original_batch_idxs
        )
        return values, ids.flatten(1).gather(-1, beams * ids.size(-1) + picked), beams

    def _columns(self, step: int, lprobs: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the inner search reads, and the label of each column of each row."""
        state = self.current.state
        shape = lprobs.shape[:2]
        special = torch.arange(state.layout.own, device=lprobs.device)
        if state.suppressed is not None:
            # Others have no column and are excluded from what is found.
            labels = state.suppressed.to(lprobs.device)
            inside = labels.clamp(max=lprobs.size(-1) - 1)
            struck = torch.zeros(lprobs.size(-1), dtype=torch.bool, device=lprobs.device)
            struck = struck.index_copy(0, inside, labels < len(special))
            lprobs = lprobs.masked_fill(struck, -math.inf)
        special = special.expand(*shape, -1)
        if state.layout.every_label:
            # Some searches view the columns in another shape.
            return lprobs.contiguous(), special
        gate = lprobs[..., -1:]
        forced = special.new_full((*shape, 1), -1) if state.forced is None else state.forced.view(*shape, 1)
        closed = (gate.isneginf() | (forced >= 0)).squeeze(-1)
        exclude = self._excluded(state.suppressed, lprobs.device)
        banned = None if state.banned is None else state.banned.view(*shape, -1)
        values, labels = self._best_labels(step, scores, closed, exclude, banned)
        gate = gate.masked_fill(forced < 0, -math.inf)
        columns = torch.cat([lprobs[..., :-1], gate, values.to(lprobs)], dim=-1)
        return columns, torch.cat([special, forced.clamp(min=0), labels], dim=-1)

    def _excluded(self, suppressed: Tensor | None, device: torch.device) -> Tensor:
        """Labels that have columns already or are suppressed, ``(V,)`` bool; the same in most steps."""
        key = (suppressed is None, device)
        if key not in self._exclude:
            layout = self.current.state.layout
            exclude = torch.zeros(layout.num_labels, dtype=torch.bool, device=device)
            exclude[: layout.own] = True
            if suppressed is not None:
                exclude.index_fill_(0, suppressed.to(device), True)
            self._exclude[key] = exclude
        return self._exclude[key]

    def _best_labels(
        self, step: int, scores: Tensor | None, closed: Tensor, exclude: Tensor, banned: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and labels ``(sentences, beam, K)``; -inf in columns for other hypotheses.

        Args:
            step: how many tokens a hypothesis has.
            scores: ``(sentences, beam, step)``, the sums of log-probabilities so far.
            closed: ``(sentences, beam)`` bool, hypotheses that must not be continued by a found label.
            exclude: ``(V,)`` bool, labels that have columns already or are suppressed.
            banned: ``(sentences, beam, n)``, labels that are struck out of a hypothesis, -1 for none; or
                ``None``.
        """
        if banned is None:
            return self._found(step, scores, closed, exclude, 0)
        if waiting.may_wait(banned):
            # As many more labels must be found per row as can be struck out of it.
            more = _most_strikes(banned, self._is_joint)
            values, labels = self._found(step, scores, closed, exclude, more)
            return _without(banned, values, labels), labels
        # Mostly nothing is struck out, and a few labels more are enough; the host waits to be told so.
        spare = closed.size(-1)
        values, labels = self._found(step, scores, closed, exclude, spare)
        kept = _without(banned, values, labels)
        lost = (kept != values).sum(-1)
        lost = lost.sum(-1) if self._is_joint else lost
        if bool((lost > spare).any()):
            more = _most_strikes(banned, self._is_joint)
            values, labels = self._found(step, scores, closed, exclude, more)
            kept = _without(banned, values, labels)
        return kept, labels

    @property
    def _is_joint(self) -> bool:
        """Whether the hypotheses of a sentence compete for the labels that are found."""
        return isinstance(self.inner, (search.BeamSearch, search.LengthConstrainedBeamSearch))

    def _found(
        self, step: int, scores: Tensor | None, closed: Tensor, exclude: Tensor, more: int
    ) -> tuple[Tensor, Tensor]:
        """See :meth:`_best_labels`; finds ``more`` labels than the inner search reads."""
        state = self.current.state
        zeros = torch.zeros(closed.shape, device=closed.device)
        if self._is_joint:
            reached = zeros if step == 0 or scores is None else scores[:, :, step - 1].to(zeros)
            reached = reached.masked_fill(closed, -math.inf)
            if step == 0:
                # All hypotheses are still the same.
                reached = reached[:, :1]
            count = min(self.needed + more, reached.size(1) * state.layout.num_labels)
            log_probs, beams, labels = state.best(reached, count, exclude)
            values = log_probs.new_full((*closed.shape, log_probs.size(-1)), -math.inf)
            values.scatter_(1, beams.unsqueeze(1), log_probs.unsqueeze(1))
            return values, labels.unsqueeze(1).expand_as(values)
        count = min(self.needed + more, state.layout.num_labels)
        values, _, labels = state.best(zeros.masked_fill(closed, -math.inf).view(-1, 1), count, exclude)
        if isinstance(self.inner, search.DiverseBeamSearch):
            return self._for_all_hypotheses(labels.where(~values.isneginf(), -1), closed)
        return values.view(*closed.shape, -1), labels.view(*closed.shape, -1)

    def _for_all_hypotheses(self, labels: Tensor, closed: Tensor) -> tuple[Tensor, Tensor]:
        """Makes the labels ``(rows, K)``, -1 for none, of a sentence's hypotheses columns of each of them."""
        labels = labels.view(len(closed), -1).sort(dim=-1).values
        spare = repeats(labels) | (labels < 0)
        labels = labels.clamp(min=0).unsqueeze(1).expand(*closed.shape, -1)
        values = self.current.state.score_all(labels.flatten(0, 1)).view(labels.shape)
        return values.masked_fill(spare.unsqueeze(1) | closed.unsqueeze(-1), -math.inf), labels

    def set_src_lengths(self, src_lengths: Tensor) -> None:
        self.inner.set_src_lengths(src_lengths)


def _most_strikes(banned: Tensor, joint: bool) -> int:
    """How many labels are struck out at most, of a sentence's hypotheses together or of one hypothesis."""
    strikes = (banned >= 0).sum(-1)
    return int((strikes.sum(-1) if joint else strikes).max())


def _without(banned: Tensor, values: Tensor, labels: Tensor) -> Tensor:
    """``values`` ``(sentences, beam, K)`` with -inf where the label is banned."""
    struck = (labels.unsqueeze(-1) == banned.unsqueeze(2)).any(-1)
    return values.masked_fill(struck, -math.inf)


def labels_read(inner: search.Search, beam_size: int) -> int:
    """How many labels a search reads per row, or per sentence, not counting those that are struck out."""
    if isinstance(inner, search.Sampling):
        return inner.sampling_topk
    # Diverse beam search takes fewer, but passes over those that other groups have taken: as many again.
    return 2 * beam_size
