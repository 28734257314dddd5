"""The full softmax's loss without its logits: a chunk of positions at a time, exact, with label smoothing.

The logits of ``N`` positions are ``N × V`` numbers, which a plain loss holds several times. Here a chunk's
logits are made, used and thrown away. Two forms:

- :func:`chunked_total` knows the weight of each term beforehand. It makes the gradients of features, weight
  and bias in the forward pass, while it has the logits; the backward pass multiplies them by a number. The
  products are as many as the plain loss's, and the memory is that of the gradients and one chunk.
- :func:`chunked_terms` returns each position's terms. Their gradients may be anything, so the backward pass
  makes each chunk's logits again: one product more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mhe_nmt import waiting
from mhe_nmt.heads.chunk_gradients import Gradients, joined, scaled
from mhe_nmt.heads.positions import counted
from mhe_nmt.heads.precision import (
    autocast_dtype,
    autocast_is_on,
    log_softmax,
    wide_dtype,
    without_autocast,
)

CPU_LOGITS = 1 << 22
"""Logits of a chunk on a CPU, where products are in float32: 16 MB. Twice as many in half precision."""

DEVICE_LOGITS = 1 << 27
"""Logits of a chunk elsewhere, where launches count for more: 512 MB in float32."""

FEWEST_ROWS = 128
"""Positions of a chunk, however many labels: each chunk reads and writes the whole gradient of the weight."""


def _chunk_count(features: Tensor, labels: int, dtype: torch.dtype) -> int:
    """Into how many chunks the positions go, with products in this dtype."""
    positions, logits = len(features), DEVICE_LOGITS
    if features.device.type == "cpu":
        # In half precision the products are fast, and each chunk's sum with the gradient so far is not.
        logits = CPU_LOGITS if dtype.itemsize >= 4 else 2 * CPU_LOGITS
    rows = max(FEWEST_ROWS, logits // labels)
    return max(1, -(-positions // rows))


def _product_dtype(features: Tensor, weight: Tensor) -> torch.dtype:
    """What matrix products are computed in, which autocast may have a say in."""
    if features.dtype != weight.dtype and not autocast_is_on(features.device):
        raise ValueError(
            f"features are {features.dtype} and the weight is {weight.dtype}; convert one of them, or use "
            "autocast"
        )
    return autocast_dtype(features)


def chunked_total(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    ignored: Tensor | None,
    nll_weight: float,
    smooth_weight: float,
) -> tuple[Tensor, Tensor]:
    """The sum of ``nll_weight * nll + smooth_weight * smooth`` over all positions, of ``softmax(W x + c)``.

    A position's gradient with respect to its logits, ``(a + b V) p - a onehot - b`` with the weights ``a``
    and ``b``, is known in the forward pass. Products run in the features' dtype or autocast's, softmaxes and
    sums over chunks in float32 (float64).

    float16 has too few exponents for gradients that a loss scale has not yet multiplied. There the backward
    pass makes them, as in :func:`chunked_terms`.

    Args:
        features: ``(N, d)``, any floating dtype.
        weight: ``(V, d)``.
        bias: ``(V,)`` or ``None``.
        target: ``(N,)`` int64 in ``[0, V)``.
        ignored: ``(N,)`` bool, True where a position does not count, or ``None`` where all do.
        nll_weight, smooth_weight: of ``-log P(target)`` and of ``-sum_y log P(y)``.

    Returns:
        The weighted sum, and the sum of ``-log P(target)`` without gradient: scalars in nats, float32
        (float64).

    Raises:
        ValueError: if features and weight differ in dtype without autocast.
        RuntimeError: by the backward pass, if it is asked for a graph of its own (``create_graph=True``).
    """
    dtype = _product_dtype(features, weight)
    if dtype == torch.float16:
        nll, smooth = chunked_terms(features, weight, bias, target, smooth_weight != 0)
        nll = counted(nll, ignored).sum()
        loss = nll_weight * nll
        if smooth is not None:
            loss = loss + smooth_weight * counted(smooth, ignored).sum()
        return loss, nll.detach()
    count = _chunk_count(features, len(weight), dtype)
    needs = tuple(
        torch.is_grad_enabled() and x is not None and x.requires_grad for x in (features, weight, bias)
    )
    loss, nll = _Total.apply(
        features, weight, bias, target, ignored, float(nll_weight), float(smooth_weight), dtype, count, needs
    )
    return loss, nll.detach()


def chunked_terms(
    features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, smooth: bool
) -> tuple[Tensor, Tensor | None]:
    """The loss terms of each position, of ``softmax(W x + c)``.

    Args:
        features: ``(N, d)``, any floating dtype.
        weight: ``(V, d)``.
        bias: ``(V,)`` or ``None``.
        target: ``(N,)`` int64 in ``[0, V)``.
        smooth: whether to compute the second term.

    Returns:
        ``-log P(target)`` and ``-sum_y log P(y)``, or ``None`` for the latter: ``(N,)`` in nats, float32
        (float64).

    Raises:
        ValueError: as for :func:`chunked_total`.
        RuntimeError: by the backward pass of more than one chunk, as for :func:`chunked_total`.
    """
    dtype = _product_dtype(features, weight)
    count = _chunk_count(features, len(weight), dtype)
    if count == 1 and torch.is_grad_enabled():
        # Autograd may keep a single chunk's log-probabilities: that saves the product that makes them again.
        raw = F.linear(features, weight, bias)
        log_prob = log_softmax(raw)
        nll = -log_prob.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        return nll, -log_prob.sum(-1) if smooth else None
    if smooth:
        return _Terms.apply(features, weight, bias, target, True, dtype, count)
    (nll,) = _Terms.apply(features, weight, bias, target, False, dtype, count)
    return nll, None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        ignored: Tensor | None,
        nll_weight: float,
        smooth_weight: float,
        dtype: torch.dtype,
        count: int,
        needs: tuple[bool, bool, bool],
    ) -> tuple[Tensor, Tensor]:
        labels, exact = len(weight), wide_dtype(dtype)
        matrix, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        kept = None if ignored is None else (~ignored).to(exact)
        at_targets, totals = [], []
        gradients = Gradients(weight, needs, exact, count)
        for start, end in _bounds(len(features), count):
            rows, index = features[start:end].to(dtype), target[start:end].unsqueeze(-1)
            raw = F.linear(rows, matrix, offset)
            chunk = _softmax(raw, index, smooth_weight != 0, any(needs))
            at_targets.append(chunk.at_target.squeeze(-1))
            if chunk.total is not None:
                totals.append(chunk.total.squeeze(-1))
            if any(needs):
                mask = torch.ones_like(chunk.at_target) if kept is None else kept[start:end].unsqueeze(-1)
                of_all = mask * (nll_weight + smooth_weight * labels)
                at_target = (of_all * chunk.at_target.exp()).sub_(mask, alpha=nll_weight + smooth_weight)
                constant = mask * -smooth_weight if smooth_weight else None
                gradients.add(_of_logits(chunk, raw, index, of_all, constant, at_target), rows, matrix)
            # Names that hold a chunk would keep it until the next one is made.
            del raw, chunk
        ctx.save_for_backward(*gradients.of_inputs(features, weight, bias))
        ctx.dtypes = [x.dtype for x in (features, weight, weight if bias is None else bias)]
        log_likelihood = counted(joined(at_targets), ignored).sum()
        loss = log_likelihood * -nll_weight
        if smooth_weight:
            loss = loss.sub(counted(joined(totals), ignored).sum(), alpha=smooth_weight)
        return loss, -log_likelihood

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Any) -> Any:
        _refuse_to_be_differentiated()
        pairs = zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        return *(scaled(gradient, upstream, dtype) for gradient, dtype in pairs), *(None,) * 7


class _Terms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        smooth: bool,
        dtype: torch.dtype,
        count: int,
    ) -> tuple[Tensor, ...]:
        matrix, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        at_targets, totals = [], []
        for start, end in _bounds(len(features), count):
            raw = F.linear(features[start:end].to(dtype), matrix, offset)
            chunk = _softmax(raw, target[start:end].unsqueeze(-1), smooth, False)
            at_targets.append(chunk.at_target.squeeze(-1))
            if chunk.total is not None:
                totals.append(chunk.total.squeeze(-1))
            del raw, chunk
        ctx.save_for_backward(features, weight, bias, target)
        ctx.dtype, ctx.count = dtype, count
        nll = -joined(at_targets)
        return (nll, -joined(totals)) if smooth else (nll,)

    @staticmethod
    def backward(ctx: Any, of_nll: Tensor, of_smooth: Tensor | None = None) -> Any:
        _refuse_to_be_differentiated()
        features, weight, bias, target = ctx.saved_tensors
        dtype, count, needs = ctx.dtype, ctx.count, ctx.needs_input_grad[:3]
        matrix, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        of_all = of_target = of_nll
        if of_smooth is not None:
            of_all, of_target = of_nll + len(weight) * of_smooth, of_nll + of_smooth
        gradients = Gradients(weight, needs, wide_dtype(dtype), count)
        with without_autocast(features.device):
            for start, end in _bounds(len(features), count):
                rows, index = features[start:end].to(dtype), target[start:end].unsqueeze(-1)
                raw = F.linear(rows, matrix, offset)
                chunk = _softmax(raw, index, False, True)
                of_chunk = of_all[start:end].unsqueeze(-1)
                at_target = of_chunk * chunk.at_target.exp() - of_target[start:end].unsqueeze(-1)
                constant = None if of_smooth is None else -of_smooth[start:end].unsqueeze(-1)
                gradients.add(_of_logits(chunk, raw, index, of_chunk, constant, at_target), rows, matrix)
                del raw, chunk
        found = gradients.of_inputs(features, weight, bias)
        pairs = zip(found, (features, weight, weight), strict=True)
        return *(None if x is None else x.to(like.dtype) for x, like in pairs), *(None,) * 4


class _Softmax(NamedTuple):
    """A chunk's softmax: log-probabilities at the targets, and what the gradient is made of."""

    at_target: Tensor  # (n, 1)
    total: Tensor | None  # (n, 1), sums of all log-probabilities
    probs: Tensor  # (n, V), probabilities but for the factor; log-probabilities where none are asked for
    factor: Tensor | None  # (n, 1)


def _softmax(raw: Tensor, index: Tensor, total: bool, probs: bool) -> _Softmax:
    """Of logits ``(n, V)``, which may be overwritten, and targets ``(n, 1)``."""
    exact = wide_dtype(raw.dtype)
    if not waiting.may_wait(raw):
        chunk = log_softmax(raw)
        at_target, sums = chunk.gather(-1, index), chunk.sum(-1, keepdim=True) if total else None
        return _Softmax(at_target, sums, chunk.exp_() if probs else chunk, None)
    # In place: on a CPU a new chunk costs as much as the work on it, because its pages are new.
    chunk = raw.to(exact)
    chunk.sub_(chunk.amax(-1, keepdim=True))
    at_target, sums = chunk.gather(-1, index), chunk.sum(-1, keepdim=True) if total else None
    normaliser = chunk.exp_().sum(-1, keepdim=True)
    log_normaliser = normaliser.log()
    return _Softmax(
        at_target.sub_(log_normaliser),
        None if sums is None else sums.sub_(log_normaliser, alpha=raw.size(-1)),
        chunk,
        normaliser.reciprocal_(),
    )


def _of_logits(
    chunk: _Softmax, raw: Tensor, index: Tensor, factor: Tensor, constant: Tensor | None, at_target: Tensor
) -> Tensor:
    """``factor * p + constant``, but ``at_target`` at the target, in ``raw``'s dtype; overwrites both chunks.

    The entry of the target comes by itself, because ``p - 1`` of a ``p`` in half precision is nearly nothing.
    """
    scale = factor if chunk.factor is None else factor * chunk.factor
    out = chunk.probs if waiting.may_wait(raw) else raw
    if constant is None:
        low = torch.mul(chunk.probs, scale, out=out)
    else:
        low = torch.addcmul(constant, chunk.probs, scale, out=out)
    if low.dtype != raw.dtype:
        low = raw.copy_(low)
    return low.scatter_(-1, index, at_target.to(low.dtype))


def _bounds(positions: int, count: int) -> list[tuple[int, int]]:
    """Starts and ends of ``count`` chunks, nearly equal in size."""
    return [(positions * i // count, positions * (i + 1) // count) for i in range(count)]


def _refuse_to_be_differentiated() -> None:
    """For a backward pass: its result would silently count as a constant."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        raise RuntimeError(
            "the gradient of a chunked loss cannot be differentiated again, so its backward pass takes no "
            "create_graph=True; compute the loss from the head's log_prob instead"
        )
