"""The full softmax's loss without its logits: a chunk of positions at a time, exact, with label smoothing.

The logits of ``N`` positions are ``N × V`` numbers, which a plain loss holds several times. Here a chunk's
logits are made, used and thrown away. Two forms:

- :func:`chunked_total` knows the weight of each term beforehand. It makes the gradients of features, weight and
  bias in the forward pass, while it has the logits; the backward pass multiplies them by a number. The
  products are as many as the plain loss's, and the memory is that of the gradients and one chunk.
- :func:`chunked_terms` returns each position's terms. Their gradients may be anything, so the backward pass
  makes each chunk's logits again: one product more.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

CPU_LOGITS = 1 << 22
"""Logits of a chunk on a CPU: 16 MB in float32, which its caches nearly hold."""

DEVICE_LOGITS = 1 << 27
"""Logits of a chunk elsewhere, where launches count for more: 512 MB in float32."""

FEWEST_ROWS = 128
"""Positions of a chunk, however many labels: each chunk reads and writes the whole gradient of the weight."""

_BLOCK = 4096
"""Rows of the weight's gradient that a CPU adds at a time where products are in half precision."""


def fits_one_chunk(positions: int, labels: int, device: torch.device) -> bool:
    """Whether the logits of so many positions are a single chunk."""
    return _chunk_count(positions, labels, device) == 1


def _chunk_count(positions: int, labels: int, device: torch.device) -> int:
    logits = CPU_LOGITS if device.type == "cpu" else DEVICE_LOGITS
    rows = max(FEWEST_ROWS, logits // labels)
    return max(1, -(-positions // rows))


def product_dtype(features: Tensor) -> torch.dtype:
    """What matrix products of these features are computed in, which autocast may have a say in."""
    device = features.device.type
    if features.dtype == torch.float64 or not torch.amp.is_autocast_available(device):
        return features.dtype
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype


def chunked_total(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    keep: Tensor | None,
    nll_weight: float,
    smooth_weight: float,
) -> tuple[Tensor, Tensor]:
    r"""The sum of ``nll_weight * nll + smooth_weight * smooth`` over all positions, of ``softmax(W x + c)``.

    A position's gradient with respect to its logits, ``(a + b V) p - a onehot - b`` with the weights ``a`` and
    ``b``, is known in the forward pass. Products run in the features' dtype or autocast's, softmaxes and
    sums over chunks in float32 (float64).

    float16 has too few exponents for gradients that a loss scale has not yet multiplied. There the backward
    pass makes them, as in :func:`chunked_terms`.

    Args:
        features: ``(N, d)``, any floating dtype.
        weight: ``(V, d)``.
        bias: ``(V,)`` or ``None``.
        target: ``(N,)`` int64 in ``[0, V)``.
        keep: ``(N,)`` bool, False where a position does not count, or ``None`` where all do.
        nll_weight, smooth_weight: of ``-log P(target)`` and of ``-sum_y log P(y)``.

    Returns:
        The weighted sum, and the sum of ``-log P(target)`` without gradient: scalars in nats, float32
        (float64).

    Raises:
        RuntimeError: when the gradient is differentiated again, which it cannot be.
    """
    dtype = product_dtype(features)
    if dtype == torch.float16:
        nll, smooth = chunked_terms(features, weight, bias, target, smooth_weight != 0)
        nll = (nll if keep is None else nll.masked_fill(~keep, 0.0)).sum()
        loss = nll_weight * nll
        if smooth is not None:
            smooth = smooth if keep is None else smooth.masked_fill(~keep, 0.0)
            loss = loss + smooth_weight * smooth.sum()
        return loss, nll.detach()
    count = _chunk_count(len(features), len(weight), features.device)
    needs = tuple(
        torch.is_grad_enabled() and x is not None and x.requires_grad for x in (features, weight, bias)
    )
    loss, nll = _Total.apply(
        features, weight, bias, target, keep, float(nll_weight), float(smooth_weight), dtype, count, needs
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
        RuntimeError: when the gradient of more than one chunk is differentiated again, which it cannot be.
    """
    dtype = product_dtype(features)
    count = _chunk_count(len(features), len(weight), features.device)
    if count == 1 and torch.is_grad_enabled():
        # Autograd may keep a single chunk's log-probabilities: that saves the product that makes them again.
        raw = F.linear(features, weight, bias)
        log_prob = F.log_softmax(raw.to(_sum_dtype(raw.dtype)), dim=-1)
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
        keep: Tensor | None,
        nll_weight: float,
        smooth_weight: float,
        dtype: torch.dtype,
        count: int,
        needs: tuple[bool, bool, bool],
    ) -> tuple[Tensor, Tensor]:
        labels = len(weight)
        matrix, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        exact = _sum_dtype(dtype)
        whole = nll_weight + smooth_weight * labels
        nlls, smooths, rows_gradients = [], [], []
        weight_gradient = bias_gradient = None
        if needs[1] and count > 1:
            weight_gradient = torch.zeros_like(weight, dtype=exact)
        for start, end in _bounds(len(features), count):
            rows = features[start:end].to(dtype)
            index = target[start:end].unsqueeze(-1)
            kept = None if keep is None else keep[start:end].unsqueeze(-1).to(exact)
            raw = F.linear(rows, matrix, offset)
            chunk = raw.to(exact)
            chunk.sub_(chunk.amax(-1, keepdim=True))
            at_target = chunk.gather(-1, index)
            total = chunk.sum(-1, keepdim=True) if smooth_weight else None
            sums = chunk.exp_().sum(-1, keepdim=True)
            log_sums = sums.log()
            nlls.append(_counted(log_sums - at_target, kept))
            if total is not None:
                smooths.append(_counted(labels * log_sums - total, kept))
            if not any(needs):
                continue
            chunk.mul_(_counted(whole / sums, kept))
            chunk.scatter_add_(-1, index, _counted(torch.full_like(sums, -nll_weight), kept))
            if smooth_weight:
                chunk.sub_(smooth_weight if kept is None else smooth_weight * kept)
            if needs[2]:
                of_chunk = chunk.sum(0)
                bias_gradient = of_chunk if bias_gradient is None else bias_gradient.add_(of_chunk)
            low = chunk if dtype == exact else raw.copy_(chunk)
            if needs[0]:
                rows_gradients.append(torch.mm(low, matrix))
            if needs[1] and weight_gradient is None:
                weight_gradient = torch.mm(low.t(), rows)
            elif weight_gradient is not None:
                _add_product(weight_gradient, low, rows)
            # The next chunk is made before this iteration's names would let go of it.
            del raw, chunk, low
        ctx.save_for_backward(
            _joined(rows_gradients).to(features.dtype) if needs[0] else None,
            None if weight_gradient is None else weight_gradient.to(weight.dtype),
            None if bias is None or bias_gradient is None else bias_gradient.to(bias.dtype),
        )
        nll = _joined(nlls).sum()
        loss = nll_weight * nll
        if smooth_weight:
            loss = loss + smooth_weight * _joined(smooths).sum()
        return loss, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, _: Any) -> Any:
        return *(_scaled(gradient, upstream) for gradient in ctx.saved_tensors), *(None,) * 7


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
        nlls, smooths, tops, log_sums = [], [], [], []
        for start, end in _bounds(len(features), count):
            chunk = F.linear(features[start:end].to(dtype), matrix, offset).to(_sum_dtype(dtype))
            top = chunk.amax(-1, keepdim=True)
            chunk.sub_(top)
            at_target = chunk.gather(-1, target[start:end].unsqueeze(-1)).squeeze(-1)
            total = chunk.sum(-1) if smooth else None
            log_sum = chunk.exp_().sum(-1).log()
            tops.append(top.squeeze(-1))
            log_sums.append(log_sum)
            nlls.append(log_sum - at_target)
            if total is not None:
                smooths.append(len(weight) * log_sum - total)
            del chunk
        ctx.save_for_backward(features, weight, bias, target, _joined(tops), _joined(log_sums))
        ctx.dtype, ctx.count = dtype, count
        return (_joined(nlls), _joined(smooths)) if smooth else (_joined(nlls),)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_nll: Tensor, of_smooth: Tensor | None = None) -> Any:
        features, weight, bias, target, tops, log_sums = ctx.saved_tensors
        dtype, exact = ctx.dtype, _sum_dtype(ctx.dtype)
        matrix, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
        of_all = of_nll if of_smooth is None else of_nll + len(weight) * of_smooth
        rows_gradients = []
        weight_gradient = torch.zeros_like(weight, dtype=exact) if ctx.needs_input_grad[1] else None
        bias_gradient = None
        with torch.autocast(features.device.type, enabled=False):
            for start, end in _bounds(len(features), ctx.count):
                rows = features[start:end].to(dtype)
                raw = F.linear(rows, matrix, offset)
                chunk = raw.to(exact)
                # In this order, as in the forward pass: a sum of both would round away the smaller.
                chunk.sub_(tops[start:end].unsqueeze(-1)).sub_(log_sums[start:end].unsqueeze(-1)).exp_()
                chunk.mul_(of_all[start:end].unsqueeze(-1))
                chunk.scatter_add_(
                    -1, target[start:end].unsqueeze(-1), of_nll[start:end].unsqueeze(-1).neg()
                )
                if of_smooth is not None:
                    chunk.sub_(of_smooth[start:end].unsqueeze(-1))
                if ctx.needs_input_grad[2]:
                    of_chunk = chunk.sum(0)
                    bias_gradient = of_chunk if bias_gradient is None else bias_gradient.add_(of_chunk)
                low = chunk if dtype == exact else raw.copy_(chunk)
                if ctx.needs_input_grad[0]:
                    rows_gradients.append(torch.mm(low, matrix))
                if weight_gradient is not None:
                    _add_product(weight_gradient, low, rows)
                del raw, chunk, low
        return (
            _joined(rows_gradients).to(features.dtype) if ctx.needs_input_grad[0] else None,
            None if weight_gradient is None else weight_gradient.to(weight.dtype),
            None if bias_gradient is None else bias_gradient.to(bias.dtype),
            *(None,) * 4,
        )


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _bounds(positions: int, count: int) -> list[tuple[int, int]]:
    """Starts and ends of ``count`` chunks, nearly equal in size."""
    return [(positions * i // count, positions * (i + 1) // count) for i in range(count)]


def _counted(term: Tensor, kept: Tensor | None) -> Tensor:
    return term if kept is None else term * kept


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _add_product(total: Tensor, low: Tensor, rows: Tensor) -> None:
    """Adds ``low.T @ rows`` to ``total``, in ``total``'s precision.

    Products in half precision are rounded once for each chunk, as the plain loss's are once in all; only
    their sum has to be in float32.
    """
    if low.dtype == total.dtype:
        total.addmm_(low.t(), rows)
    elif total.device.type == "cpu" and not torch.compiler.is_compiling():
        # Blocks that stay in the cache until they are added take less memory, and half the time.
        for start in range(0, len(total), _BLOCK):
            total[start : start + _BLOCK].add_(torch.mm(low[:, start : start + _BLOCK].t(), rows))
    else:
        total.add_(torch.mm(low.t(), rows))


def _scaled(gradient: Tensor | None, factor: Tensor) -> Tensor | None:
    """The product; in place, which saves a copy of the gradient, unless it may be asked for once more."""
    if gradient is None:
        return None
    if torch.compiler.is_compiling() or _graph_is_kept():
        return (gradient * factor).to(gradient.dtype)
    return gradient.mul_(factor)


def _graph_is_kept() -> bool:
    """Whether this backward pass runs with ``retain_graph``; True where torch does not tell."""
    kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return True if kept is None else bool(kept())
