"""Extreme multi-label text classification: ``python -m vision_xmc.xmc --help``.

Trains a classifier of documents over very many labels; ``predict`` writes the best labels of new documents,
``ensemble`` those of several models together, ``export`` a folder that loads with one call. In several
processes: ``torchrun --nproc_per_node=2 -m vision_xmc.xmc …``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from mhe_nmt.options import Parser, add_options
from vision_xmc.common.errors import run_command
from vision_xmc.engine.options import LoopOptions
from vision_xmc.xmc.options import EncoderOptions, LabelHeadOptions, XmcOptions
from vision_xmc.xmc.predict import COMMANDS

PROGRAM = "python -m vision_xmc.xmc"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](f"{PROGRAM} {arguments[0]}", arguments[1:])
    given = vars(_parser().parse_args(arguments))
    return run_command(PROGRAM, lambda: _train(given))


def _train(given: dict[str, Any]) -> None:
    # Imported here, so that --help and the other commands load only what they need.
    from vision_xmc.xmc.train import train

    train(given)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=(__doc__ or "").split("\n\n")[0],
        epilog=f"There are other commands, each with its own --help: {', '.join(COMMANDS)}. Defaults of the "
        "training depend on the encoder and the data set; docs/guides/text.md lists them.",
    )
    for group in (XmcOptions, EncoderOptions, LabelHeadOptions, LoopOptions):
        add_options(parser, group)
    parser.add_argument("--swa", action="store_const", const="swa", dest="average", help="as --average swa")
    return parser


if __name__ == "__main__":
    sys.exit(main())
