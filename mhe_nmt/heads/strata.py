"""Draws of a fixed number of units without replacement, each with a known probability, from prepared strata.

Units are sorted by the probability with which they are to be drawn and cut into as many strata as are drawn,
with about the same probability in each; one unit is drawn from each stratum. This is stratified sampling with
probability proportional to size (Hartley and Rao 1962 list the family): a draw takes a binary search per
unit, and only making strata visits all units.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Strata(NamedTuple):
    """``m`` strata of ``n`` units."""

    units: Tensor  # (n,) int64: the units, stratum by stratum
    upto: Tensor  # (n,) float64: the sum of weights up to and including each of them
    first: Tensor  # (m,) int64: where in ``units`` a stratum starts
    last: Tensor  # (m,) int64: its last place
    base: Tensor  # (m,) float64: the sum of weights before a stratum
    weight: Tensor  # (m,) float64: the sum of its weights
    log_inverse_q: Tensor  # (n,) float32: -log of the probability that a unit is drawn; of ``units``

    @classmethod
    def of(cls, weights: Tensor, m: int) -> Strata:
        """Strata for probabilities that are nearly proportional to ``weights`` and at most 1.

        Args:
            weights: ``(n,)`` float64, above 0.
            m: how many units are drawn, below ``n``.
        """
        wanted, units = inclusion_probabilities(weights, m)
        upto = wanted.cumsum(0)
        before = upto - wanted
        # A unit belongs where its interval starts; no interval is longer than a stratum, so none stays empty.
        stratum = (before + 1e-9).to(torch.int64).clamp(max=m - 1)
        # Nor does the last one where the sums of very many weights have drifted.
        stratum = torch.maximum(stratum, torch.arange(m - len(units), m, device=weights.device))
        numbers = torch.arange(m, device=weights.device)
        first = torch.searchsorted(stratum, numbers)
        last = torch.searchsorted(stratum, numbers, right=True) - 1
        base = before.index_select(0, first)
        weight = upto.index_select(0, last) - base
        log_inverse_q = (weight.index_select(0, stratum) / wanted).log().to(torch.float32)
        return cls(units, upto, first, last, base, weight, log_inverse_q)

    def draw(self) -> tuple[Tensor, Tensor]:
        """The drawn units ``(m,)`` and -log of the probability with which each of them is drawn, ``(m,)``."""
        points = torch.rand_like(self.base).mul_(self.weight).add_(self.base)
        places = torch.searchsorted(self.upto, points, right=True)
        # A point on the edge of a stratum must not leave it by rounding.
        places = places.clamp(self.first, self.last)
        return self.units.index_select(0, places), self.log_inverse_q.index_select(0, places)


def inclusion_probabilities(weights: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Probabilities proportional to ``weights`` ``(n,)``, at most 1, ``m < n`` in sum.

    Returns:
        the probabilities, the largest first, and the units that they belong to, ``(n,)`` each.
    """
    ordered, units = weights.sort(descending=True, stable=True)
    certain = torch.arange(len(weights), device=weights.device)
    rest = ordered.flip(0).cumsum(0).flip(0)
    # The fewest certain ones such that no other one would have more than 1.
    fits = (m - certain) * ordered <= rest
    s = fits.to(torch.int8).argmax().view(1)
    return ((m - s) * ordered / rest.index_select(0, s)).masked_fill(certain < s, 1.0), units
