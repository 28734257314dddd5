"""Sums of probabilities in log space: mixtures of groups, and sums that are the same on every path."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Mixture(torch.autograd.Function):
    """Negative log-likelihoods and smoothing terms of groups, ``(N, G)``, to their mixture's, ``(N,)``."""

    @staticmethod
    def forward(
        ctx: Any, log_prior: Tensor, nll: Tensor, smoothing: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        prior = log_prior.exp()
        mixed = -(log_prior - nll).logsumexp(1)
        ctx.save_for_backward(log_prior, prior, nll, smoothing, mixed)
        return mixed, None if smoothing is None else (prior * smoothing).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        log_prior, prior, nll, smoothing, mixed = ctx.saved_tensors
        posterior = (log_prior - nll).add_(mixed.unsqueeze(-1)).exp_()
        grad_nll = posterior.mul_(grads[0].unsqueeze(-1))
        if smoothing is None:
            return -grad_nll, grad_nll, None
        grad_smoothing = prior * grads[1].unsqueeze(-1)
        return torch.addcmul(-grad_nll, grad_smoothing, smoothing), grad_nll, grad_smoothing


def add_in_log_space(terms: Iterable[Tensor]) -> Tensor:
    """Log of the sum of exponentials, from left to right, for the reason of :func:`sum_in_order`."""
    return functools.reduce(torch.logaddexp, terms)


def sum_in_order(terms: Sequence[Tensor]) -> Tensor:
    """Sum from left to right: one order everywhere, so that equal labels get equal bits on every path."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
