"""Claim 3: the order of the labels matters to an underfitted model and ceases to matter once it overfits.

A small translation model without attention is trained end to end: the mean of the source's embeddings and the
two previous target words predict the next one. In the underfitted regime it is narrow and sees all the text
once; in the overfitted regime it is wide and sees a few hundred sentences until it knows them by heart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.claims.rank import evaluate
from benchmarks.claims.trained import Text
from benchmarks.harness.fitting import Stopwatch, fit
from mhe_nmt import OutputHead, build_head

BATCH, RATE = 500, 3e-3
HISTORY = 2
"""Number of previous target words that are seen."""


@dataclass(frozen=True)
class Regime:
    """How large the network is, how much of the text it sees, and how often."""

    width: int
    sentences: int | None
    passes: int


REGIMES = {
    "underfitted": Regime(width=64, sentences=None, passes=1),
    "overfitted": Regime(width=256, sentences=500, passes=40),
}


@dataclass(frozen=True)
class Layer:
    """A head, its options, and the width of the bottleneck in front of it, if it has one."""

    head: str
    options: dict[str, Any] = field(default_factory=dict)
    bottleneck: int | None = None


HEADS = {
    "onehot": Layer("onehot"),
    "onehot-bottleneck-2": Layer("onehot", bottleneck=2),
    "product": Layer("product"),
    "cascade-digit": Layer("cascade", {"conditioning": "digit"}),
    "cascade-table": Layer("cascade"),
}
ORDERS = ("random", "dictionary", "clustered")


class Network(nn.Module):
    """Positions to negative log-likelihoods and best words.

    A position's inputs are one row of numbers: the number of its source sentence in `sources`, and those of
    its last `HISTORY` target words.

    Args:
        sources: all source sentences, which positions refer to.
        source_words, labels: sizes of the dictionaries.
        width: of the embeddings and of the hidden layer.
        layer: the head, on `width` features or on those of its bottleneck.
        order: the label order of the head.
    """

    def __init__(
        self,
        sources: list[Tensor],
        source_words: int,
        labels: int,
        width: int,
        layer: Layer,
        order: Tensor | None,
    ) -> None:
        super().__init__()
        lengths = torch.tensor([len(sentence) for sentence in sources])
        self._words, self._lengths = torch.cat(sources), lengths
        self._starts = lengths.cumsum(0) - lengths
        self.source = nn.EmbeddingBag(source_words, width, mode="mean")
        self.target = nn.Embedding(labels, width)
        self.hidden = nn.Sequential(nn.Linear((1 + HISTORY) * width, width), nn.GELU(), nn.LayerNorm(width))
        if layer.bottleneck:
            self.hidden.append(nn.Linear(width, layer.bottleneck))
        options = layer.options if layer.head == "onehot" else {**layer.options, "order": order}
        self.head: OutputHead = build_head(layer.head, layer.bottleneck or width, labels, **options)

    def features(self, positions: Tensor) -> Tensor:
        """`(n, 1 + HISTORY)` int64 to `(n, d)`."""
        used, place = positions[:, 0].unique(return_inverse=True)
        lengths = self._lengths[used]
        ends = lengths.cumsum(0)
        within = torch.arange(int(ends[-1])) - (ends - lengths).repeat_interleave(lengths)
        words = self._words[self._starts[used].repeat_interleave(lengths) + within]
        sources = self.source(words, ends - lengths)[place]
        return self.hidden(torch.cat([sources, self.target(positions[:, 1:]).flatten(1)], dim=-1))

    def forward(self, positions: Tensor, words: Tensor) -> Tensor:
        """Negative log-likelihoods `(n,)` in nats."""
        return self.head(self.features(positions), words).nll

    def predict(self, positions: Tensor) -> Tensor:
        return self.head.predict(self.features(positions))


def positions_of(targets: list[Tensor], first_source: int) -> tuple[Tensor, Tensor]:
    """All positions of these sentences: `(n, 1 + HISTORY)` numbers of source and history, and `(n,)` words.

    The words before the beginning of a sentence are its last word, `</s>`, as in fairseq's decoder input.
    """
    sources = torch.arange(first_source, first_source + len(targets))
    lengths = torch.tensor([len(sentence) for sentence in targets])
    padded = [torch.cat([sentence[-1:].expand(HISTORY), sentence]) for sentence in targets]
    histories = torch.cat([sentence[:-1].unfold(0, HISTORY, 1) for sentence in padded])
    return torch.cat([sources.repeat_interleave(lengths)[:, None], histories], dim=1), torch.cat(targets)


def measure(regime: Regime, layer: Layer, order: Tensor | None, text: Text, seed: int) -> dict[str, Any]:
    """Trains one head in one regime and returns its figures on training and validation text."""
    watch = Stopwatch()
    sources, targets = (side[: regime.sentences] for side in text.train)
    train = positions_of(targets, 0)
    valid = positions_of(text.valid[1], len(sources))
    torch.manual_seed(seed)
    network = Network([*sources, *text.valid[0]], text.source_words, text.labels, regime.width, layer, order)
    batches = [rows for _ in range(regime.passes) for rows in torch.randperm(len(train[1])).split(BATCH)]

    def backward(update: int) -> None:
        rows = batches[update]
        network(train[0][rows], train[1][rows]).mean().backward()

    seconds = fit(network.parameters(), backward, updates=len(batches), rate=RATE)
    network.eval()
    # As many positions of the training text as there are in validation are enough to tell.
    shown = torch.randperm(len(train[1]), generator=torch.Generator().manual_seed(1))[: len(valid[1])]
    return {
        "width": regime.width,
        "sentences": len(targets),
        "positions": len(train[1]),
        "updates": len(batches),
        "head_parameters": sum(parameter.numel() for parameter in network.head.parameters()),
        **{
            f"{name}_{key}": value
            for name, split in (("train", tuple(part[shown] for part in train)), ("valid", valid))
            for key, value in evaluate(network, split).items()
        },
        "step_ms": 1000 * sum(seconds) / len(seconds),
        **watch.figures(),
    }
