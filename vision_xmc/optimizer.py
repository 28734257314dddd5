"""The optimizer and its learning rate, from the options."""

from __future__ import annotations

import torch

from vision_xmc.errors import UsageError
from vision_xmc.loop_options import LoopOptions
from vision_xmc.row_optimizer import RowAdamW
from vision_xmc.schedule import learning_rate
from vision_xmc.task import Task


def new_optimizer(task: Task, options: LoopOptions) -> torch.optim.Optimizer:
    """The optimizer of the task's parameters.

    Raises:
        UsageError: where the model's gradients are sparse and the optimizer has momentum for dense ones.
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
            "--optimizer sgd knows no weight decay and no Nesterov momentum for sparse gradients; give "
            "--weight-decay 0, or --optimizer adamw"
        )
    return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=options.nesterov)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives every parameter group its learning rate: ``rate`` times its own ``"lr_scale"``, if it has one."""
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
