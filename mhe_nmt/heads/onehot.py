"""The full softmax: the baseline that every other head is measured against, and their oracle."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.heads.base import HeadOutput, HeadTotals, OutputHead
from mhe_nmt.heads.chunked import chunked_terms, chunked_total
from mhe_nmt.heads.precision import log_softmax
from mhe_nmt.heads.projection import ResidualProjection


class OneHotHead(OutputHead):
    """One ``V``-wide softmax: ``P(y|x) = softmax(W x + c)[y]``.

    Cost per position: ``V·d`` multiplications and ``V`` logits. Parameters: ``V·(d + 1)``, or none when the
    weight is tied and ``bias=False``. Every verb is V-wide; there is no other way. But :meth:`loss` and
    :meth:`total` never hold the logits of all positions, only a chunk's, and neither does a call of more
    than one chunk (:mod:`mhe_nmt.heads.chunked`).

    Args:
        in_features: ``d``.
        num_labels: ``V``.
        bias: adds ``c``.
        projection: the softmax reads ``x + P x``, see :class:`ResidualProjection`.
        ignore_index, label_smoothing: see :class:`OutputHead`.

    Shape:
        weight ``(V, d)``, bias ``(V,)``, rows in label order.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        bias: bool = True,
        projection: bool = False,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, num_labels, ignore_index=ignore_index, label_smoothing=label_smoothing)
        self.weight = nn.Parameter(torch.empty(num_labels, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(num_labels, device=device, dtype=dtype)) if bias else None
        self.projection = ResidualProjection(in_features, device=device, dtype=dtype) if projection else None
        self.tied = False
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of standard deviation ``d**-0.5``, as fairseq's output projection; zero bias."""
        if not self.tied:
            nn.init.normal_(self.weight, std=self.in_features**-0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.projection is not None:
            self.projection.reset_parameters()

    def tie_weight(self, weight: nn.Parameter) -> None:
        self._check_tied(weight)
        self.weight = weight
        self.tied = True

    def _forward(self, features: Tensor, target: Tensor, ignored: Tensor | None, smooth: bool) -> HeadOutput:
        return HeadOutput(*chunked_terms(self._inputs(features), self.weight, self.bias, target, smooth))

    def _total(
        self,
        features: Tensor,
        target: Tensor,
        ignored: Tensor | None,
        nll_weight: float,
        smooth_weight: float,
        with_nll: bool = True,
    ) -> HeadTotals:
        inputs = self._inputs(features)
        return HeadTotals(
            *chunked_total(inputs, self.weight, self.bias, target, ignored, nll_weight, smooth_weight)
        )

    def _inputs(self, features: Tensor) -> Tensor:
        """What the rows are multiplied with."""
        return features if self.projection is None else self.projection(features)

    def _log_prob(self, features: Tensor) -> Tensor:
        features = self._inputs(features)
        return log_softmax(F.linear(features, self.weight, self.bias))

    def _score(self, features: Tensor, labels: Tensor, shared: Any) -> Tensor:
        return self._log_prob(features).gather(-1, labels)
