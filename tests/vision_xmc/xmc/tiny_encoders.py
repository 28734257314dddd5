"""Tiny transformers with their tokenisers, saved in folders as users have them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLNetConfig,
)

from tests.vision_xmc.xmc.corpus import LABELS

FAMILIES = ("bert", "roberta", "distilbert", "xlnet")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def vocabulary() -> dict[str, int]:
    words = [f"{kind}{label}" for kind in ("alpha", "beta") for label in range(LABELS)]
    words += [f"noise{number}" for number in range(30)]
    # So many that a tokeniser without its vocabulary file is noticed.
    words += [f"rare{number}" for number in range(900)]
    return {word: number for number, word in enumerate([*SPECIAL, *words])}


def config(family: str) -> PretrainedConfig:
    size = len(vocabulary())
    small = {"vocab_size": size, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
             "intermediate_size": 32, "pad_token_id": 0}  # fmt: skip
    if family == "bert":
        return BertConfig(**small, max_position_embeddings=64)
    if family == "roberta":
        return RobertaConfig(**small, max_position_embeddings=65, type_vocab_size=1)
    if family == "distilbert":
        return DistilBertConfig(
            vocab_size=size, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=64
        )
    return XLNetConfig(vocab_size=size, d_model=16, n_layer=3, n_head=2, d_inner=32, pad_token_id=0)


def save_encoder(folder: Path, family: str, seed: int = 1) -> Path:
    """Writes a model with random weights and its tokeniser to ``folder``, as ``save_pretrained`` does."""
    torch.manual_seed(seed)
    AutoModel.from_config(config(family)).save_pretrained(folder)
    words = vocabulary()
    tokeniser = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokeniser.normalizer = normalizers.Lowercase()
    tokeniser.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # XLNet's class token is the last one.
    template = "$A [SEP] [CLS]" if family == "xlnet" else "[CLS] $A [SEP]"
    tokeniser.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(name, words[name]) for name in ("[CLS]", "[SEP]")]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokeniser, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", padding_side="left" if family == "xlnet" else "right",
    ).save_pretrained(folder)  # fmt: skip
    return folder
