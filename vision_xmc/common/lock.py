"""One training at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import TextIO

from vision_xmc.common.errors import UsageError


def lock(folder: Path) -> TextIO:
    """Keeps other processes out of ``folder``, which is made, while the returned file is open.

    When a launcher is killed, the processes that it started may live on. A run that is resumed beside them
    would share its log and its checkpoints with them. The lock ends with its process, however that ends.

    Raises:
        UsageError: if another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        # Unlike flock's, these locks are not handed down to loading workers, which may outlive a training.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            file.seek(0)
            raise UsageError(
                f"another training is writing to {folder} (process {file.read().strip()}); end it, or give "
                "another --output"
            ) from None
        # Some network file systems have no locks; then nobody is kept out.
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
