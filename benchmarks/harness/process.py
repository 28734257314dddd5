"""Runs a command with its output in a log file; a failure becomes one sentence."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[2]
"""The repository; commands run in it."""

USER_DIR = ROOT / "user_dir"
"""The fairseq plug-in."""

KEEP_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"
    ":glibc.malloc.hugetlb=1"
}
"""An environment in which freed memory is kept for the next tensor, in large pages.

By default glibc gives every large tensor back to the kernel. The page faults of the next one then take a good
part of the time of a layer that makes large tensors, such as a full softmax, and a comparison of output
layers becomes one of allocators.
"""

_ERROR_LINE = re.compile(r"(?i)^[\w.]*(error|exception)\b|: error: |^error: |killed|out of memory")
_PREFIX = re.compile(r"^[^:]*\berror: ")

# Bytes on macOS, KiB elsewhere.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024

_children: set[subprocess.Popen[str]] = set()
_stopping = threading.Event()


@dataclass(frozen=True)
class Finished:
    """The cost of a command.

    seconds: wall time.
    peak_bytes: memory of its largest process; a process begins with the peak of the one that started it.
    """

    seconds: float
    peak_bytes: int


class CommandError(Exception):
    """A command failed; the message is for the user."""


def tool(name: str) -> str:
    """A command-line tool of the running Python's environment, such as `fairseq-train`."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise CommandError(f"{name} is not installed next to {shown([sys.executable])}; run `make setup`")
    return str(path)


def shown(command: Sequence[str]) -> str:
    """The command as one would type it in the repository's folder."""
    return shlex.join(part.replace(f"{ROOT}{os.sep}", "") for part in command)


def run_logged(
    command: Sequence[str],
    log: Path,
    *,
    threads: int = 1,
    on_line: Callable[[str], None] | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Finished:
    """Runs `command` in the repository, appends its output to `log`, and returns its cost.

    `on_line` sees every line; `environment` is added to this process's. Raises CommandError if the command
    fails.
    """
    if _stopping.is_set():
        raise CommandError("stopped")
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    settings |= environment
    started = time.monotonic()
    tail: list[str] = []
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {shown(command)}\n")
        child = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        _children.add(child)
        try:
            for line in child.stdout:  # type: ignore[union-attr]
                file.write(line)
                # The log is there to be watched while the command runs.
                file.flush()
                tail = [*tail[-200:], line.strip()] if line.strip() else tail
                if on_line:
                    on_line(line)
            peak = _wait(child)
        finally:
            _children.discard(child)
            if child.poll() is None:
                child.terminate()
                child.wait()
    if child.returncode != 0:
        raise CommandError(_explain(command, child.returncode, tail, log))
    return Finished(time.monotonic() - started, peak)


def _wait(child: subprocess.Popen[str]) -> int:
    """Like `child.wait()`, but returns the peak memory of this child alone, in bytes."""
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except ChildProcessError:
        # stop_others, in another thread, has seen its end first.
        child.wait()
        return 0
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * _PEAK_UNIT


def stop_others() -> None:
    """Ends every command that `run_logged` is still running in any thread, and starts no more."""
    _stopping.set()
    for child in list(_children):
        child.terminate()


def _explain(command: Sequence[str], status: int, tail: list[str], log: Path) -> str:
    name = Path(command[0]).name
    if name.startswith("python") and "-m" in command:
        name = f"python -m {command[command.index('-m') + 1]}"
    if status < 0:
        reason = f"was stopped by signal {-status}"
    else:
        marked = [line for line in tail if _ERROR_LINE.search(line)]
        reason = f"failed: {_PREFIX.sub('', (marked or tail or ['it printed nothing'])[-1])}"
    return f"{name} {reason.rstrip('.')} (log: {shown([str(log)])})"


def peak_bytes(process: int | str = "self") -> int:
    """The largest resident set of a process in bytes, by its number; 0 if it has ended.

    This is not the figure of getrusage, where a process begins with the peak of the one that started it.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # A process that has ended and is not waited for yet has no such line.
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
