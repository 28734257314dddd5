"""The command line: runs one command, and answers a mistake with one sentence on stderr."""

import os
import sys
from collections.abc import Sequence

from data_prep.arguments import build_parser
from data_prep.errors import PrepError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
        sys.stdout.flush()
    except PrepError as error:
        return _fail(args.command, str(error))
    except BrokenPipeError:
        # The reader is gone. Without this, Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(args.command, f"{error.filename or 'system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        resume = "; the same command resumes" if args.command in ("prepare", "reorder") else ""
        return _fail(args.command, f"interrupted{resume}", status=130)
    return 0


def _fail(command: str, sentence: str, status: int = 1) -> int:
    print(f"data_prep {command}: error: {sentence}", file=sys.stderr)
    return status
