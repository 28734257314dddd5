"""The learning-rate schedules against torch's own schedulers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from vision_xmc.engine.optim import learning_rate

TOTAL, WARMUP = 20, 4
REST = TOTAL - WARMUP


def torch_rates(make: Any) -> list[float]:
    """The rates of ``REST`` updates after the warm-up."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = make(optimizer)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(REST):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("kind", "options", "make"),
    [
        ("cosine", {"floor": 0.01}, lambda o: lr_scheduler.CosineAnnealingLR(o, REST, eta_min=0.01)),
        ("linear", {}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, REST)),
        ("poly", {"power": 3.0}, lambda o: lr_scheduler.PolynomialLR(o, REST, power=3.0)),
        ("constant", {}, lambda o: lr_scheduler.LambdaLR(o, lambda _: 1.0)),
        ("step", {"milestones": (0.5, 0.8), "decay": 0.3},
         lambda o: lr_scheduler.MultiStepLR(o, [10 - WARMUP, 16 - WARMUP], gamma=0.3)),
    ],
)  # fmt: skip
def test_decay_is_torchs(kind: str, options: dict[str, Any], make: Any) -> None:
    rates = [
        learning_rate(u, peak=0.5, total=TOTAL, kind=kind, warmup=WARMUP, **options) for u in range(TOTAL)
    ]
    assert rates[:WARMUP] == pytest.approx([0.125, 0.25, 0.375, 0.5])
    assert rates[WARMUP:] == pytest.approx(torch_rates(make), abs=1e-12)


def test_a_schedule_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="unknown schedule 'sawtooth'"):
        learning_rate(0, peak=1.0, total=2, kind="sawtooth")
