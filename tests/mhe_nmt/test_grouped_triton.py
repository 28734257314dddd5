"""The Triton grouped product, in processes of its own: interpreted on a CPU, and on CUDA if there is any."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CASES = Path(__file__).with_name("grouped_triton_cases.py")
COMPILED = Path(__file__).with_name("grouped_triton_compiled.py")
pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")


def run_cases(cases: Path, *options: str, interpreted: bool, **variables: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRITON_", "PYTEST_"))
    }
    environment |= {**variables, **({"TRITON_INTERPRET": "1"} if interpreted else {})}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *options, str(cases)],
        cwd=CASES.parents[2],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_interpreted() -> None:
    run_cases(CASES, interpreted=True)


@pytest.mark.slow
def test_interpreted_in_a_compiled_function() -> None:
    run_cases(CASES, "--slow", "-k", "compiled", interpreted=True)


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda() -> None:
    run_cases(CASES, "--slow", interpreted=False)


@pytest.mark.slow
def test_compiled_for_cards_that_are_not_there(tmp_path: Path) -> None:
    run_cases(COMPILED, interpreted=False, TRITON_CACHE_DIR=str(tmp_path))
