"""Extreme multi-label text classification: ``python -m vision_xmc.xmc --help``.

Trains a classifier of documents over very many labels; ``predict`` writes the best labels of new documents,
``ensemble`` those of several models together, ``export`` a folder that loads with one call. In several
processes: ``torchrun --nproc_per_node=2 -m vision_xmc.xmc …``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vision_xmc.common.errors import run_command
from vision_xmc.common.options import Parser, add_options, as_plain, build, fixed_names
from vision_xmc.engine.distributed import finish, start
from vision_xmc.engine.loop import Loop
from vision_xmc.engine.options import LoopOptions
from vision_xmc.xmc.options import (
    EncoderOptions,
    LabelHeadOptions,
    XmcOptions,
    defaults,
)
from vision_xmc.xmc.predict import COMMANDS
from vision_xmc.xmc.setup import set_up
from vision_xmc.xmc.task import XmcTask

PROGRAM = "python -m vision_xmc.xmc"
_GROUPS = (XmcOptions, EncoderOptions, LabelHeadOptions, LoopOptions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](f"{PROGRAM} {arguments[0]}", arguments[1:])
    given = vars(_parser().parse_args(arguments))
    return run_command(PROGRAM, lambda: _train(given))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=(__doc__ or "").split("\n\n")[0],
        epilog=f"Other commands, each with a --help of its own: {', '.join(COMMANDS)}. Defaults of the "
        "training depend on the encoder and the data set; docs/guides/text.md has them.",
    )
    for group in _GROUPS:
        add_options(parser, group)
    parser.add_argument("--swa", action="store_const", const="swa", dest="average", help="as --average swa")
    return parser


def _train(given: dict[str, Any]) -> None:
    dataset, encoder = given.get("dataset", "docstrings"), given.get("encoder", "bow")
    given = {**defaults(dataset, encoder), **given}
    data_options, encoder_options = build(XmcOptions, given), build(EncoderOptions, given)
    head_options = build(LabelHeadOptions, given)
    if "output" not in given:
        groups = "ova" if head_options.num_groups == 0 else "mhc"
        given["output"] = Path("runs") / f"{Path(dataset).name}-{Path(encoder).name}-{groups}"
    options = build(LoopOptions, given)
    accelerator = start(options)
    say = _say_on(accelerator.is_main_process)
    with accelerator.main_process_first():
        ready = set_up(data_options, encoder_options, head_options, say)
    rate = encoder_options.encoder_lr
    scale = 0.1 if rate is None else rate / options.lr
    task = XmcTask(
        ready.model, ready.data, ready.inputs, data_options.propensity, scale, head_options.row_wise
    )
    about = task.description()
    say(
        f"{encoder}, {about['parameters']:,} parameters, {about['head_parameters']:,} of them in "
        f"{about['head']}; output: {options.output}"
    )
    plain = as_plain(data_options, encoder_options, head_options, options)
    loop = Loop(task, options, accelerator, plain, fixed_names(*_GROUPS))
    if accelerator.is_main_process:
        ready.write(options.output)
    loop.fit()
    finish(accelerator)


def _say_on(speaks: bool) -> Callable[[str], None]:
    return lambda text: print(text, flush=True) if speaks else None


if __name__ == "__main__":
    sys.exit(main())
