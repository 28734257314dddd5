"""One training at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import TextIO

from vision_xmc.common.errors import UsageError


def lock(folder: Path) -> TextIO:
    """Makes ``folder`` and keeps other processes out of it as long as the returned file is open.

    When a launcher is killed, the processes that it started may stay alive. If the run were resumed then, two
    trainings would write to the same log and the same checkpoints. The lock ends with its process, whatever
    the reason.

    Raises:
        UsageError: if another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        # Unlike a lock by flock, this one is not inherited by loading workers, which may outlive a training.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            file.seek(0)
            raise UsageError(
                f"another training is writing to {folder} (process {file.read().strip()}); end it, or give "
                "another --output"
            ) from None
        # Some network file systems have no locks. Then no process is kept out.
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
