"""Opens an output folder, which may be new, unfinished, up to date, or one that must be left alone."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from data_prep.errors import PrepError
from data_prep.manifest import FORMAT, MANIFEST_NAME, SCRATCH_NAME, Manifest, library_versions
from data_prep.options import DEFAULTS, FIRST_STAGE, PrepareOptions
from mhe_nmt.options import flag_of

_WAY_OUT = "use --overwrite to start over there, or another --destdir"


@contextmanager
def locked(destdir: Path) -> Iterator[int]:
    """Makes the folder, keeps every other ``prepare`` out and yields the descriptor that holds the lock."""
    try:
        destdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrepError(
            f"--destdir {destdir} cannot be made ({error.strerror}); use another --destdir"
        ) from None
    descriptor = os.open(destdir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PrepError(f"another prepare is at work in {destdir}; wait until it has finished") from None
        except OSError:
            pass  # a file system without locks
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(
    destdir: Path, options: PrepareOptions, inputs: dict[str, Any], *, overwrite: bool
) -> Manifest:
    """The manifest to continue: that of a new run, or of the same run when it was started earlier.

    A folder that holds anything else is refused and left as it is, unless ``overwrite`` is given.
    """
    existing = sorted(path.name for path in destdir.iterdir() if path.name != SCRATCH_NAME)
    content = {
        "format": FORMAT,
        "options": options.as_dict(),
        "inputs": inputs,
        "versions": library_versions(),
        "stages": {},
    }
    if existing and overwrite:
        _remove_outputs(destdir)
    elif MANIFEST_NAME in existing:
        earlier = Manifest.load(destdir)
        if differences := _differences(earlier, options, inputs):
            raise PrepError(f"{destdir} holds another run: {'; '.join(differences)}; {_WAY_OUT}")
        content["stages"] = earlier.stages
    elif existing:
        raise PrepError(
            f"{destdir} holds other files ({', '.join(existing[:5])}) and no {MANIFEST_NAME}; {_WAY_OUT}"
        )
    return Manifest(destdir, content)


def _differences(earlier: Manifest, options: PrepareOptions, inputs: dict[str, Any]) -> list[str]:
    """What would change the output of the finished stages, one phrase per difference.

    Options of stages that have not run yet may change: a vocabulary size that proved too large can be lowered
    without starting over.
    """
    if not earlier.stages:
        return []
    differences = []
    for name, now in options.as_dict().items():
        # An older version knew only the default of an option that it did not have.
        before = earlier.options.get(name, DEFAULTS[name])
        if before != now and FIRST_STAGE[name] in earlier.stages:
            differences.append(f"{flag_of(name)} was {_spoken(before)} and is now {_spoken(now)}")
    before_files = earlier.content["inputs"]
    for name in before_files.keys() | inputs.keys():
        if name not in inputs:
            differences.append(f"the input {name} ({before_files[name]['path']}) is now missing")
        elif name not in before_files:
            differences.append(f"the input {name} ({inputs[name]['path']}) is new")
        elif before_files[name]["sha256"] != inputs[name]["sha256"]:
            differences.append(f"the input {name} ({inputs[name]['path']}) has changed since then")
    return sorted(differences)


def _spoken(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "the default" if value is None else str(value)


def _remove_outputs(destdir: Path) -> None:
    """Removes what an earlier run wrote and nothing else, because the folder may hold checkpoints too."""
    with suppress(PrepError):
        for name in Manifest.load(destdir).outputs:
            (destdir / name).unlink(missing_ok=True)
    (destdir / MANIFEST_NAME).unlink(missing_ok=True)
    for name in ("raw", "text"):
        with suppress(OSError):
            (destdir / name).rmdir()
    shutil.rmtree(destdir / SCRATCH_NAME, ignore_errors=True)
