"""Two processes never write to one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.vision_xmc.commands import DIGITS, REPOSITORY, environment, run
from vision_xmc.common.lock import lock

HOLDER = (
    "import pathlib, sys; from vision_xmc.common.lock import lock; file = lock(pathlib.Path(sys.argv[1])); "
)


def test_a_second_process_is_refused_until_the_first_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER + "print('held', flush=True); input()", tmp_path],
        env=environment(), cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert run(*DIGITS, "--max-steps", 1, "--output", tmp_path) == 1
        sentence = (
            f"another training is writing to {tmp_path} (process {holder.pid}); end it, or give another"
        )
        assert sentence in capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} == {".lock"}
    finally:
        holder.kill()
        holder.wait()
    assert run(*DIGITS, "--max-steps", 1, "--output", tmp_path) == 0


def test_one_process_can_continue_its_own_run(tmp_path: Path) -> None:
    with lock(tmp_path), lock(tmp_path):
        pass
