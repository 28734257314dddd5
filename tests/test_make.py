"""``make setup`` refuses a Python that cannot work before it makes or downloads anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WAY_OUT = "name a Python 3.11 or later: make setup PYTHON=/path/to/python"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*args: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs make in this repository; with ``path`` alone on the PATH."""
    # A make that runs the tests hands its variables down to this one.
    inherited = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "READY", "VENV")
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    if path is not None:
        environment["PATH"] = str(path)
    return subprocess.run(
        [str(shutil.which("make")), *map(str, args)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def stub(path: Path, script: str) -> Path:
    """An executable that stands for a Python."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def refusal(venv: Path, *args: object) -> str:
    """The one sentence that ``make setup`` answers with."""
    done = make("setup", f"VENV={venv}", *args)
    assert done.returncode != 0
    assert done.stdout == ""
    sentence, ends = done.stderr.splitlines()  # the second line is make's own
    assert ends.startswith("make: ***")
    assert sentence.startswith("error: ")
    return sentence.removeprefix("error: ")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 3.9.18; exit 1", "is Python 3.9.18, which is too old"),
        ("echo 'pyenv: python3.12: command not found' >&2; exit 127", "does not run"),
    ],
)
def test_python_that_cannot_work(tmp_path: Path, script: str, reason: str) -> None:
    python = stub(tmp_path / "python", script)
    assert refusal(tmp_path / "venv", f"PYTHON={python}") == f"{python} {reason}; {WAY_OUT}"
    assert not (tmp_path / "venv").exists()


def test_python_that_is_not_there(tmp_path: Path) -> None:
    python = tmp_path / "nowhere"
    assert refusal(tmp_path / "venv", f"PYTHON={python}") == f"{python} does not run; {WAY_OUT}"


def test_no_python_at_all(tmp_path: Path) -> None:
    done = make("setup", f"VENV={tmp_path / 'venv'}", path=tmp_path)
    assert done.returncode != 0
    tried = "none of python3.11 python3.12 python3.13 python3 runs and is Python 3.11 or later"
    assert f"error: {tried}; install one or {WAY_OUT}\n" in done.stderr


def test_environment_of_another_python(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    stub(tmp_path / "venv" / "bin" / "python", "echo 3.12.99")
    sentence = refusal(tmp_path / "venv", f"PYTHON={sys.executable}")
    assert f"{tmp_path / 'venv'} was made by another Python than {sys.executable}" in sentence


def test_the_first_python_that_runs_is_taken(tmp_path: Path) -> None:
    stub(tmp_path / "python3.11", "exit 127")
    stub(tmp_path / "python3.12", "echo 3.10.1; exit 1")
    stub(tmp_path / "python3.13", "echo 3.13.0")
    stub(tmp_path / "python3", "echo 3.14.0")
    done = make("-n", "setup", f"VENV={tmp_path / 'venv'}", path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"python3.13" -m venv' in done.stdout


def test_lint_runs_every_check() -> None:
    done = make("-n", "-o", ".venv/.ready", "lint")
    assert [command.split()[0].rpartition("/")[2] for command in done.stdout.splitlines()] == [
        "ruff",
        "ruff",
        "mypy",
        "codespell",
    ]
