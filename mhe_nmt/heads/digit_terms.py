"""What the digits of a cascade contribute to the loss, and which of them lead to no label."""

from __future__ import annotations

import torch
from torch import Tensor

from mhe_nmt.codec import LabelCodec
from mhe_nmt.heads.precision import log_softmax


def log_prob_of_digits(codec: LabelCodec, level: int, logits: Tensor, prefixes: Tensor) -> Tensor:
    """Log-softmax of logits ``(…, b)`` over the used digits of each prefix, -inf at the others."""
    return log_softmax(_masked(logits, _unused(codec, level, logits.size(-1), prefixes)))


def level_terms(
    codec: LabelCodec, level: int, logits: Tensor, digits: Tensor, prefixes: Tensor, smooth: bool
) -> list[Tensor]:
    """A level's part of the log-probability of the target and, if asked for, of the sum over labels.

    Args:
        codec: the code.
        level: of the digit, from 1 on.
        logits: ``(n, b)``.
        digits: ``(n,)``, the target's.
        prefixes: ``(n,)``, the digits before it.
        smooth: whether both are wanted.

    Returns:
        one or two tensors ``(n,)``.
    """
    unused = _unused(codec, level, logits.size(-1), prefixes)
    log_prob = log_softmax(_masked(logits, unused))
    terms = [log_prob.gather(-1, digits.unsqueeze(-1)).squeeze(-1)]
    if smooth:
        finite = log_prob if unused is None else log_prob.masked_fill(unused, 0.0)
        if codec.strides[level] > 1:
            finite = finite * _labels_below(codec, level, log_prob, prefixes)
        terms.append(finite.sum(-1))
    return terms


def first_level_terms(codec: LabelCodec, log_prob: Tensor, digits: Tensor, smooth: bool) -> list[Tensor]:
    """:func:`level_terms` of the first digit, from its log-probabilities ``(n, b)``, all of them used."""
    terms = [log_prob.gather(-1, digits.unsqueeze(-1)).squeeze(-1)]
    if smooth:
        width, stride = log_prob.size(-1), codec.strides[0]
        below = codec.constants.get(
            ("labels below", log_prob.dtype),
            log_prob.device,
            lambda device: (
                (codec.num_labels - torch.arange(width, device=device) * stride)
                .clamp(0, stride)
                .to(log_prob.dtype)
            ),
        )
        terms.append((log_prob * below).sum(-1))
    return terms


def _masked(logits: Tensor, unused: Tensor | None) -> Tensor:
    return logits if unused is None else logits.masked_fill(unused, -torch.inf)


def _unused(codec: LabelCodec, level: int, width: int, prefixes: Tensor) -> Tensor | None:
    """Which of the ``width`` digits after ``prefixes`` ``(…)`` lead to no label: ``(…, width)`` bool."""
    count = codec.prefix_counts[level]
    if count % width == 0:
        return None
    # Digit j exists behind prefixes up to (count - 1 - j) // width.
    last = codec.constants.get(
        ("last prefix", level),
        prefixes.device,
        lambda device: (count - 1 - torch.arange(width, device=device)).div(width, rounding_mode="floor"),
    )
    return prefixes.unsqueeze(-1) > last


def _labels_below(codec: LabelCodec, level: int, log_prob: Tensor, prefixes: Tensor) -> Tensor:
    """Number of labels below each digit of ``level`` after ``prefixes`` ``(n,)``: ``(n, b)``."""
    width, stride = log_prob.size(-1), codec.strides[level]
    children = prefixes.unsqueeze(-1) * width + codec.constants.arange(width, log_prob.device)
    return (codec.num_labels - children * stride).clamp(0, stride).to(log_prob.dtype)
