"""Defects of fairseq 0.12 that spoil or stop its work, repaired when the plug-in is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fairseq import checkpoint_utils
from fairseq.data import data_utils
from fairseq.models.ema.ema import EMA
from fairseq.models.transformer import TransformerDecoderBase
from fairseq.nan_detector import NanDetector
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.search import DiverseBeamSearch
from torch import Tensor

from user_dir.wrapping import wrap_once

Original = Callable[..., Any]


def keep_last_batch(original: Original, indices: Any, *args: Any, **kwargs: Any) -> list[np.ndarray]:
    """Makes ``batch_by_size`` put every sentence in a batch.

    fairseq throws the last batch away when its size is no multiple of ``--required-batch-size-multiple`` (8
    by default). Every training epoch, validation score and translated test set lacks up to 7 sentences.
    """
    if not isinstance(indices, np.ndarray):
        indices = np.fromiter(indices, dtype=np.int64, count=-1)
    if not len(indices):
        return []
    batches = list(original(indices, *args, **kwargs))
    kept = sum(len(batch) for batch in batches)
    if kept < len(indices):
        batches.append(indices[kept:])
    return batches


def block_ngrams_without_cuda_extension(
    original: Original, self: Any, tokens: Tensor, lprobs: Tensor, bsz: int, beam_size: int, step: int
) -> Tensor:
    """Makes ``--no-repeat-ngram-size`` work where fairseq's CUDA extension is not built.

    The fallback compares with the last columns of the token buffer. They are padding until the very last
    step, so that nothing is ever blocked. It must see only the tokens generated so far.
    """
    return original(self, tokens[:, : step + 1], lprobs, bsz, beam_size, step)


def diverse_beams_beyond_the_first_batch(
    original: Original,
    self: Any,
    step: int,
    lprobs: Tensor,
    scores: Tensor,
    prev_output_tokens: Tensor | None = None,
    original_batch_idxs: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Makes ``--diverse-beam-groups`` work for more than one batch.

    The search keeps its overlaps by place in the batch, but is given the sentences' numbers in the data set.
    """
    places = original_batch_idxs
    if places is not None:
        if step == 0:
            self.first_batch_idxs = places
        places = (places.unsqueeze(-1) == self.first_batch_idxs).int().argmax(-1)
    return original(self, step, lprobs, scores, prev_output_tokens, places)


def load_other_output_layers_with_shared_embeddings(
    original: Original, self: Any, state_dict: dict[str, Any], name: str
) -> dict[str, Any]:
    """Makes checkpoints load that share embeddings and have another output layer than fairseq's full softmax.

    While loading, fairseq adds the output projection's weight to the state of every decoder with shared
    embeddings, even of one that has no such projection: an MHE decoder's, or that of fairseq's own
    ``--adaptive-softmax-cutoff`` (its issues 2292 and 3545). Such a training could not be resumed, nor could
    its checkpoint translate.
    """
    state_dict = original(self, state_dict, name)
    if self.output_projection is None:
        state_dict.pop(f"{name}.output_projection.weight", None)
    return state_dict


def read_checkpoints_in_every_process(original: Original, cfg: Any, trainer: Any, **kwargs: Any) -> Any:
    """Makes every process of a distributed training read the checkpoint itself.

    By default one process of fairseq reads it and broadcasts it through ``torch.load``. The options are an
    omegaconf object by then, which torch >= 2.6 refuses, so that no training in several processes could be
    resumed.
    """
    if trainer.data_parallel_world_size > 1:
        cfg.load_checkpoint_on_all_dp_ranks = True
    return original(cfg, trainer, **kwargs)


def average_no_integers(original: Original, self: Any, model: Any, *args: Any, **kwargs: Any) -> None:
    """Makes ``--store-ema`` work for models with integers in their state, such as the codec of an MHE head.

    fairseq multiplies all of the state with the decay, which torch refuses for integers. They are copied.
    """
    original(self, model, *args, **kwargs)
    state = model.state_dict()
    self.skip_keys = self.skip_keys | {name for name in state if not state[name].is_floating_point()}


def look_for_nans_in_the_forward_pass(
    original: Original, self: Any, model: Any, forward: bool = True, backward: bool = True
) -> None:
    """Makes trainings whose gradients are no numbers end with fairseq's report and its error.

    The hooks that look for them in the backward pass expect a tensor among the values of each dictionary that
    a module returns. fairseq's encoders return lists of tensors, and torch stops there. Gradients are looked
    at by parameter anyway.
    """
    original(self, model, forward, False)


def install() -> None:
    """Makes all repairs; calling it again does nothing."""
    wrap_once(data_utils, "batch_by_size", keep_last_batch)
    wrap_once(NGramRepeatBlock, "_no_repeat_ngram", block_ngrams_without_cuda_extension)
    wrap_once(DiverseBeamSearch, "step", diverse_beams_beyond_the_first_batch)
    wrap_once(
        TransformerDecoderBase, "upgrade_state_dict_named", load_other_output_layers_with_shared_embeddings
    )
    wrap_once(checkpoint_utils, "load_checkpoint", read_checkpoints_in_every_process)
    wrap_once(EMA, "__init__", average_no_integers)
    wrap_once(NanDetector, "__init__", look_for_nans_in_the_forward_pass)
