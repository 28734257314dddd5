"""The contract of every output head: one set of verbs, whatever the factorisation behind them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mhe_nmt.codec import LabelCodec, check_labels
from mhe_nmt.heads.positions import KeptPositions, counted
from mhe_nmt.heads.precision import at_least_float32
from mhe_nmt.topk import TopKQuery


class HeadOutput(NamedTuple):
    """What ``head(features, target)`` returns, each of ``target``'s shape, in nats, float32 (or float64).

    Attributes:
        nll: ``-log P(target | features)``; 0 where the target is ``ignore_index``.
        smooth: the label-smoothing term ``-sum_y log P(y | features)`` over the ``V`` used labels, or the
            substitute that the head's docstring names; 0 where the target is ``ignore_index``. ``None`` if
            it was not asked for.
    """

    nll: Tensor
    smooth: Tensor | None


class HeadTotals(NamedTuple):
    """What :meth:`OutputHead.total` returns, in nats, scalars in float32 (or float64).

    Attributes:
        loss: the weighted sum of both terms over all positions that are not ignored.
        nll: the sum of ``-log P(target | features)`` alone, without gradient.
    """

    loss: Tensor
    nll: Tensor


VERBS = ("total", "loss", "log_prob", "precompute", "score", "topk", "beam_topk", "predict")
"""Methods of a head besides ``forward`` that read its parameters, for wrappers that gather them first."""


class OutputHead(nn.Module, ABC):
    """Output layer over ``V`` labels with the verbs of :class:`torch.nn.AdaptiveLogSoftmaxWithLoss` and more.

    ``features`` have any leading shape ``(…, d)`` and any floating dtype; scores come out in float32 (float64
    for float64 features) as natural logarithms. Under autocast the matrix products run in the autocast dtype.

    Args:
        in_features: ``d``.
        num_labels: ``V``, at least 2.
        ignore_index: target value that is ignored: its loss is 0 and it gets no gradient.
        label_smoothing: epsilon in ``[0, 1)``, used by :meth:`loss` only.

    Raises:
        ValueError: for an option out of range, in one sentence that names it.
    """

    def __init__(
        self, in_features: int, num_labels: int, *, ignore_index: int = -100, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        if in_features < 1:
            raise ValueError(f"in_features must be at least 1, got {in_features}")
        if num_labels < 2:
            raise ValueError(f"num_labels must be at least 2, got {num_labels}")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        self.in_features = int(in_features)
        self.num_labels = int(num_labels)
        self.ignore_index = int(ignore_index)
        self.label_smoothing = float(label_smoothing)

    # What a head implements: all on 2-d features (N, d).

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draws new parameters; tied parameters stay as they are."""

    @abstractmethod
    def _forward(self, features: Tensor, target: Tensor, ignored: Tensor | None, smooth: bool) -> HeadOutput:
        """Loss terms of ``(N, d)`` features and ``(N,)`` labels.

        ``ignored`` ``(N,)`` bool is True where the position is ignored, and ``None`` where none is. An
        ignored position has some label; what is returned for it is thrown away.
        """

    def _total(
        self,
        features: Tensor,
        target: Tensor,
        ignored: Tensor | None,
        nll_weight: float,
        smooth_weight: float,
        with_nll: bool = True,
    ) -> HeadTotals:
        """See :meth:`total`; arguments as for :meth:`_forward`. ``with_nll``: whether ``nll`` is read."""
        nll, smooth = self._forward(features, target, ignored, smooth_weight != 0)
        loss = nll_weight * nll
        if smooth is not None:
            loss = loss.add(smooth, alpha=smooth_weight)
        loss = counted(loss, ignored).sum()
        return HeadTotals(loss, counted(nll.detach(), ignored).sum() if with_nll else loss.detach())

    @abstractmethod
    def _log_prob(self, features: Tensor) -> Tensor:
        """``(N, d)`` to ``(N, V)``."""

    def _precompute(self, features: Tensor) -> Any:
        """What :meth:`_score` and :meth:`_topk` of the same ``(N, d)`` features share; here nothing."""
        return None

    @abstractmethod
    def _score(self, features: Tensor, labels: Tensor, shared: Any) -> Tensor:
        """``(N, d)`` and ``(N, K)`` to ``(N, K)``."""

    def _topk(self, features: Tensor, query: TopKQuery, shared: Any) -> tuple[Tensor, Tensor]:
        """``(S·B, d)`` to log-probabilities and ids ``(S, k)``, best sum first; here the dense way."""
        log_probs = self._log_prob(features)
        return query.of_dense(log_probs.view(*query.scores.shape, self.num_labels), query.scores)

    # What a caller uses.

    def forward(self, features: Tensor, target: Tensor, smooth: bool = True) -> HeadOutput:
        """Per-position loss terms.

        Args:
            features: ``(…, d)``.
            target: ``(…)`` integer labels, or ``ignore_index``.
            smooth: whether to compute the label-smoothing term.

        Raises:
            ValueError: if the shapes do not fit, or (on CPU) if a target is not a label.
        """
        kept = self._kept(features, target)
        terms = self._forward(kept.features, kept.labels, kept.ignored, smooth)
        nll = kept.at_all_places(terms.nll, target.shape)
        return HeadOutput(
            nll, None if terms.smooth is None else kept.at_all_places(terms.smooth, target.shape)
        )

    def total(
        self, features: Tensor, target: Tensor, nll_weight: float = 1.0, smooth_weight: float = 0.0
    ) -> HeadTotals:
        """The sum of ``nll_weight * nll + smooth_weight * smooth`` over all positions.

        It equals the sum of what :meth:`forward` returns. A head that knows the weight of each term
        beforehand can do with less memory: see :class:`OneHotHead`.

        Args:
            features: ``(…, d)``.
            target: ``(…)`` integer labels, or ``ignore_index``.
            nll_weight, smooth_weight: of the two terms. A term of weight 0 is not computed.

        Raises:
            ValueError: as for :meth:`forward`.
        """
        kept = self._kept(features, target)
        return self._total(*kept[:3], nll_weight, smooth_weight)

    def loss(self, features: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        """Label-smoothed cross entropy, ``(1 - eps) * nll + eps / V * smooth``, as ``F.cross_entropy``.

        Args:
            features: ``(…, d)``.
            target: ``(…)`` integer labels.
            reduction: ``"mean"`` over the positions that are not ignored, ``"sum"`` or ``"none"``.
        """
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        nll_weight, smooth_weight = 1 - self.label_smoothing, self.label_smoothing / self.num_labels
        if reduction == "none":
            nll, smooth = self(features, target, smooth=smooth_weight != 0)
            return nll if smooth is None else nll_weight * nll + smooth_weight * smooth
        kept = self._kept(features, target)
        loss = self._total(*kept[:3], nll_weight, smooth_weight, with_nll=False).loss
        if reduction == "sum":
            return loss
        return loss / (len(kept.labels) if kept.ignored is None else (~kept.ignored).sum())

    def _kept(self, features: Tensor, target: Tensor) -> KeptPositions:
        self._check_features(features)
        return KeptPositions.of(features, target, self.num_labels, self.ignore_index)

    def log_prob(self, features: Tensor) -> Tensor:
        """Normalised log-probabilities of all labels, ``(…, d)`` to ``(…, V)``: dense and slow."""
        self._check_features(features)
        scores = self._log_prob(features.reshape(-1, self.in_features))
        return scores.view(*features.shape[:-1], self.num_labels)

    def precompute(self, features: Tensor) -> Any:
        """What :meth:`score` and :meth:`beam_topk` have in common for the same ``(…, d)`` features.

        Useful where both are called; only this head can read the result.
        """
        self._check_features(features)
        return self._precompute(features.reshape(-1, self.in_features))

    def score(self, features: Tensor, labels: Tensor, shared: Any = None) -> Tensor:
        """Log-probabilities of the given labels: ``(…, d)`` and ``(…, K)`` int64 to ``(…, K)``.

        This is equivalent to ``self.log_prob(features).gather(-1, labels)``, but cheaper where it can be.
        ``shared`` is ``self.precompute(features)``, if the caller has it.

        Raises:
            ValueError: if the shapes do not fit, or (on CPU) if a label is outside ``[0, V)``.
        """
        self._check_features(features)
        if labels.dim() == 0 or labels.shape[:-1] != features.shape[:-1]:
            raise ValueError(
                f"labels must have shape {(*features.shape[:-1], 'K')} to go with features of shape "
                f"{tuple(features.shape)}, got {tuple(labels.shape)}"
            )
        check_labels(labels, self.num_labels)
        rows = features.reshape(-1, self.in_features)
        shared = self._precompute(rows) if shared is None else shared
        return self._score(rows, labels.reshape(len(rows), labels.size(-1)), shared).view(labels.shape)

    def topk(self, features: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` best labels, best first: ``(…, d)`` to values ``(…, k)`` and labels ``(…, k)`` int64.

        This is equivalent to ``self.log_prob(features).topk(k)``, ties broken by smaller label id, but
        cheaper where it can be. Not differentiable.

        Raises:
            ValueError: if ``k`` is not in ``[1, V]``.
        """
        self._check_features(features)
        if not 1 <= k <= self.num_labels:
            raise ValueError(f"k must be between 1 and the number of labels, {self.num_labels}, got {k}")
        scores = features.new_zeros(*features.shape[:-1], 1, dtype=at_least_float32(features[:0]).dtype)
        values, _, labels = self.beam_topk(features.unsqueeze(-2), scores, k)
        return values, labels

    def beam_topk(
        self,
        features: Tensor,
        scores: Tensor,
        k: int,
        exclude: Tensor | None = None,
        shared: Any = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The ``k`` best continuations of each sentence's hypotheses: a step of beam search.

        This is equivalent to
        ``(scores.unsqueeze(-1) + self.log_prob(features)).flatten(-2).topk(k)``, ties broken by smaller beam,
        then smaller label, but cheaper where it can be: a hypothesis far behind costs almost nothing. Not
        differentiable.

        Args:
            features: ``(…, B, d)``, of ``B`` hypotheses per sentence.
            scores: ``(…, B)`` cumulative log-probabilities, in nats; -inf leaves a hypothesis out.
            k: number of continuations, ``1 … B·V``.
            exclude: ``(V,)`` bool, labels that must not be returned, or ``None``.
            shared: ``self.precompute(features)``, if the caller has it.

        Returns:
            log-probabilities ``(…, k)``, beams ``(…, k)`` and labels ``(…, k)``, best sum first; the sums are
            ``scores.gather(-1, beams) + log_probs``. Where fewer than ``k`` continuations are possible the
            rest have log-probability -inf, and beams and labels that mean nothing.

        Raises:
            ValueError: if the shapes do not fit, or ``k`` is out of range.
        """
        self._check_features(features)
        if scores.dim() == 0 or scores.shape != features.shape[:-1]:
            raise ValueError(
                f"scores must have the leading shape of features, {tuple(features.shape[:-1])}, "
                f"got {tuple(scores.shape)}"
            )
        beam = scores.size(-1)
        if not 1 <= k <= beam * self.num_labels:
            raise ValueError(f"k must be between 1 and {beam} × {self.num_labels} continuations, got {k}")
        if exclude is not None and (exclude.shape != (self.num_labels,) or exclude.dtype != torch.bool):
            raise ValueError(
                f"exclude must be bool of shape ({self.num_labels},), "
                f"got {exclude.dtype} of shape {tuple(exclude.shape)}"
            )
        query = TopKQuery(scores.reshape(-1, beam), k, self.num_labels, exclude)
        shape = (*scores.shape[:-1], k)
        with torch.no_grad():
            rows = features.reshape(-1, self.in_features)
            shared = self._precompute(rows) if shared is None else shared
            log_probs, ids = self._topk(rows, query, shared)
        beams = ids.div(self.num_labels, rounding_mode="floor")
        return log_probs.view(shape), beams.view(shape), ids.remainder(self.num_labels).view(shape)

    def predict(self, features: Tensor) -> Tensor:
        """The best label: ``(…, d)`` to ``(…)`` int64.

        This is equivalent to ``self.log_prob(features).argmax(-1)``, ties to the smaller id.
        """
        return self.topk(features, 1)[1].squeeze(-1)

    def tie_weight(self, weight: nn.Parameter) -> None:
        """Uses ``weight`` (``(V, d)``, rows in label order) in place of the head's matrix.

        Raises:
            ValueError: if this head has no ``V × d`` matrix, or the shapes do not fit.
        """
        raise ValueError(
            f"{type(self).__name__} has no V×d matrix to tie: its weights belong to digits, not to labels"
        )

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_labels={self.num_labels}"

    def _check_features(self, features: Tensor) -> None:
        if features.dim() == 0 or features.size(-1) != self.in_features:
            raise ValueError(
                f"features must have {self.in_features} entries in the last dimension, "
                f"got shape {tuple(features.shape)}"
            )
        if not features.is_floating_point():
            raise ValueError(f"features must be floating point, got {features.dtype}")

    def _check_tied(self, weight: Tensor) -> None:
        if weight.shape != (self.num_labels, self.in_features):
            raise ValueError(
                f"the weight to tie must have shape {(self.num_labels, self.in_features)}, "
                f"got {tuple(weight.shape)}"
            )


class MultiHead(OutputHead):
    """An output head behind a :class:`LabelCodec`: what product, cascade and sampling heads share.

    Args:
        in_features: ``d``.
        num_labels: ``V``.
        radices: ``b_1 … b_H``; default: ``num_heads`` near-equal ones.
        num_heads: ``H``, read only where ``radices`` is not given.
        order: ``order[label] = rank``, see :class:`LabelCodec`.
        ignore_index, label_smoothing: see :class:`OutputHead`.
    """

    codec: LabelCodec

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        radices: Sequence[int] | None = None,
        num_heads: int = 2,
        order: Sequence[int] | Tensor | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, num_labels, ignore_index=ignore_index, label_smoothing=label_smoothing)
        self.codec = LabelCodec(num_labels, radices, num_heads=num_heads, order=order, device=device)
