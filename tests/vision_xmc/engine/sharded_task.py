"""A classifier whose output rows are spread over the processes, like those of a face model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather

from tests.vision_xmc.engine.toy_task import LABELS, Points
from vision_xmc.engine.sharding import own_rows
from vision_xmc.engine.task import Task


class ShardedLinear(nn.Module):
    """Scores of all labels from rows that several processes hold. All batches have the same size."""

    def __init__(self, inputs: int, labels: int) -> None:
        super().__init__()
        self.labels = labels
        self.processes = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        # All rows are drawn, so that the initial weights do not depend on the number of processes.
        start, end = own_rows(labels, self.processes, self.rank)
        self.weight = nn.Parameter(torch.randn(labels, inputs)[start:end].clone())

    def forward(self, features: Tensor) -> Tensor:
        if self.processes == 1:
            return features @ self.weight.T
        everywhere = torch.cat(all_gather(features))
        scores = everywhere @ self.weight.T
        # Gathered tensors must have the same size, but some processes have one row more than others.
        most = -(-self.labels // self.processes)
        parts = all_gather(F.pad(scores, (0, most - scores.size(1))))
        bounds = [own_rows(self.labels, self.processes, rank) for rank in range(self.processes)]
        whole = torch.cat(
            [part[:, : end - start] for part, (start, end) in zip(parts, bounds, strict=True)], 1
        )
        return whole[self.rank * len(features) : (self.rank + 1) * len(features)]


class ShardedTask(Task):
    """Classifies points. 40 examples in batches of 10 are divisible by two, 13 rows are not."""

    best_metric = "accuracy"

    def __init__(self) -> None:
        torch.manual_seed(4)
        self.model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), ShardedLinear(8, LABELS + 1))
        self.train_data = Points(40, 0.5, 1)
        self.valid_data = Points(24, 0.5, 2)
        self.losses_seen = 0

    def sharded_rows(self) -> Mapping[str, int]:
        return {"2.weight": LABELS + 1}

    def loss(self, batch: Any) -> Mapping[str, Tensor]:
        points, labels = batch
        return {"loss": F.cross_entropy(self.model(points), labels, reduction="sum")}

    def metrics(self, batch: Any) -> Mapping[str, Tensor]:
        points, labels = batch
        return {"accuracy": (self.model(points).argmax(-1) == labels).sum()}
