"""Encoders of documents: a transformer of any family, or a trained projection of term weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
import transformers.utils.logging
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from vision_xmc.common.errors import UsageError

#: Where a family of models puts what stands for the whole text, where that is not the first token.
_LAST_TOKEN = ("xlnet", "gpt2", "gpt_neo", "gpt_neox", "opt", "llama", "mistral", "qwen2", "qwen3")


class TransformerEncoder(nn.Module):
    """Features of a text from the last layers of a transformer.

    The states of one token, or the mean over all tokens, are taken from each of the last ``layers`` layers
    and put side by side (LightXML; the paper's section 5.2).

    Args:
        model: without a task's head.
        pooling: ``"first"`` token (BERT's and RoBERTa's class token), ``"last"`` one (XLNet's class token) or
            ``"mean"``.
        layers: how many, at most as many as there are.

    Shape:
        ``(N, S)`` int64 tokens and ``(N, S)`` mask, padded on the right, to ``(N, layers · d)``.
    """

    def __init__(self, model: PreTrainedModel, pooling: str, layers: int) -> None:
        super().__init__()
        depth = model.config.num_hidden_layers
        if not 1 <= layers <= depth:
            raise UsageError(f"--feature-layers must be from 1 to the encoder's {depth} layers, got {layers}")
        self.model, self.pooling, self.layers = model, pooling, layers
        self.out_features = layers * model.config.hidden_size
        _freeze_unused(self)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        output = self.model(input_ids=tokens, attention_mask=mask, output_hidden_states=True)
        states = output.hidden_states
        return torch.cat([self._pooled(layer, mask) for layer in states[-self.layers :]], dim=-1)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "first":
            return states[:, 0]
        if self.pooling == "last":
            last = mask.sum(-1) - 1
            return states[torch.arange(len(states), device=states.device), last.clamp(min=0)]
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


class BagOfWordsEncoder(nn.Module):
    """A trained projection of term weights: ``relu(sum_t w_t E_t + b)``, with dropout of terms.

    Args:
        num_terms: ``T``.
        out_features: ``d``.
        dropout: share of a document's terms left out in training.

    Shape:
        ``(M,)`` int64 terms, one document after another, ``(N,)`` int64 starts and ``(M,)`` weights, to
        ``(N, d)``. ``terms.weight`` ``(T, d)``, with sparse gradients.
    """

    def __init__(self, num_terms: int, out_features: int, dropout: float) -> None:
        super().__init__()
        self.terms = nn.EmbeddingBag(num_terms, out_features, mode="sum", sparse=True)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.norm = nn.LayerNorm(out_features)
        self.dropout, self.out_features = dropout, out_features
        # Small, so that a rare term is soon what its few documents say; the norm makes up for it.
        nn.init.normal_(self.terms.weight, std=0.1)

    def forward(self, terms: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
        weights = F.dropout(weights, self.dropout, self.training)
        # Sparse gradients and the sum over terms are float32's business.
        with torch.autocast(terms.device.type, enabled=False):
            total = self.terms(terms, starts, per_sample_weights=weights)
        return F.relu(self.norm(total + self.bias))


def load_transformer(path: Path) -> PreTrainedModel:
    """A local pretrained model.

    Args:
        path: folder with ``config.json`` and the weights.

    Raises:
        UsageError: if there is none, or weights are missing.
    """
    if not path.is_dir():
        raise UsageError(f"--encoder {path}: no such folder; give bow, minilm or a transformers model")
    if not (path / "config.json").is_file():
        raise UsageError(f"--encoder {path} holds no config.json, so no transformers model")
    # It draws a bar and tells of a head's weights, which are left out on purpose.
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model, about = AutoModel.from_pretrained(
            path, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"--encoder {path} cannot be loaded: {reason}") from error
    missing = sorted(name for name in about["missing_keys"] if "pooler" not in name)
    if missing:
        raise UsageError(
            f"--encoder {path}: the weights lack {len(missing)} of the model's, such as {missing[0]}; they "
            "do not belong to its config.json"
        )
    return model


def build_transformer(config: dict[str, Any]) -> PreTrainedModel:
    """A model with random weights, from the ``config.json`` of another."""
    config = dict(config)
    return AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config))


def pooling_of(path: Path, config: Any) -> str:
    """What stands for a whole text in a model.

    ``1_Pooling/config.json`` says so for sentence-transformers; else XLNet and left-to-right models have it
    in the last token, and the rest in the first.
    """
    said = path / "1_Pooling" / "config.json"
    if said.is_file() and json.loads(said.read_text(encoding="utf-8")).get("pooling_mode_mean_tokens"):
        return "mean"
    return "last" if config.model_type in _LAST_TOKEN else "first"


def longest_input(config: Any) -> int | None:
    """How many tokens a model takes at most; ``None`` where there is no limit, as for XLNet."""
    limit = getattr(config, "max_position_embeddings", None)
    if not limit or limit < 0:
        return None
    # RoBERTa and its kin count positions from behind the padding token's number.
    offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    return limit - offset


def check_vocabulary(model: PreTrainedModel, path: Path, tokens: int) -> None:
    """Refuses a tokeniser of so many ``tokens`` that cannot be the model's.

    A tokeniser whose vocabulary file is missing may load all the same, with special tokens only.

    Raises:
        UsageError: if the model knows fewer, or far more.
    """
    rows = cast(nn.Embedding, model.get_input_embeddings()).weight.size(0)
    # Embeddings are often padded to a multiple of 64 or 128 rows, and some rows reserved.
    if not 0.8 * rows - 128 <= tokens <= rows:
        raise UsageError(
            f"the tokeniser in {path} has {tokens:,} tokens but the model knows {rows:,}: they do not belong "
            "together, or the vocabulary's file is missing"
        )


def _freeze_unused(encoder: TransformerEncoder) -> None:
    """Freezes what has no part in the features, such as a pooler: DDP would wait for its gradients."""
    device = next(encoder.parameters()).device
    tokens = torch.zeros(1, 3, dtype=torch.int64, device=device)
    encoder(tokens, torch.ones_like(tokens)).sum().backward()
    for parameter in encoder.parameters():
        if parameter.grad is None:
            parameter.requires_grad_(False)
        parameter.grad = None
