"""fairseq's sequence generator on candidate columns."""

from __future__ import annotations

import math
from typing import Any

import torch
from fairseq.sequence_generator import SequenceGenerator, SequenceGeneratorWithAlignment
from torch import Tensor

from user_dir.decoding.ensemble import CandidateEnsemble
from user_dir.decoding.ngrams import CandidateNGramBlock
from user_dir.decoding.search import CandidateSearch, labels_read
from user_dir.decoding.state import ColumnLayout, CurrentStep


class CandidateGenerator(SequenceGenerator):
    """Beam search on candidates.

    fairseq builds the generator; then its model, search and n-gram blocker are replaced by ones that work on
    columns and share one :class:`CurrentStep`.
    """

    search: Any
    repeat_ngram_blocker: Any
    token_indices_to_suppress: Tensor | None

    def __init__(self, models: list[Any], tgt_dict: Any, **options: Any) -> None:
        super().__init__(models, tgt_dict, **options)
        needed = labels_read(self.search, self.beam_size)
        # Enough leading columns for padding, unknown words, beginning and end of sentence.
        num_special = max(self.pad, self.unk, self.eos, tgt_dict.bos()) + 1
        layout = ColumnLayout.of(models[0].decoder.head.num_labels, num_special, needed)
        # The search strikes out suppressed labels, because the generator would do it by column number.
        suppressed, self.token_indices_to_suppress = self.token_indices_to_suppress, None
        self.current = CurrentStep()
        self.model = CandidateEnsemble(models, layout, suppressed, self.current)
        self.model.set_decoder_beam_size(self.beam_size)
        self.model.eval()
        self.search = CandidateSearch(tgt_dict, self.search, self.current, needed)
        if self.repeat_ngram_blocker is not None:
            size = self.repeat_ngram_blocker.no_repeat_ngram_size
            self.repeat_ngram_blocker = CandidateNGramBlock(size, self.current)
        # By this number the generator shapes a step's scores.
        self.vocab_size = layout.width

    def _prefix_tokens(
        self,
        step: int,
        lprobs: Tensor,
        scores: Tensor,
        tokens: Tensor,
        prefix_tokens: Tensor,
        beam_size: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Leaves only the forced label, scored exactly, in rows that still have a prefix."""
        state = self.current.state
        # In a step with prefixes fairseq suppresses nothing, not even in rows without one.
        state.suppressed = None
        labels = prefix_tokens[:, step].repeat_interleave(beam_size)
        is_forced = labels.ne(self.pad)
        values = state.score_all(labels.unsqueeze(-1)).squeeze(-1)
        # The generator has penalised unknown words by now, forced ones too.
        values = values.where(labels != self.unk, values - self.unk_penalty)
        # A label without its own column takes the gate's.
        gate = lprobs.size(1) - 1
        columns = labels if state.layout.every_label else labels.clamp(max=gate)
        only_forced = torch.full_like(lprobs, -math.inf)
        only_forced.scatter_(1, columns.unsqueeze(-1), values.unsqueeze(-1).to(lprobs))
        lprobs = only_forced.where(is_forced.unsqueeze(-1), lprobs)
        if not state.layout.every_label:
            state.forced = labels.where(is_forced & (labels >= gate), -1)
        # A prefix that ends its sentence makes all beams one: fairseq copies the first over the others.
        ended = labels.eq(self.eos).view(-1, beam_size)[:, :1]
        tokens, scores, lprobs = (
            self._first_beam_where(ended, rows, beam_size) for rows in (tokens, scores, lprobs)
        )
        return lprobs, tokens, scores

    @staticmethod
    def _first_beam_where(ended: Tensor, rows: Tensor, beam_size: int) -> Tensor:
        """``rows`` ``(sentences·beam, …)``, with the first of a sentence for all where it has ``ended``."""
        by_sentence = rows.view(-1, beam_size, rows.size(-1))
        return by_sentence[:, :1].where(ended.unsqueeze(-1), by_sentence).view(rows.shape)


class CandidateGeneratorWithAlignment(CandidateGenerator, SequenceGeneratorWithAlignment):
    """Beam search on candidates, for ``--print-alignment``."""
