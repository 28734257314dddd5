"""Learning-rate schedules: pure functions of the update, so that there is no state to save."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence


def learning_rate(
    update: int,
    *,
    peak: float,
    total: int,
    kind: str = "cosine",
    warmup: int = 0,
    floor: float = 0.0,
    power: float = 2.0,
    milestones: Sequence[float] = (),
    decay: float = 0.1,
) -> float:
    """The learning rate of an update.

    Args:
        update: 0 … ``total - 1``.
        peak: the rate after warm-up.
        total: number of updates of the whole training.
        kind: ``constant``, ``cosine`` (half a period), ``linear``, ``poly`` (``(1 - t) ** power``) or
            ``step`` (times ``decay`` at each milestone); ``t`` runs from 0 at the end of the warm-up to 1
            after the last update.
        warmup: number of updates over which the rate rises linearly to ``peak``.
        floor: what the first three decays end at.
        power: of ``poly``.
        milestones: of ``step``, shares of the whole training, increasing.
        decay: of ``step``.

    Raises:
        ValueError: for an unknown kind.
    """
    if update < warmup:
        return peak * (update + 1) / warmup
    t = (update - warmup) / max(1, total - warmup)
    if kind == "constant":
        return peak
    if kind == "cosine":
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * t))
    if kind == "linear":
        return floor + (peak - floor) * (1 - t)
    if kind == "poly":
        return floor + (peak - floor) * (1 - t) ** power
    if kind == "step":
        return peak * decay ** bisect.bisect_right(milestones, update / total)
    raise ValueError(f"unknown schedule {kind!r}")
