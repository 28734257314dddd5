"""Defects of fairseq 0.12 that spoil or stop its work, put right when the plug-in is imported."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from fairseq.data import data_utils
from fairseq.models.transformer import TransformerDecoderBase
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.search import DiverseBeamSearch
from torch import Tensor


def keep_last_batch() -> None:
    """Makes ``batch_by_size`` put every sentence in a batch.

    It throws the last batch away when its size is no multiple of ``--required-batch-size-multiple`` (8 by
    default): up to 7 sentences fewer in every training epoch, validation score and translated test set.
    """
    original = data_utils.batch_by_size
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def batch_by_size(indices: Any, *args: Any, **kwargs: Any) -> list[np.ndarray]:
        if not isinstance(indices, np.ndarray):
            indices = np.fromiter(indices, dtype=np.int64, count=-1)
        if not len(indices):
            return []
        batches = list(original(indices, *args, **kwargs))
        kept = sum(len(batch) for batch in batches)
        if kept < len(indices):
            batches.append(indices[kept:])
        return batches

    data_utils.batch_by_size = batch_by_size


def block_ngrams_without_cuda_extension() -> None:
    """Makes ``--no-repeat-ngram-size`` work where fairseq's CUDA extension is not built.

    The fallback compares with the last columns of the token buffer, which are padding until the very last
    step, so that nothing is ever blocked; it must see the tokens generated so far.
    """
    original = NGramRepeatBlock._no_repeat_ngram
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def _no_repeat_ngram(
        self: Any, tokens: Tensor, lprobs: Tensor, bsz: int, beam_size: int, step: int
    ) -> Tensor:
        return original(self, tokens[:, : step + 1], lprobs, bsz, beam_size, step)

    NGramRepeatBlock._no_repeat_ngram = _no_repeat_ngram


def diverse_beams_beyond_the_first_sentences() -> None:
    """Makes ``--diverse-beam-groups`` work for more than one batch.

    The search keeps its overlaps by place in the batch, but is given the sentences' numbers in the data set.
    """
    original = DiverseBeamSearch.step
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def step(
        self: Any,
        step: int,
        lprobs: Tensor,
        scores: Tensor,
        prev_output_tokens: Tensor | None = None,
        original_batch_idxs: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        places = original_batch_idxs
        if places is not None:
            if step == 0:
                self.first_batch_idxs = places
            places = (places.unsqueeze(-1) == self.first_batch_idxs).int().argmax(-1)
        return original(self, step, lprobs, scores, prev_output_tokens, places)

    DiverseBeamSearch.step = step


def load_other_output_layers_with_shared_embeddings() -> None:
    """Makes checkpoints load whose output layer is not fairseq's full softmax, where embeddings are shared.

    Loading puts the weight that sharing would tie into the state of every decoder, also of one that has no
    such projection: an MHE head's, or fairseq's own with ``--adaptive-softmax-cutoff`` (its issues 2292 and
    3545), whose training could not be resumed, nor its checkpoint translate.
    """
    original = TransformerDecoderBase.upgrade_state_dict_named
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def upgrade_state_dict_named(self: Any, state_dict: dict[str, Any], name: str) -> dict[str, Any]:
        state_dict = original(self, state_dict, name)
        if self.output_projection is None:
            state_dict.pop(f"{name}.output_projection.weight", None)
        return state_dict

    TransformerDecoderBase.upgrade_state_dict_named = upgrade_state_dict_named


def install() -> None:
    """All repairs; calling it again does nothing."""
    keep_last_batch()
    block_ngrams_without_cuda_extension()
    diverse_beams_beyond_the_first_sentences()
    load_other_output_layers_with_shared_embeddings()
