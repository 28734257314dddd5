"""The used codes of a mixed-radix code: as boxes in which digits vary independently, and their mass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


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
    mass: Tensor | None = None
    for scores, last in zip(reversed(log_probs), reversed(last_digits), strict=True):
        if mass is None:
            if last < scores.size(-1) - 1:
                mass = scores[..., : last + 1].logsumexp(-1)
        else:
            mass = mass + scores[..., last]
            if last:
                mass = torch.logaddexp(scores[..., :last].logsumexp(-1), mass)
    return mass
