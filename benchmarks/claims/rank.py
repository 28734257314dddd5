"""Claim 2: cross entropy against rank, on frozen features of a decoder that was trained with a full softmax.

Full softmaxes behind a bottleneck of `m` units (logits of rank `m`), products of digits (rank 1 as a tensor),
joint and mixture G-MHE (rank `G`), cascades and sampling: each is trained alone on the same features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.claims.trained import Frozen
from benchmarks.harness.fitting import Stopwatch, fit
from mhe_nmt import OutputHead, build_head
from mhe_nmt.files import replacing

BATCH = 200
RATES = (0.003, 0.01, 0.03)
"""Each layer is trained with all of them: a rate that suits a wide layer is too low for a narrow one."""
SHARE_TO_CHOOSE = 0.02
"""The share of the training positions that choose the learning rate and are not trained on."""

Split = tuple[Tensor, Tensor]

_ROWS = 500


@dataclass(frozen=True)
class Model:
    """A head, its rank in the paper's sense if it has one, and the width of a bottleneck in front of it."""

    family: str
    head: str
    rank: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    bottleneck: int | None = None

    def build(self, features: int, labels: int) -> Fitted:
        width = self.bottleneck or features
        bottleneck = nn.Linear(features, width, bias=False) if self.bottleneck else nn.Identity()
        return Fitted(bottleneck, build_head(self.head, width, labels, **self.options))


class Fitted(nn.Module):
    """A head, or one behind a bottleneck."""

    def __init__(self, bottleneck: nn.Module, head: OutputHead) -> None:
        super().__init__()
        self.bottleneck, self.head = bottleneck, head

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        """Negative log-likelihoods, `(n, d)` and `(n,)` to `(n,)`, in nats."""
        return self.head(self.bottleneck(features), words).nll

    def predict(self, features: Tensor) -> Tensor:
        return self.head.predict(self.bottleneck(features))


def _models() -> dict[str, Model]:
    models = {"onehot": Model("bottleneck", "onehot")}
    for width in (1, 2, 4, 8, 16, 32, 64, 128):
        models[f"onehot-bottleneck-{width}"] = Model("bottleneck", "onehot", width, bottleneck=width)
    models["product"] = Model("product", "product", 1)
    for form in ("joint", "mixture"):
        for groups in (2, 4, 8, 16):
            options = {"groups": groups, "form": form}
            name = f"product-{groups}-groups" + ("-joint" if form == "joint" else "")
            models[name] = Model(form, "product", groups, options)
    for conditioning in ("table", "digit"):
        for prototypes in (1, 8):
            name = f"cascade-{conditioning}" + ("-8-prototypes" if prototypes > 1 else "")
            options = {"conditioning": conditioning, "prototypes": prototypes}
            models[name] = Model(f"cascade-{conditioning}", "cascade", None, options)
    for fraction in (0.05, 0.2):
        options = {"sample_fraction": fraction, "positives": "block", "unit": "block"}
        models[f"sampling-{fraction:.0%}".replace("%", "-percent")] = Model(
            "sampling", "sampling", None, options
        )
    return models


MODELS = _models()


def measure(name: str, frozen: Frozen, seed: int, kept: Path) -> dict[str, Any]:
    """Trains the model `name` on features of the training text, keeps it in `kept`, and returns its row."""
    watch = Stopwatch()
    cut = max(1, round(SHARE_TO_CHOOSE * len(frozen.train[1])))
    train, choose = (tuple(part[rows] for part in frozen.train) for rows in (slice(cut, None), slice(cut)))
    best: tuple[float, float, Fitted, list[float]] | None = None
    for rate in RATES:
        model, seconds = _trained(name, train, frozen.labels, rate, seed)
        bits = cross_entropy(model, choose)
        if best is None or bits < best[0]:
            best = bits, rate, model, seconds
    assert best is not None
    _, rate, model, seconds = best
    row = {
        "family": MODELS[name].family,
        "rank": MODELS[name].rank,
        "positions": len(train[1]),
        "updates": len(seconds),
        "rate": rate,
        "rates": RATES,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **{f"valid_{key}": value for key, value in evaluate(model, frozen.valid).items()},
        "step_ms": 1000 * sum(seconds) / len(seconds),
    }
    kept.mkdir(parents=True, exist_ok=True)
    with replacing(file_of(name, kept)) as partial:
        torch.save(model.state_dict(), partial)
    return row | watch.figures()


def _trained(name: str, train: Split, labels: int, rate: float, seed: int) -> tuple[Fitted, list[float]]:
    """The model after one pass over the positions, and the seconds of its updates."""
    features, words = train
    torch.manual_seed(seed)
    model = MODELS[name].build(features.size(-1), labels)
    batches = torch.randperm(len(words)).split(BATCH)

    def backward(update: int) -> None:
        rows = batches[update]
        model(features[rows], words[rows]).mean().backward()

    seconds = fit(model.parameters(), backward, updates=len(batches), rate=rate)
    return model.eval(), seconds


def file_of(name: str, kept: Path) -> Path:
    """Where a trained model is kept."""
    return kept / f"{name}.pt"


def load(name: str, frozen: Frozen, kept: Path) -> Fitted | None:
    """A model that :func:`measure` kept, or `None`."""
    if not file_of(name, kept).exists():
        return None
    model = MODELS[name].build(frozen.train[0].size(-1), frozen.labels)
    model.load_state_dict(torch.load(file_of(name, kept), weights_only=True))
    return model.eval()


@torch.no_grad()
def cross_entropy(model: nn.Module, split: Split) -> float:
    """Mean negative log-likelihood of `model(inputs, words)`, in bits."""
    parts = zip(split[0].split(_ROWS), split[1].split(_ROWS), strict=True)
    return sum(float(model(*part).double().sum()) for part in parts) / len(split[1]) / math.log(2)


@torch.no_grad()
def evaluate(model: Any, split: Split) -> dict[str, float]:
    """Mean cross entropy in bits and accuracy of `model(inputs, words)` and `model.predict(inputs)`."""
    parts = zip(split[0].split(_ROWS), split[1].split(_ROWS), strict=True)
    right = sum(int((model.predict(inputs) == words).sum()) for inputs, words in parts)
    return {"bits": cross_entropy(model, split), "accuracy": right / len(split[1])}
