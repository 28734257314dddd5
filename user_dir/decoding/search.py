"""Search strategies and n-gram blocking on candidate columns."""

from __future__ import annotations

import math
from typing import Any

from fairseq.search import Search
from torch import Tensor, nn

from user_dir.decoding.candidates import CandidateEnsemble


class CandidateSearch(Search):
    """Any search that treats columns alike, with the columns it picks turned into label ids."""

    def __init__(self, tgt_dict: Any, inner: Search, model: CandidateEnsemble) -> None:
        super().__init__(tgt_dict)
        self.inner = inner
        # Not a submodule: the generator owns the model.
        self._model = (model,)
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
        values, columns, beams = self.inner.step(
            step, lprobs, scores, prev_output_tokens, original_batch_idxs
        )
        ids = self._model[0].ids.reshape(len(lprobs), -1)
        return values, ids.gather(-1, beams * lprobs.size(-1) + columns), beams

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
        struck = (self._model[0].ids.unsqueeze(-1) == banned.unsqueeze(1)).any(-1)
        return lprobs.masked_fill_(struck, -math.inf)
