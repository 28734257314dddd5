"""The dense search and the candidate search of the same models, and a check that they find the same."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.tasks.translation import TranslationTask
from torch import Tensor

from user_dir.models.transformer_mhe import TransformerMHEModel, transformer_mhe_small
from user_dir.tasks.translation_mhe import TranslationMHETask

Hypotheses = list[list[dict[str, Tensor]]]


def candidate_task(task: TranslationTask) -> TranslationMHETask:
    """``--task translation_mhe`` with the dictionaries of ``task``."""
    return TranslationMHETask(task.cfg, task.source_dictionary, task.target_dictionary)


def both(
    task: TranslationTask, models: list[Any], options: dict[str, Any], extra: dict[str, Any] | None = None
) -> tuple[Any, Any]:
    """fairseq's own generator and the candidate generator."""
    dense = task.build_generator(models, Namespace(**options), extra_gen_cls_kwargs=dict(extra or {}))
    candidates = candidate_task(task).build_generator(
        models, Namespace(**options), extra_gen_cls_kwargs=dict(extra or {})
    )
    return dense, candidates


def assert_same(expected: Hypotheses, found: Hypotheses, tolerance: float = 1e-5) -> None:
    """The same hypotheses in the same order: tokens, scores of positions and of sentences."""
    assert len(expected) == len(found)
    for sentence, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert [h["tokens"].tolist() for h in ours] == [h["tokens"].tolist() for h in theirs], sentence
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one["score"], other["score"], rtol=tolerance, atol=tolerance)
            # fairseq computes these as differences of float32 sums; near -150 such sums are 1.5e-5 apart.
            resolution = 2 * torch.finfo(torch.float32).eps * float(other["positional_scores"].abs().sum())
            torch.testing.assert_close(
                one["positional_scores"],
                other["positional_scores"],
                rtol=tolerance,
                atol=max(tolerance, resolution),
            )
            torch.testing.assert_close(_numbers(one["alignment"]), _numbers(other["alignment"]))


def _numbers(alignment: Any) -> Tensor:
    """An alignment as numbers; fairseq writes soft ones as text with six decimals."""
    if isinstance(alignment, list) and alignment and isinstance(alignment[0], list):
        return torch.tensor([[round(float(text), 4) for text in row] for row in alignment])
    return torch.as_tensor(alignment)


def toy_dictionary(size: int) -> Dictionary:
    """A dictionary of ``size`` symbols, including the four special ones."""
    dictionary = Dictionary()
    for number in range(size - len(dictionary)):
        dictionary.add_symbol(f"w{number}")
    return dictionary


def random_model(size: int, sharpness: float = 1.0, seed: int = 0, **options: Any) -> tuple[Any, Any]:
    """``(model, task)`` for a dictionary of ``size`` symbols; the head's random weights are scaled."""
    dictionary = toy_dictionary(size)
    args = Namespace(
        encoder_embed_dim=16, encoder_ffn_embed_dim=16, encoder_layers=1, encoder_attention_heads=2,
        decoder_embed_dim=16, decoder_ffn_embed_dim=16, decoder_layers=1, decoder_attention_heads=2,
        max_source_positions=64, max_target_positions=64, **options,
    )  # fmt: skip
    transformer_mhe_small(args)
    task = TranslationTask(
        Namespace(source_lang="xx", target_lang="yy", data="", eval_bleu=False), dictionary, dictionary
    )
    torch.manual_seed(seed)
    model = TransformerMHEModel.build_model(args, task).eval()
    with torch.no_grad():
        for parameter in model.decoder.head.parameters():
            parameter.mul_(sharpness)
    return model, task


def random_batch(size: int, sentences: int, length: int, seed: int = 0) -> dict[str, Any]:
    """Source sentences of random symbols."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(4, size, (sentences, length), generator=generator)
    tokens[:, -1] = 2
    return {
        "id": torch.arange(sentences),
        "net_input": {"src_tokens": tokens, "src_lengths": torch.full((sentences,), length)},
    }
