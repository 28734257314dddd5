"""Document encoders: a transformer of any family, or a trained projection of term weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
import torch.nn.functional as F
import transformers.utils.logging
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from vision_xmc.common.errors import UsageError

#: Families of models in which the last token, not the first, stands for the whole text.
_LAST_TOKEN = ("xlnet", "gpt2", "gpt_neo", "gpt_neox", "opt", "llama", "mistral", "qwen2", "qwen3")


class TransformerEncoder(nn.Module):
    """Features of a text from the last layers of a transformer.

    Each of the last ``layers`` layers gives the state of one token, or the mean over all tokens; these are
    concatenated (LightXML; the paper's section 5.2).

    Args:
        model: a transformer without the head of a task.
        pooling: ``"first"`` token (BERT's and RoBERTa's class token), ``"last"`` token (XLNet's class token)
            or ``"mean"`` over the tokens.
        layers: how many of the last layers to take.

    Raises:
        UsageError: if the transformer does not have that many layers.

    Shape:
        ``(N, S)`` int64 tokens and ``(N, S)`` int64 mask, padded on the right, to ``(N, layers · d)``.
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
    """A trained projection of term weights, ``relu(norm(sum_t w_t E_t + b))``, with dropout of terms.

    Args:
        num_terms: ``T``.
        out_features: ``d``.
        dropout: share of a document's terms that training leaves out.

    Shape:
        ``(M,)`` int64 terms, one document after another, ``(N,)`` int64 starts and ``(M,)`` float weights, to
        ``(N, d)``. ``terms.weight`` is ``(T, d)`` and has sparse gradients.
    """

    def __init__(self, num_terms: int, out_features: int, dropout: float) -> None:
        super().__init__()
        self.terms = nn.EmbeddingBag(num_terms, out_features, mode="sum", sparse=True)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.norm = nn.LayerNorm(out_features)
        self.dropout, self.out_features = dropout, out_features
        # Small, so that the few documents of a rare term soon outweigh its start; the norm rescales the sum.
        nn.init.normal_(self.terms.weight, std=0.1)

    def forward(self, terms: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
        weights = F.dropout(weights, self.dropout, self.training)
        # The sum over terms and its sparse gradients need float32.
        with torch.autocast(terms.device.type, enabled=False):
            total = self.terms(terms, starts, per_sample_weights=weights)
        return F.relu(self.norm(total + self.bias))


#: What a :class:`~vision_xmc.xmc.classifier.DocumentClassifier` is built on.
DocumentEncoder: TypeAlias = TransformerEncoder | BagOfWordsEncoder


def load_transformer(path: Path) -> PreTrainedModel:
    """A pretrained model from a local folder, in float32.

    Args:
        path: folder with ``config.json`` and the weights.

    Raises:
        UsageError: if the folder holds no model, or some of its weights are missing.
    """
    if not path.is_dir():
        raise UsageError(
            f"--encoder {path}: no such folder; give bow, minilm or the folder of a transformers model"
        )
    if not (path / "config.json").is_file():
        raise UsageError(
            f"--encoder {path} is not the folder of a transformers model: it holds no config.json"
        )
    # Loading would draw a bar, and warn of a head's weights, which are left out on purpose.
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
            f"--encoder {path}: {len(missing)} of the model's weights are missing, such as {missing[0]}; the "
            "weights file does not belong to config.json"
        )
    return model


def build_transformer(config: dict[str, Any]) -> PreTrainedModel:
    """A model with random weights, from the content of a ``config.json``."""
    config = dict(config)
    return AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config))


def pooling_of(path: Path, config: Any) -> str:
    """Which token stands for a whole text: ``"first"``, ``"last"``, or ``"mean"`` for all of them.

    For sentence-transformers, ``1_Pooling/config.json`` says so. Otherwise it is the last token in XLNet and
    in left-to-right models, and the first token in all others.
    """
    pooling = path / "1_Pooling" / "config.json"
    if pooling.is_file() and json.loads(pooling.read_text(encoding="utf-8")).get("pooling_mode_mean_tokens"):
        return "mean"
    return "last" if config.model_type in _LAST_TOKEN else "first"


def longest_input(config: Any) -> int | None:
    """The largest number of tokens that a model reads; ``None`` if it has no limit, as XLNet."""
    limit = getattr(config, "max_position_embeddings", None)
    if not limit or limit < 0:
        return None
    # RoBERTa and its relatives count positions from the number after the padding token's.
    offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    return limit - offset


def check_vocabulary(model: PreTrainedModel, path: Path, tokens: int) -> None:
    """Refuses a tokeniser that cannot be the model's, by its number of ``tokens``.

    A tokeniser without its vocabulary file may load nevertheless, with its special tokens only.

    Raises:
        UsageError: if the model knows fewer tokens, or far more.
    """
    rows = cast(nn.Embedding, model.get_input_embeddings()).weight.size(0)
    # Embeddings are often padded to a multiple of 64 or 128 rows, and some rows reserved.
    if not 0.8 * rows - 128 <= tokens <= rows:
        raise UsageError(
            f"the tokeniser in {path} has {tokens:,} tokens but the model knows {rows:,}: they do not belong "
            "together, or the vocabulary file is missing; copy the model's own tokeniser files"
        )


def _freeze_unused(encoder: TransformerEncoder) -> None:
    """Freezes parameters that the features do not depend on, such as a pooler's.

    DDP would wait for their gradients.
    """
    device = next(encoder.parameters()).device
    tokens = torch.zeros(1, 3, dtype=torch.int64, device=device)
    encoder(tokens, torch.ones_like(tokens)).sum().backward()
    for parameter in encoder.parameters():
        if parameter.grad is None:
            parameter.requires_grad_(False)
        parameter.grad = None
