"""All that a run must remember, as the content of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from vision_xmc import checkpoint
from vision_xmc.averaging import WeightAverage
from vision_xmc.errors import UsageError
from vision_xmc.means import RunningMeans
from vision_xmc.sharding import Shards


@dataclass
class Progress:
    """How far a run has come."""

    update: int = 0
    best: float | None = None
    best_update: int = 0
    evaluations_since_best: int = 0
    stopped: bool = False
    seconds: float = 0.0


@dataclass
class RunState:
    """What changes while a run goes on.

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
        """Takes over what :meth:`captured` gave and ``path`` holds.

        Raises:
            UsageError: if the weights do not fit.
        """
        if "optimizer" not in content:
            raise UsageError(f"{path} holds weights only; a training is resumed from {checkpoint.LAST}")
        own = self.shards.own
        checkpoint.load_state(self.model, own(content["model"]), path)
        checkpoint.load_named_optimizer_state(self.optimizer, self.model, own(content["optimizer"]))
        if self.average is not None:
            stored = content["average"]
            self.average.load_state_dict({"count": stored["count"], "values": own(stored["values"])})
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(content["scaler"])
        self.progress = Progress(**content["progress"])
        self.means.load_state_dict(content["means"])

    def evaluation_weights(self) -> dict[str, Any]:
        """The weights that evaluation uses: averaged ones, where there is an average; of shards, own rows."""
        weights = self.model.state_dict()
        if self.average is not None and self.average.count:
            weights |= {name: value.to(weights[name].dtype) for name, value in self.average.values.items()}
        return weights


def check_same_run(
    stored: Mapping[str, Any], now: Mapping[str, Any], fixed: Sequence[str], folder: Path
) -> None:
    """Refuses to resume a run with other options.

    Raises:
        UsageError: naming the options of ``fixed`` that differ.
    """
    changed = [name for name in fixed if stored.get(name) != now.get(name)]
    if changed:
        then, new = (", ".join(f"{name} {values.get(name)}" for name in changed) for values in (stored, now))
        raise UsageError(
            f"{folder} holds a run with other options (then: {then}; now: {new}); give another --output, or "
            "--restart to overwrite it"
        )
