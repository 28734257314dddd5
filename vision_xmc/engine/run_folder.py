"""The folder of a run: one training at a time writes to it, and only the same run is resumed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import nn

from vision_xmc.common.errors import UsageError
from vision_xmc.common.lock import lock
from vision_xmc.engine import checkpoint
from vision_xmc.engine.sharding import Shards
from vision_xmc.engine.state import RunState
from vision_xmc.engine.task import Task


class RunFolder:
    """Checkpoints of one run; the first process writes them.

    Args:
        path: the folder, which is made.
        task: what is trained.
        accelerator: of this process.
        described: all options of the command in plain types; each checkpoint holds them.
        fixed: names among them that a resumed run must share.

    Raises:
        UsageError: if another training is writing to the folder.
    """

    def __init__(
        self,
        path: Path,
        task: Task,
        accelerator: Accelerator,
        described: Mapping[str, Any],
        fixed: Sequence[str],
    ) -> None:
        self.path, self.described = path, described
        self._task, self._accelerator, self._fixed = task, accelerator, fixed
        self._examples = len(task.train_data)
        self._lock = lock(path) if accelerator.is_main_process else None

    def clear(self) -> None:
        """Removes the checkpoints of an earlier run. All processes must call this together."""
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            for name in (checkpoint.LAST, checkpoint.BEST):
                (self.path / name).unlink(missing_ok=True)

    def resume(self, state: RunState) -> int | None:
        """Sets ``state`` to what ``last.pt`` holds; returns how long ``metrics.jsonl`` was then, in bytes.

        Returns ``None`` if there is no ``last.pt``.

        Raises:
            UsageError: if it is of a run with other options or other data.
        """
        path = self.path / checkpoint.LAST
        if not path.exists():
            return None
        content = checkpoint.load(path)
        self._check_same_options(content["options"])
        if content["examples"] != self._examples:
            raise UsageError(
                f"{self.path} holds a run over {content['examples']:,} training examples, but now there are "
                f"{self._examples:,}; give another --output, or --restart to overwrite it"
            )
        state.restore(content, path)
        return int(content["log_position"])

    def save(self, name: str, update: int, content: Mapping[str, Any]) -> None:
        """Writes a checkpoint after ``update`` updates; does nothing on the other processes."""
        if self._accelerator.is_main_process:
            about = {
                "options": self.described,
                "task": self._task.description(),
                "examples": self._examples,
                "update": update,
            }
            checkpoint.save(self.path / name, {**about, **content})

    def load_best(self, model: nn.Module, shards: Shards) -> None:
        """Puts the weights of ``best.pt`` into ``model``."""
        path = self.path / checkpoint.BEST
        checkpoint.load_state(model, shards.own(checkpoint.load(path)["model"]), path)

    def _check_same_options(self, stored: Mapping[str, Any]) -> None:
        now = self.described
        changed = [name for name in self._fixed if stored.get(name) != now.get(name)]
        if changed:
            then, new = (
                ", ".join(f"{name} {values.get(name)}" for name in changed) for values in (stored, now)
            )
            raise UsageError(
                f"{self.path} holds a run with other options (then: {then}; now: {new}); give another "
                "--output, or --restart to overwrite it"
            )
