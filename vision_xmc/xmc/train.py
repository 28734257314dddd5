"""Trains a classifier of documents from the options of ``python -m vision_xmc.xmc``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import Accelerator

from mhe_nmt.options import build
from vision_xmc.engine.command import Prepared, Say
from vision_xmc.engine.command import train as train_task
from vision_xmc.engine.options import LoopOptions
from vision_xmc.xmc.options import EncoderOptions, LabelHeadOptions, XmcOptions, defaults
from vision_xmc.xmc.setup import set_up
from vision_xmc.xmc.task import XmcTask


def train(given: dict[str, Any]) -> None:
    """Runs the training that the options ask for.

    Raises:
        UsageError: for options or data that do not fit.
    """
    dataset, encoder = given.get("dataset", "docstrings"), given.get("encoder", "bow")
    given = {**defaults(dataset, encoder), **given}
    data_options, encoder_options = build(XmcOptions, given), build(EncoderOptions, given)
    head_options = build(LabelHeadOptions, given)
    groups = "ova" if head_options.num_groups == 0 else "mhc"
    given.setdefault("output", Path("runs") / f"{Path(dataset).name}-{Path(encoder).name}-{groups}")
    options = build(LoopOptions, given)

    def prepare(accelerator: Accelerator, say: Say) -> Prepared:
        # The others find what the first process has cached.
        with accelerator.main_process_first():
            ready = set_up(data_options, encoder_options, head_options, say)
        rate = encoder_options.encoder_lr
        scale = 0.1 if rate is None else rate / options.lr
        task = XmcTask(
            ready.model, ready.data, ready.inputs, data_options.propensity, scale, head_options.row_wise
        )
        about = task.description()
        line = f"{encoder}, {about['parameters']:,} parameters, {about['head_parameters']:,} of them in "
        return Prepared(task, [line + about["head"]], ready.write)

    train_task((data_options, encoder_options, head_options), options, prepare)
