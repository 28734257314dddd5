"""The face trainer as a user starts it: in this process, as a command, and in several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from image_commands import REPOSITORY, SCRIPTS, environment, strings

from vision_xmc.face_train import main

#: Small enough for seconds: 30 people of 4 pictures of 16 pixels, 5 of them held out. 25 classes divide
#: neither by two nor by three, nor do batches of 20.
TINY = ["--identities", 30, "--pictures", 4, "--image-size", 16, "--embedding", 8, "--batch-size", 20,
        "--epochs", 2, "--warmup-epochs", 0, "--validation-identities", 5, "--validation-pairs", 40,
        "--log-steps", 1]  # fmt: skip
SAMPLING = ["--head", "sampling", "--radices", 9, 3, "--sample-fraction", 0.9]


def run(*arguments: Any) -> int:
    """The command's exit status, run in this process."""
    return main(strings(arguments))


def command(*arguments: Any, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """The command in processes of its own."""
    launcher: tuple[Any, ...] = (sys.executable,)
    if processes > 1:
        launcher = (SCRIPTS / "torchrun", "--standalone", f"--nproc_per_node={processes}")
    line = strings([*launcher, "-m", "vision_xmc.face_train", *arguments])
    return subprocess.run(
        line, env=environment(), cwd=REPOSITORY, text=True, capture_output=True, timeout=600, check=False
    )


def kill_after(lines: int, log: Path, *arguments: Any) -> None:
    """Starts the command and kills it without warning once its log has that many lines."""
    line = strings([sys.executable, "-m", "vision_xmc.face_train", *arguments])
    child = subprocess.Popen(
        line, env=environment(), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        give_up = time.monotonic() + 300
        while not log.exists() or log.read_bytes().count(b"\n") < lines:
            assert child.poll() is None, "the command ended before it could be killed"
            assert time.monotonic() < give_up, "the command does not get on"
            time.sleep(0.02)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
