"""Runs the face trainer as a user does: in this process, as a command, and in several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.vision_xmc import commands as image_commands
from tests.vision_xmc.commands import SCRIPTS, strings
from vision_xmc.face.train import main

MODULE = "vision_xmc.face.train"
#: A training of seconds: 30 people with 4 pictures of 16 pixels each; 5 people are held out. Neither two nor
#: three processes can divide the 25 classes evenly, and three cannot divide the batches of 20.
TINY = ["--identities", 30, "--pictures", 4, "--image-size", 16, "--embedding", 8, "--batch-size", 20,
        "--epochs", 2, "--warmup-epochs", 0, "--validation-identities", 5, "--validation-pairs", 40,
        "--log-steps", 1]  # fmt: skip
SAMPLING = ["--head", "sampling", "--radices", 9, 3, "--sample-fraction", 0.9]


def run(*arguments: Any) -> int:
    """Runs the command in this process; returns its exit status."""
    return main(strings(arguments))


def command(*arguments: Any, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Runs the command in one or more separate processes."""
    launcher: tuple[Any, ...] = (sys.executable,)
    if processes > 1:
        launcher = (SCRIPTS / "torchrun", "--standalone", f"--nproc_per_node={processes}")
    return image_commands.command(*arguments, launcher=launcher, module=MODULE)


def kill_after(lines: int, log: Path, *arguments: Any) -> None:
    """Starts the command, and kills it without warning as soon as its log has that many lines."""
    image_commands.kill_after(lines, log, *arguments, module=MODULE)
