"""Results of slow preparations, kept on disk and found again by what they were made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for what is made from ``parts``; another split of the same bytes has another name."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()[:24]


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """``folder``, which ``make`` filled now or in an earlier run.

    ``make`` writes to a temporary folder beside it, which is then renamed: a folder that is there is whole.
    Of several processes that make the same, one wins.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as partial:
        made = Path(partial) / "made"
        made.mkdir()
        make(made)
        try:
            os.replace(made, folder)
        except OSError:
            # Another process was faster; a folder is not replaced by a folder that is not empty.
            if not folder.is_dir():
                raise
    return folder
