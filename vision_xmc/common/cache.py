"""Results of slow preparations, kept on disk under a name that says what they were made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for what is made from ``parts``. The same bytes in other parts have another name."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)
    return hashed.hexdigest()[:24]


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Returns ``folder``, which ``make`` fills now or has filled in an earlier run.

    ``make`` writes to a temporary folder next to it, which is then renamed: a folder that exists is whole.
    If several processes make the same folder, the folder of one of them is kept.
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
