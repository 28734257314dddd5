"""What an optimizer owes to rows that it has left alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: What is left of a row's momentum, as a share, when it no longer moves the row.
_NEGLIGIBLE = 1e-10


class RowClock:
    """Up to which step each row of one parameter is done, and what a row of each earlier step is owed.

    Steps are counted from the moment at which all rows were up to date last.

    Attributes:
        now: number of steps.
        moments: ``(V,)`` int32, the step of each row's moments: that of its last gradient.
        values: ``(V,)`` int32, the step of each row of the parameter, the same or a later one.
    """

    def __init__(self, rows: int, betas: tuple[float, ...], eps: float, device: torch.device) -> None:
        self.betas, self.eps = betas, eps
        self.moments, self.values = torch.zeros(2, rows, dtype=torch.int32, device=device)
        # A row that had its last gradient k steps ago has moments m·β₁ᵏ and v·β₂ᵏ, which move it by m/sqrt(v)
        # times ratioᵏ.
        self._ratio = betas[0] / math.sqrt(betas[1])
        window = 1
        if self._ratio > 0:
            window = max(1, math.ceil(math.log(_NEGLIGIBLE) / math.log(self._ratio)))
        exponents = torch.arange(window, 0, -1, dtype=torch.float64, device=device)
        self._powers = torch.full_like(exponents, self._ratio).pow_(exponents)
        self._sums = torch.zeros(2, 1024, dtype=torch.float64, device=device)
        self.restart()

    def restart(self) -> None:
        """All rows are up to date."""
        self.now, self._log_decay = 0, 0.0
        for tensor in (self.moments, self.values, self._sums):
            tensor.zero_()

    def tick(self, step_size: float, decay: float) -> None:
        """A step was made, with this ``c_t`` and with weights decayed by this share."""
        self.now += 1
        if self.now == self._sums.size(1):
            self._sums = torch.cat((self._sums, torch.zeros_like(self._sums)), 1)
        self._log_decay += math.log1p(-decay)
        drifts, log_decays = self._sums
        log_decays[self.now] = self._log_decay
        since = slice(max(0, self.now - len(self._powers)), self.now)
        shares = self._powers[since.start - since.stop :] * step_size
        drifts[since] += shares * (log_decays[since] - self._log_decay).exp()

    def owed(self, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """``D`` and ``Q`` of rows ``(n,)`` of the parameter, each ``(n, 1)``.

        ``D`` counts from the step of the value, and is for the moments as they are.
        """
        done = self.values.index_select(0, rows)
        drift, log_decay = self._sums.index_select(1, done)
        drift = drift * _power(self._ratio, done - self.moments.index_select(0, rows))
        decay = (self._log_decay - log_decay).exp_()
        return drift.to(dtype).unsqueeze(-1), decay.to(dtype).unsqueeze(-1)

    def decays(self, rows: Tensor, dtype: torch.dtype, more: int = 0) -> tuple[Tensor, Tensor]:
        """``β₁ᵏ`` and ``β₂ᵏ`` of rows ``(n,)``, each ``(n, 1)``, for ``more`` steps beyond those made."""
        missed = self.now + more - self.moments.index_select(0, rows)
        beta1, beta2 = (_power(beta, missed).to(dtype).unsqueeze(-1) for beta in self.betas)
        return beta1, beta2


def _power(base: float, exponents: Tensor) -> Tensor:
    exponents = exponents.double()
    return torch.full_like(exponents, base).pow_(exponents)
