"""Means of training losses between two records, exact over processes and over a resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from vision_xmc.processes import sum_over_processes


class RunningMeans:
    """Adds up sums on the device, without waiting for it, until somebody asks."""

    def __init__(self) -> None:
        self._local: dict[str, Tensor] = {}
        self._total: dict[str, float] = {}
        self._examples = 0

    def add(self, sums: Mapping[str, Tensor], weight: int = 1) -> None:
        """Adds this process's sums over a micro-batch; a ``weight`` of 0 leaves a stand-in out."""
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
        """Begins anew."""
        self._local.clear()
        self._total.clear()
        self._examples = 0

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint; call :meth:`collect` before."""
        return {"total": dict(self._total), "examples": self._examples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what :meth:`state_dict` gave."""
        self.reset()
        self._total = dict(state["total"])
        self._examples = state["examples"]
