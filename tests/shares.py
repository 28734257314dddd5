"""Which cases of a long test are in the fast set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(share: int, cases: Iterable[Any]) -> list[Any]:
    """The cases as parameters: the first and every ``share``-th after it in the fast set, the others slow.

    For tests of which each case takes long and the same code runs in all of them. A case that is a tuple has
    a value for each of several parameters.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=[pytest.mark.slow] if number % share else [],
        )
        for number, case in enumerate(cases)
    ]
