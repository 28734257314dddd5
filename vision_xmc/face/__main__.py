"""Face recognition with multi-head output layers: ``python -m vision_xmc.face COMMAND --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mhe_nmt.options import Parser, add_options
from vision_xmc.common.errors import run_command
from vision_xmc.face.commands import CompareOptions, EmbedOptions, ExportOptions, compare, embed, export
from vision_xmc.face.embed import EmbedderOptions
from vision_xmc.face.ijb import IjbOptions, eval_ijb
from vision_xmc.face.roc import RocOptions
from vision_xmc.face.verify import VerifyOptions, verify

PROGRAM = "python -m vision_xmc.face"
TRAIN = "train"
_Command = tuple[str, Callable[[dict[str, Any]], None], tuple[type, ...]]
_COMMANDS: dict[str, _Command] = {
    "verify": (
        "accuracy and TAR at FAR on pairs of pictures",
        verify,
        (VerifyOptions, RocOptions, EmbedderOptions),
    ),
    "eval-ijb": (
        "TAR at FAR between templates of IJB-B or IJB-C",
        eval_ijb,
        (IjbOptions, RocOptions, EmbedderOptions),
    ),
    "embed": ("embeddings of pictures into a file", embed, (EmbedOptions, EmbedderOptions)),
    "compare": ("are two pictures of one person?", compare, (CompareOptions, EmbedderOptions)),
    "export": ("the backbone as an ONNX file", export, (ExportOptions,)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == [TRAIN]:
        # Imported here, so that --help and the other commands load only what they need.
        from vision_xmc.face.train import main as train

        return train(arguments[1:])
    given = vars(_parser().parse_args(arguments))
    name = given.pop("command")
    return run_command(f"{PROGRAM} {name}", lambda: _COMMANDS[name][1](given))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__.split(":")[0] + "." if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(TRAIN, help="train a model", add_help=False)
    for name, (about, _, groups) in _COMMANDS.items():
        below = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        if name == "embed":
            below.add_argument(
                "pictures", type=Path, nargs="+", metavar="PICTURE", help="file, or folder of files"
            )
        elif name == "compare":
            below.add_argument("pictures", type=Path, nargs=2, metavar="PICTURE", help="aligned faces")
        for group in groups:
            add_options(below, group)
    return parser


if __name__ == "__main__":
    sys.exit(main())
