"""The image trainer as a user starts it: in this process, as a command, and in two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from vision_xmc.image.__main__ import main

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
#: Small enough for seconds: 300 images of two digits, the smallest network.
DIGITS = ["--dataset", "digits", "--digits-size", 300, "--batch-size", 32, "--epochs", 1, "--lr", 0.05]


def strings(arguments: tuple[Any, ...] | list[Any]) -> list[str]:
    return [str(argument) for argument in arguments]


def run(*arguments: Any) -> int:
    """The command's exit status, run in this process."""
    return main(strings(arguments))


def environment() -> dict[str, str]:
    """One thread per process, and this repository's packages."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}


def command(
    *arguments: Any, launcher: tuple[Any, ...] = (sys.executable,), module: str = "vision_xmc.image"
) -> subprocess.CompletedProcess[str]:
    """The command in its own process, or in the processes that ``launcher`` starts."""
    line = strings([*launcher, "-m", module, *arguments])
    return subprocess.run(
        line, env=environment(), cwd=REPOSITORY, text=True, capture_output=True, timeout=600, check=False
    )


def kill_after(lines: int, log: Path, *arguments: Any, module: str = "vision_xmc.image") -> None:
    """Starts the command and kills it without warning once its log has that many lines."""
    line = strings([sys.executable, "-m", module, *arguments])
    child = subprocess.Popen(
        line, env=environment(), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        give_up = time.monotonic() + 300
        while not log.exists() or log.read_bytes().count(b"\n") < lines:
            assert child.poll() is None, "the command ended before it could be killed"
            assert time.monotonic() < give_up, "the command makes no progress"
            time.sleep(0.02)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
