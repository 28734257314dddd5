"""A task of the training loop that has nothing to do with images, and its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mhe_nmt import build_head
from mhe_nmt.options import as_plain, fixed_names
from vision_xmc.engine.distributed import finish, start
from vision_xmc.engine.loop import Loop
from vision_xmc.engine.options import LoopOptions
from vision_xmc.engine.task import Task

LABELS = 12
Example = tuple[Tensor, int]


class Points(Dataset[Example]):
    """Noisy points around one centre per label. The noise depends only on the epoch and the index."""

    def __init__(self, size: int, noise: float, seed: int) -> None:
        self.size, self.noise, self.seed = size, noise, seed
        self.centres = np.random.default_rng(0).normal(size=(LABELS, 5))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: Any) -> Example:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        noise = np.random.default_rng((self.seed, epoch, index)).normal(size=5)
        point = self.centres[index % LABELS] + self.noise * noise
        return torch.tensor(point, dtype=torch.float32), index % LABELS


class Net(nn.Module):
    """A layer with dropout, and an output head."""

    def __init__(self, head: str, dropout: float, **options: Any) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(dropout))
        self.head = build_head(head, 16, LABELS, **options)

    def forward(self, points: Tensor) -> Tensor:
        return self.body(points)


class PointTask(Task):
    """Classifies the points."""

    best_metric = "accuracy"
    curves = (("accuracy", ["accuracy"]),)

    def __init__(
        self, train: int = 45, *, head: str = "product", dropout: float = 0.0, valid: int = 25, **options: Any
    ) -> None:
        torch.manual_seed(3)
        self.model = Net(head, dropout, **options)
        self.train_data = Points(train, 0.5, 1)
        self.valid_data = Points(valid, 0.5, 2) if valid else None
        self.test_data = Points(31, 0.5, 3)
        self.losses_seen = 0

    def loss(self, batch: Any) -> Mapping[str, Tensor]:
        points, labels = batch
        self.losses_seen += 1
        nll = self.model.head(self.model(points), labels).nll
        return {"loss": nll.sum(), "square": (nll.detach() ** 2).sum()}

    def metrics(self, batch: Any) -> Mapping[str, Tensor]:
        points, labels = batch
        features = self.model(points)
        hits = self.model.head.predict(features) == labels
        return {"accuracy": hits.sum(), "nll": self.model.head(features, labels).nll.sum()}


def options(output: Path, **changes: Any) -> LoopOptions:
    """Small batches, three epochs."""
    defaults: dict[str, Any] = {"epochs": 3, "batch_size": 10, "lr": 0.2, "log_steps": 1, "weight_decay": 0.0}
    return LoopOptions(output=output, **{**defaults, **changes})


def fit(task: Task, chosen: LoopOptions) -> dict[str, Any]:
    """Trains in this process; returns the result."""
    accelerator = start(chosen)
    result = Loop(task, chosen, accelerator, as_plain(chosen), fixed_names(LoopOptions)).fit()
    finish(accelerator)
    return result


def records(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The records of ``metrics.jsonl``, all or of one kind."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if kind in (None, record["kind"])]


def weights(path: Path) -> dict[str, Tensor]:
    """The model in a checkpoint."""
    return torch.load(path, weights_only=True)["model"]


def assert_same_weights(first: Path, second: Path) -> None:
    """Asserts that the weights are equal, bit for bit."""
    found, expected = weights(first), weights(second)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
