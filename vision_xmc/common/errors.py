"""Bad input ends in one sentence and a non-zero exit, not in a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch.distributed


class UsageError(Exception):
    """Something the user asked for cannot be done; the message says what, where and the way out.

    Args:
        sentence: the message.
        everywhere: every process meets this error, so that only the first one reports it.
    """

    def __init__(self, sentence: str, *, everywhere: bool = True) -> None:
        super().__init__(sentence)
        self.everywhere = everywhere


def run_command(program: str, command: Callable[[], None]) -> int:
    """Runs ``command`` and returns the exit status; a mistake of the user is one line on stderr."""
    try:
        command()
        sys.stdout.flush()
    except UsageError as error:
        return _fail(program, str(error), error.everywhere)
    except KeyboardInterrupt:
        return _fail(program, "interrupted; the same command resumes from the last checkpoint", status=130)
    except BrokenPipeError:
        # The reader has gone; without this Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(program, f"{where}{error.strerror or error}")
    except RuntimeError as error:
        if not _peer_has_gone(error):
            raise
        return _fail(program, "another process has failed; see its message above")
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def _fail(program: str, sentence: str, everywhere: bool = True, status: int = 1) -> int:
    if not everywhere or os.environ.get("RANK", "0") == "0":
        print(f"{program}: error: {sentence}", file=sys.stderr, flush=True)
    return status


def _peer_has_gone(error: RuntimeError) -> bool:
    """Whether ``error`` is what a collective raises when another process has ended."""
    signs = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL error")
    return torch.distributed.is_initialized() and any(sign in str(error) for sign in signs)


def require(condition: bool, sentence: str) -> None:
    """Raises UsageError with ``sentence`` unless ``condition`` holds."""
    if not condition:
        raise UsageError(sentence)
