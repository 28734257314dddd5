"""Folders that all workers of pytest-xdist share: whichever asks first makes them, the others wait for it."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
    """The folder that ``make`` fills, and what it returns; tests must not write to that folder.

    Args:
        factory: gives the folder of the test session.
        name: distinguishes the folder from the others of the session.
        make: fills the empty folder that it is given; what it returns must be picklable. Where it fails, the
            next to ask tries again.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Each worker has a folder inside that of the session.
        root = root.parent
    folder, result = root / "made-once" / name, root / "made-once" / f"{name}.pickle"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        # The lock goes with the file: it is free again when a worker dies.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            # What a failed attempt has left.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            content = pickle.dumps(make(folder))
            unfinished = result.with_suffix(".part")
            unfinished.write_bytes(content)
            unfinished.rename(result)
    return folder, pickle.loads(result.read_bytes())
