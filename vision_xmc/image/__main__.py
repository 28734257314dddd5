"""Image classification with multi-head output layers: ``python -m vision_xmc.image --help``.

Trains, evaluates a checkpoint (``--eval``) or names the classes of single images (``--predict``). In
several processes: ``torchrun --nproc_per_node=2 -m vision_xmc.image …``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from mhe_nmt import HeadConfig
from vision_xmc.common.errors import UsageError, run_command
from vision_xmc.common.options import Parser, add_options, as_plain, build, fixed_names, from_plain, require
from vision_xmc.data.pictures import read_rgb
from vision_xmc.data.views import as_tensor
from vision_xmc.engine import checkpoint
from vision_xmc.engine.distributed import finish, start
from vision_xmc.engine.evaluation import evaluate
from vision_xmc.engine.loop import Loop
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.data.splits import ImageSplits, image_format, load_splits, preparation
from vision_xmc.image.head import head_config
from vision_xmc.image.model import ImageClassifier
from vision_xmc.image.options import DATASET_ALIASES, DEFAULTS, ImageOptions
from vision_xmc.image.task import ImageTask, build_classifier, with_sync_batchnorm

PROGRAM = "python -m vision_xmc.image"
_GROUPS = (ImageOptions, HeadConfig, LoopOptions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    given = vars(_parser().parse_args(arguments))
    return run_command(PROGRAM, lambda: _run(given))


def _run(given: dict[str, Any]) -> None:
    if "eval" in given:
        _evaluate(given)
    elif "predict" in given:
        _predict(given)
    else:
        require("checkpoint" not in given, "--checkpoint goes with --predict; a training resumes by itself")
        _train(given)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=__doc__.split("\n\n")[0] if __doc__ else None,
        epilog="Some defaults depend on the data set: "
        + "; ".join(
            f"{name}: " + ", ".join(f"{key.replace('_', '-')} {value}" for key, value in values.items())
            for name, values in DEFAULTS.items()
        )
        + ".",
    )
    modes = parser.add_argument_group("Instead of training")
    modes.add_argument(
        "--eval", type=Path, metavar="CHECKPOINT", help="evaluate it, on test and validation images"
    )
    modes.add_argument(
        "--predict", type=Path, nargs="+", metavar="IMAGE", help="name the classes of image files"
    )
    modes.add_argument("--checkpoint", type=Path, metavar="CHECKPOINT", help="which weights predict")
    for group in _GROUPS:
        add_options(parser, group)
    return parser


# Training.


def _train(given: dict[str, Any]) -> None:
    dataset = given.get("dataset", "digits")
    given = {**DEFAULTS[DATASET_ALIASES.get(dataset, dataset)], **given}
    images, head = build(ImageOptions, given), head_config(given)
    given.setdefault("output", Path("runs") / f"{images.dataset}-{images.arch}-{head.head}")
    options = build(LoopOptions, given)
    accelerator = start(options)
    splits = load_splits(images, _say_on_first(accelerator), options.num_workers)
    model = build_classifier(images, head, len(splits.train.class_names))
    if images.sync_batchnorm:
        model = with_sync_batchnorm(model)
    task = ImageTask(model, splits, images, options.seed)
    if accelerator.is_main_process:
        _introduce(task, splits, images)
        where = f"processes: {accelerator.num_processes}, on {accelerator.device.type}"
        print(f"{where}; output: {options.output}", flush=True)
    Loop(task, options, accelerator, as_plain(images, head, options), fixed_names(*_GROUPS)).fit()
    finish(accelerator)


def _introduce(task: ImageTask, splits: ImageSplits, options: ImageOptions) -> None:
    about = task.description()
    sizes = {"training": splits.train, "validation": splits.valid, "test": splits.test}
    shown = ", ".join(f"{name} {len(part):,}" for name, part in sizes.items() if part is not None)
    print(f"{options.dataset}: {len(task.class_names):,} classes; images: {shown}")
    print(
        f"{options.arch}, {about['parameters']:,} parameters, {about['head_parameters']:,} of them in "
        f"{about['head']}"
    )


def _say_on_first(accelerator: Accelerator) -> Callable[[str], None]:
    return lambda text: print(text, flush=True) if accelerator.is_main_process else None


# Evaluation and prediction.


def _read(path: Path) -> dict[str, Any]:
    content = checkpoint.load(path)
    if "dataset" not in content["options"] or "class_names" not in content["task"]:
        raise UsageError(f"{path} is not a checkpoint of {PROGRAM}")
    return content


def _rebuilt(
    content: dict[str, Any], given: dict[str, Any], path: Path
) -> tuple[ImageClassifier, ImageOptions]:
    """The model of a checkpoint, and its options with what is ``given`` anew."""
    stored = content["options"]
    merged = {**asdict(from_plain(ImageOptions, stored)), **asdict(from_plain(HeadConfig, stored)), **given}
    images, head = build(ImageOptions, merged), build(HeadConfig, merged)
    now = as_plain(images, head)
    for name in fixed_names(ImageOptions, HeadConfig):
        require(
            now[name] == stored.get(name),
            f"{path} was trained with --{name.replace('_', '-')} {stored.get(name)}; leave the option out",
        )
    order = content["model"].get("head.codec.order")
    model = build_classifier(images, head, len(content["task"]["class_names"]), order)
    checkpoint.load_weights(model, content, path)
    return model.eval(), images


def _evaluate(given: dict[str, Any]) -> None:
    path = given.pop("eval")
    content = _read(path)
    stored = content["options"]
    as_trained = {name: stored[name] for name in ("precision", "deterministic", "seed")}
    options = build(LoopOptions, {**DEFAULTS[stored["dataset"]], **as_trained, **given})
    accelerator = start(options)
    model, images = _rebuilt(content, given, path)
    splits = load_splits(images, _say_on_first(accelerator), options.num_workers)
    if list(splits.train.class_names) != content["task"]["class_names"]:
        raise UsageError(
            f"{path} was trained on other classes than those in {images.data_path}; check --data-path"
        )
    task = ImageTask(model, splits, images, options.seed)
    model.to(accelerator.device)
    size = options.eval_batch_size or options.batch_size
    for split, data in (("valid", task.valid_data), ("test", task.test_data)):
        if data is not None:
            found = evaluate(task, data, accelerator, batch_size=size, workers=options.num_workers)
            if accelerator.is_main_process:
                print(json.dumps({"split": split, "images": len(data), **found}), flush=True)
    finish(accelerator)


def _predict(given: dict[str, Any]) -> None:
    require("checkpoint" in given, "--predict needs --checkpoint, such as runs/…/best.pt")
    path = given.pop("checkpoint")
    content = _read(path)
    model, options = _rebuilt(content, given, path)
    class_names = content["task"]["class_names"]
    prepare, channels = preparation(options), len(image_format(options).mean)
    with torch.no_grad():
        for picture in given["predict"]:
            image = prepare(_with_channels(read_rgb(picture), channels))
            scores, labels = model.head.topk(model(as_tensor(image).unsqueeze(0)), min(5, len(class_names)))
            ranked = zip(labels[0].tolist(), scores[0].exp().tolist(), strict=True)
            print(
                "\t".join([str(picture), *(f"{class_names[label]} {share:.4f}" for label, share in ranked)])
            )


def _with_channels(image: Any, channels: int) -> Any:
    if channels == 3:
        return image
    return image.mean(axis=-1, keepdims=True).round().astype(image.dtype)


if __name__ == "__main__":
    sys.exit(main())
