"""Search strategies and n-gram blocking on labels that the heads have found."""

from __future__ import annotations

import math
from typing import Any

import torch
from fairseq import search
from torch import Tensor, nn

from mhe_nmt.topk import repeats
from user_dir.decoding.candidates import CandidateEnsemble


class CandidateSearch(search.Search):
    """Any search that treats columns alike, on columns of labels that can matter to it.

    The columns that the inner search gets are, for each row, the special labels, a label forced by a prefix,
    and the labels that the heads have found. For a plain beam search these are the best of all hypotheses of
    a sentence together; a search that looks at each hypothesis by itself gets the best of each; diverse beam
    search, which counts labels across hypotheses, gets the same labels in the columns of all of them.
    """

    def __init__(self, tgt_dict: Any, inner: search.Search, model: CandidateEnsemble, needed: int) -> None:
        super().__init__(tgt_dict)
        self.inner = inner
        # Not a submodule: the generator owns the model.
        self._model = (model,)
        self.needed = needed
        self.supports_constraints = inner.supports_constraints
        self.stop_on_max_len = inner.stop_on_max_len
        self.needs_src_lengths = getattr(inner, "needs_src_lengths", False)

    def step(
        self,
        step: int,
        lprobs: Tensor,
        scores: Tensor | None,
        prev_output_tokens: Tensor | None = None,
        original_batch_idxs: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As fairseq's; ``lprobs`` ``(sentences, beam, R + 1)`` are the model's columns."""
        columns, ids = self._columns(step, lprobs, scores)
        values, picked, beams = self.inner.step(
            step, columns, scores, prev_output_tokens, original_batch_idxs
        )
        return values, ids.flatten(1).gather(-1, beams * ids.size(-1) + picked), beams

    def _columns(self, step: int, lprobs: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the inner search reads, and the label of each column of each row."""
        model = self._model[0]
        shape = lprobs.shape[:2]
        special = torch.arange(model.own_columns, device=lprobs.device)
        excluded = special
        if model.suppressed is not None and model.suppressing:
            suppressed = model.suppressed.to(lprobs.device)
            lprobs[..., suppressed[suppressed < len(special)]] = -math.inf
            excluded = torch.cat([special, suppressed])
        special = special.expand(*shape, -1)
        if model.identity:
            # Some searches want to view them in another shape.
            return lprobs.contiguous(), special
        gate = lprobs[..., -1:]
        own = special.new_full((*shape, 1), -1) if model.forced is None else model.forced.view(*shape, 1)
        closed = (gate.isneginf() | (own >= 0)).squeeze(-1)
        exclude = torch.zeros(model.num_labels, dtype=torch.bool, device=lprobs.device)
        exclude[excluded] = True
        banned = None if model.banned is None else model.banned.view(*shape, -1)
        values, labels = self._found(step, scores, closed, exclude, banned)
        if banned is not None:
            struck = (labels.unsqueeze(-1) == banned.unsqueeze(2)).any(-1)
            values = values.masked_fill(struck, -math.inf)
        gate = gate.masked_fill(own < 0, -math.inf)
        columns = torch.cat([lprobs[..., :-1], gate, values.to(lprobs)], dim=-1)
        return columns, torch.cat([special, own.clamp(min=0), labels], dim=-1)

    def _found(
        self, step: int, scores: Tensor | None, closed: Tensor, exclude: Tensor, banned: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and labels ``(sentences, beam, K)``; -inf in the columns of other hypotheses.

        ``closed`` ``(sentences, beam)`` marks hypotheses that may not go on, ``exclude`` ``(V,)`` labels that
        have columns already or are suppressed, ``banned`` those that are struck out afterwards.
        """
        model = self._model[0]
        zeros = torch.zeros(closed.shape, device=closed.device)
        # How many labels of each row can be struck out.
        strikes = torch.zeros_like(closed, dtype=torch.int64) if banned is None else (banned >= 0).sum(-1)
        if isinstance(self.inner, (search.BeamSearch, search.LengthConstrainedBeamSearch)):
            reached = zeros if step == 0 or scores is None else scores[:, :, step - 1].to(zeros)
            reached = reached.masked_fill(closed, -math.inf)
            if step == 0:
                # All hypotheses are one.
                reached = reached[:, :1]
            most = reached.size(1) * model.num_labels
            count = min(self.needed + int(strikes.sum(-1).max()), most)
            found, beams, labels = model.best(reached, count, exclude)
            values = found.new_full((*closed.shape, found.size(-1)), -math.inf)
            values.scatter_(1, beams.unsqueeze(1), found.unsqueeze(1))
            return values, labels.unsqueeze(1).expand_as(values)
        count = min(self.needed + int(strikes.max()), model.num_labels)
        values, _, labels = model.best(zeros.masked_fill(closed, -math.inf).view(-1, 1), count, exclude)
        if isinstance(self.inner, search.DiverseBeamSearch):
            return self._shared(labels.where(~values.isneginf(), -1), closed)
        return values.view(*closed.shape, -1), labels.view(*closed.shape, -1)

    def _shared(self, labels: Tensor, closed: Tensor) -> tuple[Tensor, Tensor]:
        """The labels ``(rows, K)`` of all hypotheses of a sentence, -1 for none, as columns of each."""
        labels = labels.view(len(closed), -1).sort(dim=-1).values
        spare = repeats(labels) | (labels < 0)
        labels = labels.clamp(min=0).unsqueeze(1).expand(*closed.shape, -1)
        rows = torch.arange(closed.numel(), device=labels.device)
        values = self._model[0].score(rows, labels.flatten(0, 1)).view(labels.shape)
        return values.masked_fill(spare.unsqueeze(1) | closed.unsqueeze(-1), -math.inf), labels

    def set_src_lengths(self, src_lengths: Tensor) -> None:
        self.inner.set_src_lengths(src_lengths)


class CandidateNGramBlock(nn.Module):
    """fairseq's n-gram blocking on candidates: strikes out labels that would repeat an n-gram."""

    def __init__(self, size: int, model: CandidateEnsemble) -> None:
        super().__init__()
        self.size = size
        self._model = (model,)

    def forward(self, tokens: Tensor, lprobs: Tensor, bsz: int, beam_size: int, step: int) -> Tensor:
        """``tokens`` ``(rows, ≥ step + 1)``, ``lprobs`` ``(rows, C)``, changed in place and returned."""
        # With n = 1 fairseq compares an empty history with the whole one, and so blocks nothing.
        if self.size == 1 or step + 1 < self.size:
            return lprobs
        windows = tokens[:, : step + 1].unfold(1, self.size, 1)
        history = tokens[:, step + 2 - self.size : step + 1]
        repeats = (windows[..., :-1] == history.unsqueeze(1)).all(-1)
        banned = windows[..., -1].masked_fill(~repeats, -1)
        model = self._model[0]
        model.banned = banned
        columns = torch.arange(model.own_columns, device=tokens.device)
        struck = (columns.view(1, -1, 1) == banned.unsqueeze(1)).any(-1)
        lprobs[:, : len(columns)].masked_fill_(struck, -math.inf)
        return lprobs


def labels_read(inner: search.Search, beam_size: int) -> int:
    """How many labels a search reads of a row, or of a sentence, beside those that are struck out."""
    if isinstance(inner, search.Sampling):
        return inner.sampling_topk
    # Diverse beam search takes fewer, but passes over those that other groups have taken: as many again.
    return 2 * beam_size
