"""The optimizer and its learning rate, from the options."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import torch

from vision_xmc.common.errors import UsageError
from vision_xmc.engine.options import LoopOptions
from vision_xmc.engine.row_adamw import RowAdamW
from vision_xmc.engine.task import Task


def new_optimizer(task: Task, options: LoopOptions) -> torch.optim.Optimizer:
    """The optimizer of the task's parameters.

    Raises:
        UsageError: if the model's gradients are sparse and the options of SGD suit dense ones only.
    """
    groups = task.parameter_groups(options.weight_decay)
    has_sparse = any(getattr(module, "sparse", False) is True for module in task.model.modules())
    if options.optimizer == "adamw":
        first, second = options.betas
        row_wise = any(group.get("row_wise") for group in groups)
        cls = RowAdamW if has_sparse or row_wise else torch.optim.AdamW
        return cls(groups, lr=options.lr, betas=(first, second))
    if has_sparse and (options.weight_decay or options.nesterov):
        raise UsageError(
            "--optimizer sgd has neither weight decay nor Nesterov momentum for sparse gradients; give "
            "--weight-decay 0, or --optimizer adamw"
        )
    return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of each parameter group: ``rate`` times its ``"lr_scale"``, if it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def rate(options: LoopOptions, update: int, total: int, updates_per_epoch: int) -> float:
    """The learning rate of ``update`` in a training of ``total`` updates."""
    return learning_rate(
        update,
        peak=options.lr,
        total=total,
        kind=options.schedule,
        warmup=round(options.warmup_epochs * updates_per_epoch),
        floor=options.min_lr,
        power=options.poly_power,
        milestones=options.milestones,
        decay=options.step_decay,
    )


def learning_rate(
    update: int,
    *,
    peak: float,
    total: int,
    kind: str = "cosine",
    warmup: int = 0,
    floor: float = 0.0,
    power: float = 2.0,
    milestones: Sequence[float] = (),
    decay: float = 0.1,
) -> float:
    """The learning rate of an update.

    Args:
        update: 0 … ``total - 1``.
        peak: the rate after warm-up.
        total: number of updates of the whole training.
        kind: ``constant``, ``cosine`` (half a period), ``linear``, ``poly`` (``(1 - t) ** power``) or
            ``step`` (times ``decay`` at each milestone); ``t`` runs from 0 at the end of the warm-up to 1
            after the last update.
        warmup: number of updates over which the rate rises linearly to ``peak``.
        floor: the rate at which ``cosine``, ``linear`` and ``poly`` end.
        power: of ``poly``.
        milestones: of ``step``; increasing shares of the whole training.
        decay: of ``step``.

    Raises:
        ValueError: for an unknown kind.
    """
    if update < warmup:
        return peak * (update + 1) / warmup
    t = (update - warmup) / max(1, total - warmup)
    if kind == "constant":
        return peak
    if kind == "cosine":
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * t))
    if kind == "linear":
        return floor + (peak - floor) * (1 - t)
    if kind == "poly":
        return floor + (peak - floor) * (1 - t) ** power
    if kind == "step":
        return peak * decay ** bisect.bisect_right(milestones, update / total)
    raise ValueError(f"unknown schedule {kind!r}")
