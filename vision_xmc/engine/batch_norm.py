"""Batch norm cannot train on one value per channel. This is found out before the training starts."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vision_xmc.common.errors import UsageError
from vision_xmc.engine.batches import BatchPlan, checked
from vision_xmc.engine.task import Task


def check_batch_norm(task: Task, plan: BatchPlan, first: int, end: int, accelerator: Accelerator) -> None:
    """Refuses a training in which batch norm would meet too small a micro-batch.

    Where some micro-batch has one example, the loss of one example is computed, with batch norm in evaluation
    mode and without gradients: an image with several pixels left in the deepest layer is enough for batch
    norm, and only the network knows how many are left. All processes must call this together.

    Args:
        task: its model is on the device of ``accelerator``.
        plan: the batches.
        first, end: the updates to come are ``first … end - 1``.
        accelerator: of this process.

    Raises:
        UsageError: naming the batch that is too small, and the options that change it.
    """
    examples = plan.smallest_batch(first, end)
    pieces = plan.processes * plan.micro_batches
    if examples >= 2 * pieces or not _fails_on_one_example(task, accelerator):
        return
    if examples < plan.batch_size and plan.updates_per_epoch > 1:
        batch, remedy = "the last batch of each epoch", "--drop-last, another --batch-size"
    else:
        batch, remedy = "a batch", "a larger --batch-size"
    raise UsageError(
        f"batch norm cannot train on a micro-batch of one example, and {batch} has {examples} "
        f"{'example' if examples == 1 else 'examples'} for {pieces} "
        f"{'micro-batch' if pieces == 1 else 'micro-batches'}; give {remedy} or a smaller --accumulate"
    )


class _OneValue(Exception):
    """A batch norm has met one value per channel."""


def _fails_on_one_example(task: Task, accelerator: Accelerator) -> bool:
    task.model.train()
    norms = [module for module in task.model.modules() if _sees_this_process_only(module, accelerator)]
    if not norms:
        return False
    # In evaluation mode they leave their statistics as they are.
    hooks = [norm.register_forward_pre_hook(_check_values) for norm in norms]
    for norm in norms:
        norm.eval()
    try:
        batch = send_to_device(checked(task.collate([task.train_data[(0, 0)]])), accelerator.device)
        with torch.no_grad(), accelerator.autocast():
            task.loss(batch)
    except _OneValue:
        return True
    finally:
        for hook in hooks:
            hook.remove()
        task.model.train()
    return False


def _sees_this_process_only(module: nn.Module, accelerator: Accelerator) -> bool:
    shares = isinstance(module, nn.SyncBatchNorm) and accelerator.num_processes > 1
    return isinstance(module, _BatchNorm) and module.training and not shares


def _check_values(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    values: Tensor = inputs[0]
    if values.numel() == values.size(1):
        raise _OneValue
