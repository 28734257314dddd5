"""The optimizer and its learning rate, from the options."""

from __future__ import annotations

import torch

from vision_xmc.loop_options import LoopOptions
from vision_xmc.schedule import learning_rate
from vision_xmc.task import Task


def new_optimizer(task: Task, options: LoopOptions) -> torch.optim.Optimizer:
    """The optimizer of the task's parameters."""
    groups = task.parameter_groups(options.weight_decay)
    if options.optimizer == "adamw":
        first, second = options.betas
        return torch.optim.AdamW(groups, lr=options.lr, betas=(first, second))
    return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov)


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
