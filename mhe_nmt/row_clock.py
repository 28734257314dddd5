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
    """

    def __init__(self, rows: int, betas: tuple[float, ...], eps: float, device: torch.device) -> None:
        self.betas, self.eps = betas, eps
        self.done = torch.zeros(rows, dtype=torch.int32, device=device)
        # A row that had its last gradient k steps ago has moments m·β₁ᵏ and v·β₂ᵏ, which move it by m/sqrt(v)
        # times ratioᵏ.
        ratio = betas[0] / math.sqrt(betas[1])
        window = max(1, math.ceil(math.log(_NEGLIGIBLE) / math.log(ratio))) if ratio > 0 else 1
        exponents = torch.arange(window, 0, -1, dtype=torch.float64, device=device)
        self._powers = torch.full_like(exponents, ratio).pow_(exponents)
        self._sums = torch.zeros(2, 1024, dtype=torch.float64, device=device)
        self.restart()

    def restart(self) -> None:
        """All rows are up to date."""
        self.now, self._log_decay = 0, 0.0
        self.done.zero_()
        self._sums.zero_()

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

    def owed(self, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``D``, ``Q``, ``β₁ᵏ`` and ``β₂ᵏ`` of rows ``(n,)``, each ``(n, 1)``."""
        done = self.done.index_select(0, rows)
        drift, log_decay = self._sums.index_select(1, done)
        missed = (self.now - done).double()
        decay = (self._log_decay - log_decay).exp()
        moments = [torch.full_like(missed, beta).pow_(missed) for beta in self.betas]
        drift, decay, beta1, beta2 = (x.to(dtype).unsqueeze(-1) for x in (drift, decay, *moments))
        return drift, decay, beta1, beta2
