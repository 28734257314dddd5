"""The state of a run, which its checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from vision_xmc.common.errors import UsageError
from vision_xmc.engine import checkpoint
from vision_xmc.engine.averaging import WeightAverage
from vision_xmc.engine.distributed import sum_over_processes
from vision_xmc.engine.sharding import Shards


@dataclass
class Progress:
    """How far a run has come."""

    update: int = 0
    best: float | None = None
    best_update: int = 0
    evaluations_since_best: int = 0
    stopped: bool = False
    seconds: float = 0.0


class RunningMeans:
    """Adds up sums on the device without waiting for it, until :meth:`collect` asks for means."""

    def __init__(self) -> None:
        self._local: dict[str, Tensor] = {}
        self._total: dict[str, float] = {}
        self._examples = 0

    def add(self, sums: Mapping[str, Tensor], weight: int = 1) -> None:
        """Adds this process's sums over a micro-batch; a ``weight`` of 0 leaves out a stand-in."""
        for name, value in sums.items():
            value = value.detach().double() * weight
            self._local[name] = self._local[name] + value if name in self._local else value

    def count(self, examples: int) -> None:
        """Adds the examples of one update, over all processes."""
        self._examples += examples

    def collect(self, accelerator: Accelerator) -> dict[str, float]:
        """Means so far, equal on every process. All processes must call this together."""
        local = {name: float(value) for name, value in self._local.items()}
        for name, value in sum_over_processes(accelerator, local).items():
            self._total[name] = self._total.get(name, 0.0) + value
        self._local.clear()
        return {name: value / max(1, self._examples) for name, value in self._total.items()}

    def reset(self) -> None:
        """Sets all sums to 0."""
        self._local.clear()
        self._total.clear()
        self._examples = 0

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint; call :meth:`collect` first."""
        return {"total": dict(self._total), "examples": self._examples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned."""
        self.reset()
        self._total = dict(state["total"])
        self._examples = state["examples"]


@dataclass
class RunState:
    """What changes during a run.

    Attributes:
        model: without DDP around it.
        optimizer: of its parameters.
        average: of its weights, or ``None``.
        shards: its parameters that are spread over the processes.
        accelerator: whose gradient scaler (fp16) belongs to the state.
        progress, means: see their classes.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    shards: Shards
    accelerator: Accelerator
    progress: Progress = field(default_factory=Progress)
    means: RunningMeans = field(default_factory=RunningMeans)

    def captured(self) -> dict[str, Any]:
        """Everything, for ``last.pt``; all processes must call this together."""
        scaler, average = self.accelerator.scaler, self.average
        optimizer = checkpoint.named_optimizer_state(self.optimizer, self.model)
        return {
            "model": self.shards.whole(self.model.state_dict()),
            "optimizer": self.shards.whole(optimizer),
            "average": average.state_dict() | {"values": self.shards.whole(average.values)}
            if average
            else None,
            "scaler": scaler.state_dict() if scaler else None,
            "progress": asdict(self.progress),
            "means": self.means.state_dict(),
        }

    def restore(self, content: Mapping[str, Any], path: Path) -> None:
        """Restores what :meth:`captured` returned and ``path`` holds.

        Raises:
            UsageError: if the weights do not fit.
        """
        if "optimizer" not in content:
            raise UsageError(f"{path} holds weights only; a training resumes from {checkpoint.LAST}")
        cut = self.shards.own
        checkpoint.load_state(self.model, cut(content["model"]), path)
        checkpoint.load_named_optimizer_state(self.optimizer, self.model, cut(content["optimizer"]))
        if self.average is not None:
            stored = content["average"]
            self.average.load_state_dict({"count": stored["count"], "values": cut(stored["values"])})
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(content["scaler"])
        self.progress = Progress(**content["progress"])
        self.means.load_state_dict(content["means"])

    def evaluation_weights(self) -> dict[str, Any]:
        """The weights for evaluation: averages where there are any. Of shards, the rows of this process."""
        weights = self.model.state_dict()
        if self.average is not None and self.average.count:
            weights |= {name: value.to(weights[name].dtype) for name, value in self.average.values.items()}
        return weights
