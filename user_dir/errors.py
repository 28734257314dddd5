"""Bad input ends the command with one sentence and a non-zero exit status, without a traceback."""

from __future__ import annotations

import os
import sys
from types import TracebackType


class UsageError(ValueError, RuntimeError):
    """Something the user asked for cannot be done; the message says what, where and the way out."""


def explain(error: BaseException | None) -> str | None:
    """The sentence that tells the user what ``error`` means, or ``None`` if there is none.

    fairseq turns whatever goes wrong while a checkpoint loads into a bare ``Exception``, so the exceptions
    behind ``error`` are looked at too.
    """
    while error is not None:
        if isinstance(error, UsageError):
            return str(error)
        if isinstance(error, FileNotFoundError):
            return _missing_file(error)
        if isinstance(error, IsADirectoryError):
            return f"{error.filename} is a folder, not a file"
        if isinstance(error, OSError) and str(error).startswith("Model file not found: "):
            path = str(error).removeprefix("Model file not found: ")
            return f"no checkpoint at {path}; check --path"
        if isinstance(error, ImportError) and "FullyShardedDataParallel" in str(error):
            return "--ddp-backend fully_sharded is not supported; use c10d or legacy_ddp"
        error = error.__cause__ or error.__context__
    return None


def _missing_file(error: FileNotFoundError) -> str:
    path = error.filename
    if not path:
        # fairseq's "Dataset not found: train (data-bin)"
        return f"{error}; check the data folder, the subset and the language pair"
    folder, name = os.path.split(os.fspath(path))
    if name.startswith("dict.") and name.endswith(".txt"):
        language = name.removeprefix("dict.").removesuffix(".txt")
        return (
            f"no dictionary {name} in {folder or '.'}: language {language!r} is not in this data folder; "
            "check --source-lang, --target-lang and the folder"
        )
    return f"no such file: {path}"


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sentence = None if os.environ.get("MHE_TRACEBACK") else explain(error)
    if sentence is None:
        _previous_hook(kind, error, trace)
    else:
        print(f"error: {sentence}", file=sys.stderr)


_previous_hook = sys.excepthook


def install_hook() -> None:
    """Makes Python print only the sentence for errors that have one; ``MHE_TRACEBACK=1`` shows tracebacks."""
    global _previous_hook
    if sys.excepthook is not _hook:
        _previous_hook = sys.excepthook
        sys.excepthook = _hook
