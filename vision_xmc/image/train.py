"""Trains an image classifier from the options of ``python -m vision_xmc.image``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import Accelerator

from mhe_nmt.options import build
from vision_xmc.engine.command import Prepared, Say
from vision_xmc.engine.command import train as train_task
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.data.splits import ImageSplits, load_splits
from vision_xmc.image.head import head_config
from vision_xmc.image.options import DATASET_ALIASES, DEFAULTS, ImageOptions
from vision_xmc.image.task import ImageTask, build_classifier, with_sync_batchnorm


def train(given: dict[str, Any]) -> None:
    """Runs the training that the options ask for.

    Raises:
        UsageError: for options or data that do not fit.
    """
    dataset = given.get("dataset", "digits")
    given = {**DEFAULTS[DATASET_ALIASES.get(dataset, dataset)], **given}
    images, head = build(ImageOptions, given), head_config(given)
    given.setdefault("output", Path("runs") / f"{images.dataset}-{images.arch}-{head.head}")
    options = build(LoopOptions, given)

    def prepare(accelerator: Accelerator, say: Say) -> Prepared:
        splits = load_splits(images, say, options.num_workers)
        model = build_classifier(images, head, len(splits.train.class_names))
        if images.sync_batchnorm:
            model = with_sync_batchnorm(model)
        task = ImageTask(model, splits, images, options.seed)
        return Prepared(task, _introduction(task, splits, images))

    train_task((images, head), options, prepare)


def _introduction(task: ImageTask, splits: ImageSplits, options: ImageOptions) -> list[str]:
    about = task.description()
    sizes = {"training": splits.train, "validation": splits.valid, "test": splits.test}
    shown = ", ".join(f"{name} {len(part):,}" for name, part in sizes.items() if part is not None)
    return [
        f"{options.dataset}: {len(task.class_names):,} classes; images: {shown}",
        f"{options.arch}, {about['parameters']:,} parameters, {about['head_parameters']:,} of them in "
        f"{about['head']}",
    ]
