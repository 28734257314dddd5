"""Output heads for documents with any number of labels: what they share, and the plain one-vs-all head."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.codec import check_labels
from mhe_nmt.heads.precision import at_least_float32


class MultiLabelOutput(NamedTuple):
    """What ``head(features, labels, offsets)`` returns: sums of binary cross entropies per document, in nats.

    Attributes:
        groups: ``(N,)`` float32 (or float64), over groups of labels; 0 for a head without groups.
        labels: ``(N,)``, over the labels that the head scored.
    """

    groups: Tensor
    labels: Tensor


class MultiLabelHead(nn.Module, ABC):
    """Output layer over ``V`` labels of which a document has none, one or many.

    Targets are label sets in CSR form: document ``n`` has ``labels[offsets[n]:offsets[n + 1]]``, in any
    order; a label that occurs twice counts once. Scores are log-probabilities that a document has a
    label, in nats, float32 (float64 for float64 features); labels do not exclude each other.

    Args:
        in_features: ``d``.
        num_labels: ``V``, at least 2.
        hidden_features: ``m``: features go through a ``d × m`` matrix before they meet the labels' weights,
            the bottleneck of the paper (section 4.2). Default: none, ``m = d``.

    Raises:
        ValueError: for a size out of range.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        hidden_features: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if in_features < 1:
            raise ValueError(f"in_features must be at least 1, got {in_features}")
        if num_labels < 2:
            raise ValueError(f"num_labels must be at least 2, got {num_labels}")
        if hidden_features is not None and hidden_features < 1:
            raise ValueError(f"hidden_features must be at least 1, got {hidden_features}")
        self.in_features, self.num_labels = int(in_features), int(num_labels)
        self.hidden_features = hidden_features
        self.label_features = hidden_features or in_features
        self.bottleneck = (
            nn.Linear(in_features, hidden_features, device=device, dtype=dtype) if hidden_features else None
        )

    # What a head implements.

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draws new parameters."""

    @property
    @abstractmethod
    def label_weight_rows(self) -> Tensor:
        """The matrix ``(V, m)`` with one row per label, for optimizers with one step size per row."""

    @abstractmethod
    def _forward(self, features: Tensor, documents: Tensor, labels: Tensor) -> MultiLabelOutput:
        """Loss terms of ``(N, d)`` features; ``documents`` and ``labels`` ``(M,)`` are distinct pairs."""

    @abstractmethod
    def _log_prob(self, features: Tensor) -> Tensor:
        """``(N, d)`` to ``(N, V)``."""

    @abstractmethod
    def _score(self, features: Tensor, labels: Tensor) -> Tensor:
        """``(N, d)`` and ``(N, K)`` to ``(N, K)``."""

    @abstractmethod
    def _topk(self, features: Tensor, k: int, candidates: int | None) -> tuple[Tensor, Tensor]:
        """``(N, d)`` to scores and labels ``(N, k)``, best first."""

    # What a caller uses.

    def forward(self, features: Tensor, labels: Tensor, offsets: Tensor) -> MultiLabelOutput:
        """Loss terms per document.

        Args:
            features: ``(N, d)``, any floating dtype.
            labels: ``(M,)`` int64, the label sets one after another.
            offsets: ``(N + 1,)`` int64, where each begins and ends; from 0 to ``M``, not decreasing.

        Raises:
            ValueError: if the shapes do not fit, or (on CPU) for a label outside ``[0, V)`` or offsets that
                do not cut up ``labels``.
        """
        self._check_features(features)
        _check_offsets(len(features), labels, offsets)
        check_labels(labels, self.num_labels)
        documents = torch.arange(len(features), device=labels.device).repeat_interleave(
            offsets.diff(), output_size=len(labels)
        )
        pairs = (documents * self.num_labels + labels).unique()
        documents = pairs.div(self.num_labels, rounding_mode="floor")
        return self._forward(features, documents, pairs - documents * self.num_labels)

    def loss(self, features: Tensor, labels: Tensor, offsets: Tensor, reduction: str = "mean") -> Tensor:
        """``groups + labels`` of :meth:`forward`: nats per document, a plain sum of the terms of both.

        ``reduction`` is ``"mean"`` over the documents, ``"sum"`` or ``"none"``.
        """
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        output = self(features, labels, offsets)
        losses = output.groups + output.labels
        if reduction == "none":
            return losses
        return losses.sum() if reduction == "sum" else losses.mean()

    def log_prob(self, features: Tensor) -> Tensor:
        """Scores of all labels, ``(N, d)`` to ``(N, V)``: dense and slow."""
        self._check_features(features)
        return self._log_prob(features)

    def score(self, features: Tensor, labels: Tensor) -> Tensor:
        """Scores of the given labels: ``(N, d)`` and ``(N, K)`` int64 to ``(N, K)``.

        Raises:
            ValueError: if the shapes do not fit, or (on CPU) if a label is outside ``[0, V)``.
        """
        self._check_features(features)
        if labels.dim() != 2 or len(labels) != len(features):
            raise ValueError(
                f"labels must have shape ({len(features)}, K) to go with features of shape "
                f"{tuple(features.shape)}, got {tuple(labels.shape)}"
            )
        check_labels(labels, self.num_labels)
        return self._score(features, labels)

    @torch.no_grad()
    def topk(self, features: Tensor, k: int, candidates: int | None = None) -> tuple[Tensor, Tensor]:
        """The ``k`` best labels of each document, best first: ``(N, d)`` to scores and labels ``(N, k)``.

        Args:
            features: ``(N, d)``.
            k: ``1 … V``.
            candidates: look into that many best groups only, as the paper does (more where ``k`` labels
                need more). Default: exact, as ``self.log_prob(features).topk(k)``. Equal scores come in any
                order.

        Raises:
            ValueError: for ``k`` or ``candidates`` out of range.
        """
        self._check_features(features)
        if not 1 <= k <= self.num_labels:
            raise ValueError(f"k must be between 1 and the number of labels, {self.num_labels}, got {k}")
        if candidates is not None and candidates < 1:
            raise ValueError(f"candidates must be at least 1, got {candidates}")
        return self._topk(features, k, candidates)

    def extra_repr(self) -> str:
        hidden = f", hidden_features={self.hidden_features}" if self.hidden_features else ""
        return f"in_features={self.in_features}, num_labels={self.num_labels}{hidden}"

    def _inputs(self, features: Tensor) -> Tensor:
        """What the labels' weights are multiplied with: ``(…, d)`` to ``(…, m)``."""
        return features if self.bottleneck is None else self.bottleneck(features)

    def _check_features(self, features: Tensor) -> None:
        if features.dim() != 2 or features.size(-1) != self.in_features:
            raise ValueError(f"features must have shape (N, {self.in_features}), got {tuple(features.shape)}")
        if not features.is_floating_point():
            raise ValueError(f"features must be floating point, got {features.dtype}")


class OneVsAllHead(MultiLabelHead):
    """A logistic regression for each label: the baseline without groups, and the dense oracle.

    The loss is ``sum_y BCE(s_y, y in set)`` over all ``V`` labels; cost and memory per document are ``V·m``.

    Args:
        in_features, num_labels, hidden_features: see :class:`MultiLabelHead`.

    Shape:
        ``linear.weight`` ``(V, m)``, ``bottleneck.weight`` ``(m, d)`` where there is one.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        hidden_features: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, num_labels, hidden_features=hidden_features, device=device, dtype=dtype)
        self.linear = nn.Linear(self.label_features, num_labels, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of standard deviation ``inputs**-0.5``; biases of one true label in ``V``."""
        if self.bottleneck is not None:
            init_linear(self.bottleneck, 0.0)
        init_linear(self.linear, -math.log(self.num_labels))

    @property
    def label_weight_rows(self) -> Tensor:
        return self.linear.weight

    def _forward(self, features: Tensor, documents: Tensor, labels: Tensor) -> MultiLabelOutput:
        logits = at_least_float32(self.linear(self._inputs(features)))
        # BCE(s, 1) = softplus(s) - s and BCE(s, 0) = softplus(s): no dense targets are needed.
        terms = F.softplus(logits).sum(-1).index_add(0, documents, logits[documents, labels], alpha=-1)
        return MultiLabelOutput(torch.zeros_like(terms), terms)

    def _log_prob(self, features: Tensor) -> Tensor:
        return F.logsigmoid(at_least_float32(self.linear(self._inputs(features))))

    def _score(self, features: Tensor, labels: Tensor) -> Tensor:
        return self._log_prob(features).gather(-1, labels)

    def _topk(self, features: Tensor, k: int, candidates: int | None) -> tuple[Tensor, Tensor]:
        scores, labels = self._log_prob(features).topk(k)
        return scores, labels


def init_linear(linear: nn.Linear, bias: float) -> None:
    """Normal weights of standard deviation ``inputs**-0.5``, and a constant bias."""
    nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
    nn.init.constant_(linear.bias, bias)


def _check_offsets(documents: int, labels: Tensor, offsets: Tensor) -> None:
    if labels.dim() != 1 or offsets.shape != (documents + 1,):
        raise ValueError(
            f"{documents} documents need labels of shape (M,) and offsets of shape ({documents + 1},), "
            f"got {tuple(labels.shape)} and {tuple(offsets.shape)}"
        )
    # Elsewhere it would stall the device.
    if offsets.device.type == "cpu":
        steps = offsets.diff()
        if int(offsets[0]) != 0 or int(offsets[-1]) != len(labels) or bool((steps < 0).any()):
            raise ValueError(
                f"offsets must rise from 0 to the number of labels, {len(labels)}, got {offsets.tolist()[:8]}"
            )
