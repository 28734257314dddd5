"""The network and its output layers: the heads of this package, the full and the adaptive softmax."""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.vocabulary.layers import LAYERS
from mhe_nmt import OutputHead, build_head

EMBEDDING, HIDDEN, FEATURES = 32, 256, 64

#: The full softmax processes its positions in parts of at most this many logits (256 MB in float32).
MOST_LOGITS = 1 << 26


class Network(nn.Module):
    """Two context words `(n, 2)` to features `(n, d)`: embeddings, one hidden layer, layer norm."""

    def __init__(self, contexts: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(contexts, EMBEDDING) for _ in range(2))
        self.layers = nn.Sequential(
            nn.Linear(2 * EMBEDDING, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, FEATURES), nn.LayerNorm(FEATURES)
        )

    def forward(self, contexts: Tensor) -> Tensor:
        embedded = [embedding(contexts[:, place]) for place, embedding in enumerate(self.embeddings)]
        return self.layers(torch.cat(embedded, dim=-1))


class OutputLayer(Protocol):
    """The methods of a measured layer, with features `(n, d)` and words `(n,)`; every layer is a module."""

    #: Number of positions of a batch that it processes at a time.
    part: int

    def loss(self, features: Tensor, words: Tensor) -> Tensor:
        """Mean negative log-likelihood, a scalar, in nats."""

    def nll(self, features: Tensor, words: Tensor) -> Tensor:
        """Negative log-likelihoods `(n,)`, in nats."""

    def predict(self, features: Tensor) -> Tensor:
        """The best words `(n,)`."""


class FullSoftmax(nn.Linear):
    """torch's linear layer and cross entropy. Its logits are V wide, so it may have to work in parts."""

    def __init__(self, num_words: int) -> None:
        super().__init__(FEATURES, num_words)
        # As every head here is initialised.
        nn.init.normal_(self.weight, std=FEATURES**-0.5)
        nn.init.zeros_(self.bias)
        self.part = max(1, MOST_LOGITS // num_words)

    def loss(self, features: Tensor, words: Tensor) -> Tensor:
        return F.cross_entropy(self(features), words)

    def nll(self, features: Tensor, words: Tensor) -> Tensor:
        return F.cross_entropy(self(features), words, reduction="none")

    def predict(self, features: Tensor) -> Tensor:
        return self(features).argmax(-1)


class ChunkedSoftmax(FullSoftmax):
    """The full softmax with torch's chunked loss (from torch 2.13 on), which never holds all logits."""

    def __init__(self, num_words: int) -> None:
        super().__init__(num_words)
        self.part = 1 << 30

    def loss(self, features: Tensor, words: Tensor) -> Tensor:
        options = nn.LinearCrossEntropyOptions()
        return F.linear_cross_entropy(features, self.weight, words, linear_bias=self.bias, options=options)


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """torch's adaptive softmax, unchanged; its cutoffs are a geometric progression from `10 · sqrt(V)`."""

    part = 1 << 30

    def __init__(self, num_words: int) -> None:
        first = 10 * math.isqrt(num_words)
        super().__init__(FEATURES, num_words, [first, math.isqrt(first * num_words)])

    def loss(self, features: Tensor, words: Tensor) -> Tensor:
        return self(features, words).loss

    def nll(self, features: Tensor, words: Tensor) -> Tensor:
        return -self(features, words).output


class Head(nn.Module):
    """A head of this package."""

    part = 1 << 30

    def __init__(self, head: OutputHead) -> None:
        super().__init__()
        self.head = head

    def loss(self, features: Tensor, words: Tensor) -> Tensor:
        return self.head.loss(features, words)

    def nll(self, features: Tensor, words: Tensor) -> Tensor:
        return self.head(features, words).nll

    def predict(self, features: Tensor) -> Tensor:
        return self.head.predict(features)


def build(name: str, num_words: int, order: Tensor | None) -> OutputLayer:
    """The output layer of that name."""
    layer = LAYERS[name]
    if layer.head == "full":
        return FullSoftmax(num_words)
    if layer.head == "full-chunked":
        return ChunkedSoftmax(num_words)
    if layer.head == "adaptive":
        return AdaptiveSoftmax(num_words)
    options = layer.options if layer.head == "onehot" else {**layer.options, "order": order}
    return Head(build_head(layer.head, FEATURES, num_words, **options))
