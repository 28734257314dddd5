"""Image classification with multi-head output layers: ``python -m vision_xmc.image --help``.

Trains, evaluates a checkpoint (``--eval``) or names the classes of image files (``--predict``). In
several processes: ``torchrun --nproc_per_node=2 -m vision_xmc.image …``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mhe_nmt import HeadConfig
from mhe_nmt.options import Parser, add_options, shown_defaults
from vision_xmc.common.errors import require, run_command
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.options import DEFAULTS, PROGRAM, ImageOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    given = vars(_parser().parse_args(arguments))
    return run_command(PROGRAM, lambda: _run(given))


def _run(given: dict[str, Any]) -> None:
    # Imported here, so that --help and each command load only what they need.
    if "eval" in given:
        from vision_xmc.image.predict import evaluate_checkpoint

        evaluate_checkpoint(given)
    elif "predict" in given:
        from vision_xmc.image.predict import predict

        predict(given)
    else:
        require("checkpoint" not in given, "--checkpoint goes with --predict; a training resumes by itself")
        from vision_xmc.image.train import train

        train(given)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=(__doc__ or "").split("\n\n")[0],
        epilog=shown_defaults(DEFAULTS),
    )
    modes = parser.add_argument_group("Instead of training")
    modes.add_argument(
        "--eval", type=Path, metavar="CHECKPOINT", help="evaluate it on the validation and the test images"
    )
    modes.add_argument(
        "--predict", type=Path, nargs="+", metavar="IMAGE", help="name the classes of image files"
    )
    modes.add_argument(
        "--checkpoint", type=Path, metavar="CHECKPOINT", help="the weights that --predict uses"
    )
    for group in (ImageOptions, HeadConfig, LoopOptions):
        add_options(parser, group)
    return parser


if __name__ == "__main__":
    sys.exit(main())
