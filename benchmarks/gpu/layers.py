"""The output layers that are timed: this project's heads, and the peers that they have to beat."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt import build_head

Build = Callable[..., nn.Module]


class UnavailableError(Exception):
    """A peer cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Layer:
    """An output layer.

    words: its name in tables.
    build: makes it from d and V, with the keywords `device` and `dtype`. It has `loss(features, target)` and,
        if it decodes, `beam_topk(features, scores, k)`.
    """

    words: str
    build: Build
    ours: bool = False
    decodes: bool = True
    compiles: bool = False


class FullSoftmax(nn.Module):
    """torch's linear layer and cross entropy; decoding sees the log-probabilities of all labels."""

    def __init__(self, features: int, labels: int, **factory: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(features, labels, **factory)
        nn.init.normal_(self.linear.weight, std=features**-0.5)
        nn.init.zeros_(self.linear.bias)
        self.label_smoothing = 0.0

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(self.linear(features), target, label_smoothing=self.label_smoothing)

    def log_prob(self, features: Tensor) -> Tensor:
        return self.linear(features).float().log_softmax(-1)

    def beam_topk(self, features: Tensor, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
        return _dense_topk(self.log_prob(features), scores, k)


class CompiledSoftmax(FullSoftmax):
    """The same loss by torch.compile; on a CPU without code generation, which would need a C++ compiler."""

    def __init__(self, features: int, labels: int, **factory: Any) -> None:
        super().__init__(features, labels, **factory)
        backend = "inductor" if self.linear.weight.is_cuda else "eager"
        # Each size is compiled for its own shapes, as in a training whose batches have one size. Without the
        # reset, torch would compile a few sizes and then no more.
        torch.compiler.reset()
        self._compiled = torch.compile(super().loss, backend=backend, dynamic=False)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        return self._compiled(features, target)


class TorchChunkedSoftmax(FullSoftmax):
    """torch's own loss in chunks of positions, new in 2.13."""

    def __init__(self, features: int, labels: int, **factory: Any) -> None:
        if not hasattr(F, "linear_cross_entropy"):
            raise UnavailableError(f"torch {torch.__version__} has no linear_cross_entropy")
        super().__init__(features, labels, **factory)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        return F.linear_cross_entropy(
            features, self.linear.weight, target, linear_bias=self.linear.bias,
            options=nn.LinearCrossEntropyOptions(),
        )  # fmt: skip


class LigerSoftmax(FullSoftmax):
    """Liger's fused linear cross entropy, in Triton, where that package is installed."""

    def __init__(self, features: int, labels: int, **factory: Any) -> None:
        try:
            liger: Any = import_module("liger_kernel.transformers")
        except ImportError as error:
            raise UnavailableError("liger_kernel is not installed") from error
        super().__init__(features, labels, **factory)
        if not self.linear.weight.is_cuda:
            raise UnavailableError("liger_kernel needs a GPU")
        self._loss = liger.LigerFusedLinearCrossEntropyLoss()

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        return self._loss(self.linear.weight, features, target, self.linear.bias)


class AdaptiveSoftmax(nn.Module):
    """torch's adaptive softmax; its cutoffs are a geometric progression from `10 · sqrt(V)`."""

    def __init__(self, features: int, labels: int, **factory: Any) -> None:
        super().__init__()
        first = min(10 * math.isqrt(labels), labels // 4)
        cutoffs = [first, math.isqrt(first * labels)]
        self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(features, labels, cutoffs, **factory)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        return self.adaptive(features, target).loss

    def beam_topk(self, features: Tensor, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
        log_prob = self.adaptive.log_prob(features.flatten(0, 1)).float()
        return _dense_topk(log_prob.view(*scores.shape, -1), scores, k)


def _dense_topk(log_prob: Tensor, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """A step of beam search over the scores of all labels, without an order among ties."""
    values, ids = (log_prob + scores.unsqueeze(-1)).flatten(1).topk(k)
    return values, ids


def _head(kind: str, **options: Any) -> Build:
    def build(features: int, labels: int, **factory: Any) -> nn.Module:
        return build_head(kind, features, labels, **options, **factory)

    return build


def random_order(labels: int) -> Tensor:
    """Ranks `(V,)` int64 without any relation to the labels' frequency; always the same ones."""
    return torch.randperm(labels, generator=torch.Generator().manual_seed(3))


def _table_with_order(features: int, labels: int, **factory: Any) -> nn.Module:
    return build_head("cascade", features, labels, order=random_order(labels), **factory)


OURS: dict[str, Layer] = {
    "onehot": Layer("full softmax", _head("onehot"), ours=True),
    "product": Layer("product", _head("product"), ours=True),
    "product-8-groups": Layer("product, 8 groups", _head("product", groups=8), ours=True),
    "cascade-table": Layer("cascade by table", _head("cascade"), ours=True),
    "cascade-table-order": Layer("cascade by table, random label order", _table_with_order, ours=True),
    "cascade-digit": Layer("cascade by digit", _head("cascade", conditioning="digit"), ours=True),
    "sampling-15-percent": Layer("sampling, 15%", _head("sampling", sample_fraction=0.15), ours=True),
}
"""Heads of this project by row id."""

PLAIN = "plain"
"""The row id of the layer that times are compared with."""

PEERS: dict[str, Layer] = {
    PLAIN: Layer("torch: linear layer and cross entropy", FullSoftmax),
    "torch-chunked": Layer("torch: linear_cross_entropy in chunks", TorchChunkedSoftmax, decodes=False),
    "liger": Layer("Liger: fused linear cross entropy", LigerSoftmax, decodes=False),
    "adaptive-softmax": Layer("torch: adaptive softmax", AdaptiveSoftmax),
    "compiled": Layer("torch.compile of the first", CompiledSoftmax, decodes=False, compiles=True),
}
"""Other output layers by row id."""

LAYERS: dict[str, Layer] = PEERS | OURS
"""All of them, in the order of the tables."""
