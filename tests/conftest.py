"""What every test shares: one thread, the hypothesis profiles, and which tests run.

``pytest`` (and ``make test``) runs the fast set; ``pytest --slow`` (and ``make test-all``) runs every test. A
slow test that is named by its own id, ``pytest tests/x.py::test_y``, runs without the switch.

Hypothesis draws the same examples on every machine (profile ``repeatable``). The other profile, ``pytest
--hypothesis-profile=random``, draws new and more examples each time.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

_UNHURRIED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("repeatable", max_examples=40, derandomize=True, **_UNHURRIED)
settings.register_profile("random", max_examples=300, derandomize=False, print_blob=True, **_UNHURRIED)
# The plug-in of hypothesis loads the profile of --hypothesis-profile later than this.
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run every test, those marked slow too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = any("::" in argument for argument in config.args)
    if config.getoption("--slow") or config.option.markexpr or named:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
