"""What a run writes and shows besides its checkpoints. Only the first process does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm import tqdm

from vision_xmc.common.files import write_json
from vision_xmc.engine.metrics_log import MetricsLog, read
from vision_xmc.engine.plots import Panels, plot_curves


class Reporter:
    """Records of a run: ``metrics.jsonl``, TensorBoard, the console, ``result.json`` and ``curves.png``.

    Args:
        folder: of the files; :meth:`open` makes it.
        accelerator: of this process.
        updates_per_epoch: to convert updates to epochs.
        progress: show a bar on a terminal.
        tensorboard: write events too.
    """

    def __init__(
        self,
        folder: Path,
        accelerator: Accelerator,
        updates_per_epoch: int,
        *,
        progress: bool,
        tensorboard: bool,
    ) -> None:
        self._folder, self._accelerator, self._tensorboard = folder, accelerator, tensorboard
        self._updates_per_epoch = updates_per_epoch
        self._console = Console(accelerator.is_main_process, progress)
        self._log: MetricsLog | None = None

    def open(self, described: Mapping[str, Any], update: int, log_position: int) -> None:
        """Starts writing after the records up to ``update``, and writes ``described`` to ``options.json``."""
        if self._accelerator.is_main_process:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_json(self._folder / "options.json", described)
            self._log = MetricsLog(self._folder / "metrics.jsonl", log_position)
        if self._tensorboard:
            # Events after the checkpoint will be written again.
            purge = {"purge_step": update + 1}
            self._accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": purge})

    def bar(self, total: int, first: int) -> AbstractContextManager[None]:
        """Shows a progress bar inside the block."""
        return self._console.bar(total, first)

    def advance(self) -> None:
        """One update is done."""
        self._console.advance()

    def say(self, text: str) -> None:
        """Prints a line."""
        self._console.say(text)

    @property
    def log_position(self) -> int:
        """Size of ``metrics.jsonl`` in bytes."""
        return self._log.position if self._log is not None else 0

    def training(self, update: int, means: Mapping[str, float]) -> None:
        """Means of the training since the last record."""
        self._record("train", update, means)
        self._console.losses(means)

    def evaluation(self, update: int, split: str, metrics: Mapping[str, float], is_best: bool) -> None:
        """Metrics during the training."""
        self._record("eval", update, {"split": split, **metrics})
        self._console.metrics(self._epoch(update), split, metrics, is_best)

    def final(self, update: int, weights: str, metrics_of: Mapping[str, Mapping[str, float]]) -> None:
        """Metrics of the ``"last"`` or the ``"best"`` weights at the end, by split."""
        for split, metrics in metrics_of.items():
            self._record("final", update, {"weights": weights, "split": split, **metrics})
            self._console.metrics(self._epoch(update), f"{split}, {weights} weights", metrics)

    def conclude(self, result: Mapping[str, Any], curves: Panels) -> None:
        """Writes ``result.json`` and the plot."""
        if self._log is not None:
            folder = self._folder
            write_json(folder / "result.json", result)
            excuse = plot_curves(read(self._log.path), curves, folder / "curves.png", title=str(folder))
            self.say(excuse or f"written to {folder}: checkpoints, metrics.jsonl, result.json, curves.png")
        self._accelerator.wait_for_everyone()

    def _epoch(self, update: int) -> float:
        return update / self._updates_per_epoch

    def _record(self, kind: str, update: int, values: Mapping[str, Any]) -> None:
        if self._log is not None:
            self._log.write({"kind": kind, "update": update, "epoch": self._epoch(update), **values})
        if self._tensorboard:
            name = "/".join([kind, *(value for value in values.values() if isinstance(value, str))])
            numbers = {f"{name}/{key}": value for key, value in values.items() if not isinstance(value, str)}
            self._accelerator.log(numbers, step=update)


class Console:
    """Prints on one process and is silent on the others.

    Args:
        speaks: whether this process prints.
        progress: show a bar if standard error is a terminal.
    """

    def __init__(self, speaks: bool, progress: bool) -> None:
        self.speaks = speaks
        self._hides_bar = None if speaks and progress else True
        self._bar: tqdm | None = None

    @contextmanager
    def bar(self, total: int, first: int) -> Iterator[None]:
        """Shows the updates ``first … total`` inside the block."""
        with tqdm(
            total=total, initial=first, unit="update", disable=self._hides_bar, smoothing=0.05
        ) as self._bar:
            yield
        self._bar = None

    def advance(self) -> None:
        """One update is done."""
        if self._bar is not None:
            self._bar.update()

    def losses(self, record: Mapping[str, float]) -> None:
        """Shows training means next to the bar."""
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.4g}" for name, value in record.items()}, refresh=False)

    def metrics(self, epoch: float, title: str, values: Mapping[str, float], is_best: bool = False) -> None:
        """Prints a line of evaluation metrics."""
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        self.say(f"epoch {epoch:g}  {title}: {shown}{'  (best)' if is_best else ''}")

    def say(self, text: str) -> None:
        """Prints a line."""
        if not self.speaks:
            return
        if self._bar is not None and not self._bar.disable:
            self._bar.write(text)
        else:
            print(text, flush=True)
