"""fairseq's sequence generator on candidate columns, and the rule for when the dense one must do."""

from __future__ import annotations

import math
from typing import Any

import torch
from fairseq.sequence_generator import SequenceGenerator, SequenceGeneratorWithAlignment
from torch import Tensor

from user_dir.decoding.candidates import CandidateEnsemble, supports_candidates
from user_dir.decoding.search import CandidateNGramBlock, CandidateSearch, labels_read


class CandidateMixin:
    """Turns a built generator into one that reads candidates; put before the generator's class."""

    def __init__(self, models: list[Any], tgt_dict: Any, **options: Any) -> None:
        super().__init__(models, tgt_dict, **options)
        needed = labels_read(self.search, self.beam_size)
        self.model = CandidateEnsemble(models, num_special(self, tgt_dict), needed)
        self.model.set_decoder_beam_size(self.beam_size)
        self.search = CandidateSearch(tgt_dict, self.search, self.model, needed)
        # Suppressed labels are struck out by the search, for the generator would do it by column number.
        self.model.suppressed, self.token_indices_to_suppress = self.token_indices_to_suppress, None
        if self.repeat_ngram_blocker is not None:
            size = self.repeat_ngram_blocker.no_repeat_ngram_size
            self.repeat_ngram_blocker = CandidateNGramBlock(size, self.model)
        self.model.eval()

    @property
    def vocab_size(self) -> int:
        """The number of columns, by which the generator shapes a step's scores."""
        model = self._modules.get("model")
        return getattr(model, "width", self._vocab_size)

    @vocab_size.setter
    def vocab_size(self, value: int) -> None:
        self._vocab_size = value

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
        model = self.model
        # In a step with prefixes fairseq suppresses nothing, in rows without one neither.
        model.suppressing = False
        forced = prefix_tokens[:, step].repeat_interleave(beam_size)
        rows = forced.ne(self.pad).nonzero().squeeze(-1)
        if not len(rows):
            return lprobs, tokens, scores
        labels = forced[rows]
        values = model.score(rows, labels.unsqueeze(-1)).squeeze(-1)
        # The generator has struck out padding and weighted unknowns by now, and reads forced ones so.
        values = values.where(labels != self.unk, values - self.unk_penalty)
        # A label without a column of its own takes the gate's.
        gate = lprobs.size(1) - 1
        columns = labels if model.identity else labels.clamp(max=gate)
        lprobs[rows] = -math.inf
        lprobs[rows, columns] = values.to(lprobs)
        if not model.identity:
            model.forced = torch.full_like(forced, -1)
            model.forced[rows] = labels.where(labels >= gate, -1)
        # A prefix that ends its sentence makes all beams one: fairseq copies the first over the others.
        ended = forced.eq(self.eos).view(-1, beam_size)[:, 0]
        if bool(ended.any()):
            tokens = self.replicate_first_beam(tokens, ended, beam_size)
            scores = self.replicate_first_beam(scores, ended, beam_size)
            lprobs = self.replicate_first_beam(lprobs, ended, beam_size)
        return lprobs, tokens, scores


class CandidateGenerator(CandidateMixin, SequenceGenerator):
    """Beam search on candidates."""


class CandidateGeneratorWithAlignment(CandidateMixin, SequenceGeneratorWithAlignment):
    """Beam search on candidates, for ``--print-alignment``."""


def num_special(generator: Any, tgt_dict: Any) -> int:
    """How many leading labels keep their column: enough for padding, unknown and end of sentence."""
    return max(generator.pad, generator.unk, generator.eos, tgt_dict.bos()) + 1


def reason_for_dense(models: list[Any], options: Any, extra: dict[str, Any], prefix_fn: Any) -> str | None:
    """The option, if any, because of which every label of every row must be scored."""
    for model in models:
        head = getattr(getattr(model, "decoder", None), "head", None)
        if head is None:
            return f"a model of another architecture ({type(model).__name__})"
        if not supports_candidates(head):
            form = f" in its {head.form} form" if hasattr(head, "form") else ""
            return f"--mhe-head {type(head).__name__}{form}, whose best labels take all scores to find"
    if extra.get("lm_model") is not None:
        return "--lm-path: a language model scores all labels"
    if getattr(options, "temperature", 1.0) != 1.0:
        return "--temperature: tempered probabilities are normalised over all labels"
    if getattr(options, "sampling", False) and getattr(options, "sampling_topk", -1) < 1:
        return "--sampling without --sampling-topk: any label can be drawn"
    if getattr(options, "sampling_topp", -1.0) > 0:
        return "--sampling-topp: the nucleus has no fixed size"
    if getattr(options, "diverse_beam_groups", -1) > 0 and getattr(options, "diverse_beam_strength", 0.5) < 0:
        return "--diverse-beam-strength below 0: any label can be favoured"
    if getattr(options, "constraints", None):
        return "--constraints: any label can be forced"
    if prefix_fn is not None or getattr(options, "prefix_allowed_tokens_fn", None) is not None:
        return "prefix_allowed_tokens_fn: it masks by label"
    eos = extra.get("eos")
    if eos is not None and eos >= 64:
        return f"end-of-sentence symbol {eos}: its column must be its number"
    return None
