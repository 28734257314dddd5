"""What the processes of a training wrap and exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mhe_nmt import LabelCodec
from vision_xmc.sharding import Shards
from vision_xmc.task import Task


class LossModule(nn.Module):
    """What DDP wraps: its ``forward`` is the task's loss, so that tasks need not know of DDP."""

    def __init__(self, task: Task, shards: Shards) -> None:
        super().__init__()
        self.model = task.model
        self._loss = task.loss
        # Label codes never change and can be long: no need to send them round before each update.
        codes = [name for name, module in self.named_modules() if isinstance(module, LabelCodec)]
        ignored = [
            f"{name}.{buffer}" for name in codes for buffer, _ in self.get_submodule(name).named_buffers()
        ]
        ignored += [f"model.{name}" for name in shards.rows]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, ignored)

    def forward(self, batch: Any) -> Mapping[str, Tensor]:
        return self._loss(batch)
