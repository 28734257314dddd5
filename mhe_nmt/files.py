"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str], *, scratch: Path | None = None) -> Iterator[Path]:
    """Gives a temporary path to write to, and renames what was written there to ``path`` at the end.

    If the body raises, the temporary file is removed and ``path`` stays as it was. If the process is killed,
    ``path`` stays as it was too, and the next call removes the temporary file. The content reaches the disk
    before the new name does. The file gets the modes that the umask allows, as any new file does.

    Args:
        path: the file to write. An older file of that name is replaced, or the link, if it is one.
        scratch: folder of the temporary file, on the same file system as ``path``; by default that of
            ``path`` itself.

    Raises:
        FileNotFoundError: before the body runs, if the folder of ``path`` does not exist.
    """
    path = Path(path)
    partial = _free_name(path, scratch or path.parent)
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
    except BaseException:
        _remove(partial)
        raise


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Like :func:`replacing` for a folder: gives an empty folder to fill.

    A folder cannot be replaced in one step. So an older one is first renamed, and removed when the new one is
    in its place.

    Raises:
        FileNotFoundError: before the body runs, if the folder that holds ``path`` does not exist.
    """
    path = Path(path)
    partial = _free_name(path, path.parent)
    partial.mkdir()
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                _flush(file)
        _exchange(partial, path)
    except BaseException:
        _remove(partial)
        raise


def _free_name(path: Path, folder: Path) -> Path:
    """A name in ``folder`` for the unfinished ``path``, without what a killed process left there."""
    for needed in (path.parent, folder):
        if not needed.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(needed))
    partial = folder / f".{path.name}.part"
    _remove(partial)
    return partial


def _flush(file: Path) -> None:
    # Without this, a crash of the machine can leave the new name with no content.
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(new: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old")
    if path.exists():
        _remove(old)
        os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        if old.exists():
            os.replace(old, path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
