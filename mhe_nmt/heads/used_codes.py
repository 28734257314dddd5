"""The used codes of a mixed-radix code: as boxes in which digits vary independently, and their mass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Box:
    """Used codes that share a prefix of the last used code: ``d_j = prefix[j]``, then ``d_h < limits[h]``.

    The used codes ``[0, V)`` split into at most ``H`` such boxes; inside one, digits vary independently.
    """

    prefix: tuple[int, ...]
    limits: tuple[int, ...]


def prefix_boxes(last_digits: tuple[int, ...], radices: tuple[int, ...]) -> list[Box]:
    """Splits the codes up to and including ``last_digits`` into boxes."""
    boxes = []
    for head, last in enumerate(last_digits):
        rest = radices[head + 1 :]
        closed = all(digit == radix - 1 for digit, radix in zip(last_digits[head + 1 :], rest, strict=True))
        limit = last + 1 if closed else last
        if limit:
            boxes.append(Box(last_digits[:head], (limit, *rest)))
        if closed:
            break
    return boxes


def log_used_mass(log_probs: Sequence[Tensor], last_digits: tuple[int, ...]) -> Tensor | None:
    """Log of the probability that independent digits form a used code, in O(sum of radices).

    Args:
        log_probs: per head ``(…, b_h)``, normalised.
        last_digits: digits of rank ``V - 1``.

    Returns:
        ``(…)``, or ``None`` where every code is used, so that the mass is exactly 1.
    """
    if all(last == scores.size(-1) - 1 for scores, last in zip(log_probs, last_digits, strict=True)):
        return None
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        # A compiler fuses the gradients of these operations by itself.
        return _suffix_masses(last_digits, log_probs)[-1]
    return _LogUsedMass.apply(last_digits, *log_probs)


def _suffix_masses(last_digits: tuple[int, ...], log_probs: Sequence[Tensor]) -> list[Tensor | None]:
    """``log T_{h+1}`` for ``h = H … 0``, see :class:`_LogUsedMass`; ``None`` is 0."""
    suffixes: list[Tensor | None] = [None]
    for scores, last in zip(reversed(log_probs), reversed(last_digits), strict=True):
        mass = suffixes[-1]
        if mass is not None:
            mass = mass + scores[..., last]
            if last:
                mass = torch.logaddexp(scores[..., :last].logsumexp(-1), mass)
        elif last < scores.size(-1) - 1:
            mass = scores[..., : last + 1].logsumexp(-1)
        suffixes.append(mass)
    return suffixes


class _LogUsedMass(torch.autograd.Function):
    """The masses of all suffixes, from the last digit on; a gradient is a posterior of digits.

    A code is used if, at the first digit that is not the last used code's, its digit is the smaller one. So
    the probability ``T_h`` that digits ``h … H`` are used, given that those before are the last used code's,
    is ``sum of p_h[d] over d < last + p_h[last] · T_{h+1}``.
    """

    @staticmethod
    def forward(ctx: Any, last_digits: tuple[int, ...], *log_probs: Tensor) -> Tensor:
        *suffixes, mass = _suffix_masses(last_digits, log_probs)
        assert mass is not None
        ctx.last_digits, ctx.heads = last_digits, len(log_probs)
        ctx.is_one = [suffix is None for suffix in suffixes]
        ctx.save_for_backward(*log_probs, mass, *(suffix for suffix in suffixes if suffix is not None))
        return mass

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = list(ctx.saved_tensors)  # once: activation checkpointing computes them anew for each look
        log_probs, masses = saved[: ctx.heads], saved[ctx.heads :]
        total = masses.pop(0)
        after = [None if is_one else masses.pop(0) for is_one in ctx.is_one]
        found: list[Tensor | None] = [None]
        weight = grads[0]  # times the posterior of the last used code's digits so far
        for scores, last, suffix in zip(log_probs, ctx.last_digits, reversed(after), strict=True):
            if total is None:
                # Whatever comes here is used, and the log-probabilities are normalised.
                found.append(None)
                continue
            # Small differences first, because both may be far below 0.
            posterior = scores - total.unsqueeze(-1)
            if suffix is not None:
                posterior[..., last].add_(suffix)
            posterior = posterior.exp_().mul_(weight.unsqueeze(-1))
            if last + 1 < scores.size(-1):
                posterior[..., last + 1 :] = 0.0
            found.append(posterior)
            weight, total = posterior[..., last], suffix
        return tuple(found)
