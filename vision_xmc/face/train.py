"""Trains a face model: ``python -m vision_xmc.face train --help``.

In several processes, each with its part of the classes: ``torchrun --nproc_per_node=2 -m vision_xmc.face
train …``. ``@FILE`` reads options from a file; ``@ms1mv3`` is one that comes with the package.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from vision_xmc.common.errors import run_command
from vision_xmc.common.options import Parser, add_options, as_plain, build, fixed_names, require
from vision_xmc.engine.distributed import finish, start
from vision_xmc.engine.loop import Loop
from vision_xmc.engine.options import LoopOptions
from vision_xmc.face.data.load import load_people
from vision_xmc.face.model import build_face_model
from vision_xmc.face.options import DEFAULTS, ClassifierOptions, FaceOptions, defaults
from vision_xmc.face.task import FaceTask

PROGRAM = "python -m vision_xmc.face train"
CONFIGS = Path(__file__).parent / "configs"
_GROUPS = (FaceOptions, ClassifierOptions, LoopOptions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    values = vars(_parser().parse_args([found(argument) for argument in given]))
    return run_command(PROGRAM, lambda: _train(values))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        fromfile_prefix_chars="@",
        description=__doc__.split("\n\n")[0] if __doc__ else None,
        epilog="@NAME reads options from a file, or from one of the package's: "
        + ", ".join(f"@{path.stem}" for path in sorted(CONFIGS.glob("*.txt")))
        + ". Some defaults depend on the data set: "
        + "; ".join(
            f"{name}: " + ", ".join(f"{key.replace('_', '-')} {value}" for key, value in values.items())
            for name, values in DEFAULTS.items()
        )
        + ".",
    )
    for group in _GROUPS:
        add_options(parser, group)
    return parser


def found(argument: str) -> str:
    """``@NAME`` as the path of the package's file of that name, unless there is a file called so here."""
    own = CONFIGS / f"{argument[1:]}.txt"
    if argument.startswith("@") and not Path(argument[1:]).exists() and own.is_file():
        return f"@{own}"
    return argument


def _train(given: dict[str, Any]) -> None:
    given = {**defaults(given), **given}
    faces, classifier = build(FaceOptions, given), build(ClassifierOptions, given)
    given.setdefault("output", Path("runs") / f"{faces.dataset}-{classifier.margin}-{classifier.head}")
    options = build(LoopOptions, given)
    require(
        options.precision != "fp16" or os.environ.get("WORLD_SIZE", "1") == "1",
        "--precision fp16 scales losses by what overflows on one process, which would part the class weights "
        "of several; use bf16",
    )
    accelerator = start(options)
    data = load_people(faces, _say_on_first(accelerator), options.num_workers)
    model = build_face_model(faces, classifier, len(data.train.class_names), options.seed)
    task = FaceTask(model, data, faces, options.seed)
    if accelerator.is_main_process:
        _introduce(task, data.train, accelerator, options)
    described = as_plain(faces, classifier, options)
    Loop(task, options, accelerator, described, fixed_names(*_GROUPS)).fit()
    finish(accelerator)


def _introduce(task: FaceTask, images: Any, accelerator: Accelerator, options: LoopOptions) -> None:
    about, head, faces = task.description(), task.model.head, task.options
    pairs = f"{len(task.valid_data):,}" if task.valid_data is not None else "no"
    print(
        f"{faces.dataset}: {about['people']:,} people, {len(images):,} images; {pairs} pairs to validate on"
    )
    size = f"{head.classes:,} classes × {faces.embedding}"
    print(f"{faces.arch}, {about['backbone_parameters']:,} parameters; {size}")
    if head.sampler is not None:
        print(f"sampling: {head.sampler.extra_repr()}")
        least = min(options.batch_size, head.classes) + head.sampler.block_size
        if least > head.sampler.budget:
            print(
                "warning: the targets of a large batch may leave no room for a block in the budget; raise "
                "--sample-fraction, lower --batch-size, or give smaller blocks by a larger first radix"
            )
    rows = f"{head.weight.size(0):,} classes on this process"
    where = f"processes: {accelerator.num_processes}, on {accelerator.device.type}; {rows}"
    print(f"{where}; output: {options.output}", flush=True)


def _say_on_first(accelerator: Accelerator) -> Any:
    return lambda text: print(text, flush=True) if accelerator.is_main_process else None


if __name__ == "__main__":
    sys.exit(main())
