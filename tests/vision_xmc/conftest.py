"""One thread, a fixed hypothesis profile, and no state of Accelerate left over from another test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from accelerate.state import AcceleratorState
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

settings.register_profile(
    "vision_xmc",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("vision_xmc")


@pytest.fixture(autouse=True)
def _fresh_accelerate_state() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.use_deterministic_algorithms(False)
