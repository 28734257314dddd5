"""A trained image classifier: its metrics on a data set, and the classes of image files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mhe_nmt import HeadConfig
from mhe_nmt.options import as_plain, build, fixed_names, from_plain
from vision_xmc.common.errors import UsageError, require
from vision_xmc.data.pictures import read_rgb
from vision_xmc.data.views import as_tensor
from vision_xmc.engine import checkpoint
from vision_xmc.engine.command import say_on_first
from vision_xmc.engine.distributed import finish, start
from vision_xmc.engine.evaluation import evaluate
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.data.splits import image_format, load_splits, preparation
from vision_xmc.image.model import ImageClassifier
from vision_xmc.image.options import DEFAULTS, PROGRAM, ImageOptions
from vision_xmc.image.task import ImageTask, build_classifier


def evaluate_checkpoint(given: dict[str, Any]) -> None:
    """Runs ``--eval CHECKPOINT``: prints one JSON object per split.

    Raises:
        UsageError: for options, data or a checkpoint that do not fit.
    """
    path = given.pop("eval")
    content = _read(path)
    stored = content["options"]
    as_trained = {name: stored[name] for name in ("precision", "deterministic", "seed")}
    options = build(LoopOptions, {**DEFAULTS[stored["dataset"]], **as_trained, **given})
    accelerator = start(options)
    model, images = _rebuilt(content, given, path)
    splits = load_splits(images, say_on_first(accelerator), options.num_workers)
    if list(splits.train.class_names) != content["task"]["class_names"]:
        raise UsageError(
            f"{path} was trained on other classes than those in {images.data_path}; check --data-path"
        )
    task = ImageTask(model, splits, images, options.seed)
    model.to(accelerator.device)
    size = options.eval_batch_size or options.batch_size
    for split, data in (("valid", task.valid_data), ("test", task.test_data)):
        if data is not None:
            metrics = evaluate(task, data, accelerator, batch_size=size, workers=options.num_workers)
            if accelerator.is_main_process:
                print(json.dumps({"split": split, "images": len(data), **metrics}), flush=True)
    finish(accelerator)


def predict(given: dict[str, Any]) -> None:
    """Runs ``--predict IMAGE …``: prints a line per image, with its five most probable classes.

    Raises:
        UsageError: for an image or a checkpoint that cannot be read.
    """
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


def _read(path: Path) -> dict[str, Any]:
    content = checkpoint.load(path)
    if "dataset" not in content["options"] or "class_names" not in content["task"]:
        raise UsageError(f"{path} is not a checkpoint of {PROGRAM}")
    return content


def _rebuilt(
    content: dict[str, Any], given: dict[str, Any], path: Path
) -> tuple[ImageClassifier, ImageOptions]:
    """The model of a checkpoint, and its options; those in ``given`` replace the stored ones."""
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


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if channels == 3:
        return image
    return image.mean(axis=-1, keepdims=True).round().astype(image.dtype)
