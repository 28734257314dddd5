"""The most memory that a process has had so far."""

from __future__ import annotations

from pathlib import Path


def peak_bytes(process: int | str = "self") -> int:
    """The largest resident set of a process in bytes, by its number; 0 when it has ended.

    Not getrusage's figure, in which a process begins with the peak of the one that started it.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # A process that has ended and is not waited for yet has no such line.
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
