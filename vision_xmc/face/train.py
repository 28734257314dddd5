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

from mhe_nmt.options import Parser, add_options, build, shown_defaults
from vision_xmc.common.errors import require, run_command
from vision_xmc.engine.command import Prepared, Say
from vision_xmc.engine.command import train as train_task
from vision_xmc.engine.options import LoopOptions
from vision_xmc.face.data.load import FaceData, load_people
from vision_xmc.face.model import build_face_model
from vision_xmc.face.options import DEFAULTS, ClassifierOptions, FaceOptions, defaults
from vision_xmc.face.task import FaceTask

PROGRAM = "python -m vision_xmc.face train"
CONFIGS = Path(__file__).parent / "configs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    given = vars(_parser().parse_args([resolved(word) for word in words]))
    return run_command(PROGRAM, lambda: train(given))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        fromfile_prefix_chars="@",
        description=(__doc__ or "").split("\n\n")[0],
        epilog="@NAME reads options from a file, or from one that comes with the package: "
        + ", ".join(f"@{path.stem}" for path in sorted(CONFIGS.glob("*.txt")))
        + f". {shown_defaults(DEFAULTS)}",
    )
    for group in (FaceOptions, ClassifierOptions, LoopOptions):
        add_options(parser, group)
    return parser


def resolved(word: str) -> str:
    """``@NAME`` as the path of the package's file of that name, unless there is a file called so here."""
    packaged = CONFIGS / f"{word[1:]}.txt"
    if word.startswith("@") and not Path(word[1:]).exists() and packaged.is_file():
        return f"@{packaged}"
    return word


def train(given: dict[str, Any]) -> None:
    """Runs the training that the options ask for.

    Raises:
        UsageError: for options or data that do not fit.
    """
    given = {**defaults(given), **given}
    faces, classifier = build(FaceOptions, given), build(ClassifierOptions, given)
    given.setdefault("output", Path("runs") / f"{faces.dataset}-{classifier.margin}-{classifier.head}")
    options = build(LoopOptions, given)
    require(
        options.precision != "fp16" or os.environ.get("WORLD_SIZE", "1") == "1",
        "--precision fp16 scales losses by what overflows on one process, which would part the class weights "
        "of several; use bf16",
    )

    def prepare(accelerator: Accelerator, say: Say) -> Prepared:
        data = load_people(faces, say, options.num_workers)
        model = build_face_model(faces, classifier, len(data.train.class_names), options.seed)
        task = FaceTask(model, data, faces, options.seed)
        return Prepared(task, _introduction(task, data, options.batch_size))

    train_task((faces, classifier), options, prepare)


def _introduction(task: FaceTask, data: FaceData, batch_size: int) -> list[str]:
    about, head, faces = task.description(), task.model.head, task.options
    pairs = f"{len(task.valid_data):,}" if task.valid_data is not None else "no"
    lines = [
        f"{faces.dataset}: {about['people']:,} people, {len(data.train):,} images; {pairs} pairs to validate "
        "on",
        f"{faces.arch}, {about['backbone_parameters']:,} parameters; {head.classes:,} classes × "
        f"{faces.embedding}, {head.weight.size(0):,} classes on this process",
    ]
    if head.sampler is not None:
        lines.append(f"sampling: {head.sampler.extra_repr()}")
        least = min(batch_size, head.classes) + head.sampler.block_size
        if least > head.sampler.budget:
            lines.append(
                "warning: the targets of a large batch may leave no room for a block in the budget; raise "
                "--sample-fraction, lower --batch-size, or give smaller blocks by a larger first radix"
            )
    return lines


if __name__ == "__main__":
    sys.exit(main())
