"""Metrics of a model over a data set, in which each example counts once, on any number of processes."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor

from vision_xmc.engine.batches import checked, evaluation_batches, make_loader
from vision_xmc.engine.distributed import share_buffers, sum_over_processes
from vision_xmc.engine.task import Examples, Task


def evaluate(
    task: Task, data: Examples, accelerator: Accelerator, *, batch_size: int, workers: int = 0
) -> dict[str, float]:
    """``task.summarise`` of the sums over ``data``, equal on every process.

    All processes must call this together.

    Args:
        task: its model is put in evaluation mode and back in training mode.
        data: indexed by ``0 … len(data) - 1``.
        accelerator: of this process.
        batch_size: examples per batch and process.
        workers: loading processes.
    """
    examples = len(data)
    keys = evaluation_batches(examples, batch_size, accelerator.num_processes, accelerator.process_index)
    pinned = accelerator.device.type == "cuda"
    sums: dict[str, Tensor] = {}
    task.model.eval()
    with torch.no_grad():
        share_buffers(accelerator, task.model)
        for batch in make_loader(data, keys, task.collate, workers=workers, pin_memory=pinned):
            batch = send_to_device(checked(batch), accelerator.device, non_blocking=True)
            with accelerator.autocast():
                batch_sums = task.metrics(batch)
            for name, value in batch_sums.items():
                sums[name] = sums[name] + value.double() if name in sums else value.double()
    task.model.train()
    local = {name: float(value) for name, value in sums.items()}
    return task.summarise(sum_over_processes(accelerator, local), examples)
