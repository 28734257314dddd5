"""The training loop that all trainers share.

``Loop(task, options, accelerator).fit()`` trains, evaluates, keeps the best and the last checkpoint, and
resumes from the last one. A :class:`vision_xmc.engine.task.Task` tells it everything about the problem.

A run can be repeated and resumed exactly, even in the middle of an epoch, because nothing depends on hidden
state: the batch of an update, its learning rate and its random numbers are functions of the seed and the
update (:mod:`~vision_xmc.engine.batches`, :mod:`~vision_xmc.engine.optim`,
:func:`~vision_xmc.engine.distributed.seed_update`). A checkpoint holds the weights, the
optimizer, the average and the progress of the run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mhe_nmt import LabelCodec
from vision_xmc.common.errors import UsageError
from vision_xmc.engine import checkpoint
from vision_xmc.engine.averaging import WeightAverage
from vision_xmc.engine.batch_norm import check_batch_norm
from vision_xmc.engine.batches import BatchPlan, MicroBatches, checked, make_loader
from vision_xmc.engine.distributed import seed_update
from vision_xmc.engine.evaluation import evaluate
from vision_xmc.engine.optim import new_optimizer, rate, set_rate
from vision_xmc.engine.options import LoopOptions
from vision_xmc.engine.reporter import Reporter
from vision_xmc.engine.run_folder import RunFolder
from vision_xmc.engine.sharding import Shards
from vision_xmc.engine.state import RunState
from vision_xmc.engine.task import Examples, Task


class Loop:
    """One training.

    Args:
        task: what is trained.
        options: how.
        accelerator: from :func:`vision_xmc.engine.distributed.start`.
        described: all options of the command in plain types, kept in the checkpoints and ``options.json``.
        fixed: names among them that a resumed run must share.

    Raises:
        UsageError: if the run in ``options.output`` cannot be resumed with these options, or is still
            training.
    """

    def __init__(
        self,
        task: Task,
        options: LoopOptions,
        accelerator: Accelerator,
        described: Mapping[str, Any] | None = None,
        fixed: Sequence[str] = (),
    ) -> None:
        self.task, self.options, self.accelerator = task, options, accelerator
        self.plan = BatchPlan(
            examples=len(task.train_data),
            batch_size=options.batch_size,
            processes=accelerator.num_processes,
            rank=accelerator.process_index,
            micro_batches=options.accumulate,
            seed=options.seed,
            drop_last=options.drop_last,
            lengths=task.train_lengths,
        )
        self.total = options.epochs * self.plan.updates_per_epoch
        self.total = min(self.total, options.max_steps or self.total)
        if task.valid_data is None and options.patience is not None:
            raise UsageError("--patience needs a validation set; hold one out, or leave out --patience")
        task.model.to(accelerator.device)
        average = None
        if options.average != "none":
            average = WeightAverage(task.model, options.average, options.ema_decay)
        self.shards = Shards(task.sharded_rows(), accelerator)
        self.module, self.optimizer = accelerator.prepare(
            LossModule(task, self.shards), new_optimizer(task, options)
        )
        self.state = RunState(task.model, self.optimizer, average, self.shards, accelerator)
        self.report = Reporter(
            options.output,
            accelerator,
            self.plan.updates_per_epoch,
            progress=options.progress,
            tensorboard=options.tensorboard,
        )
        self.folder = RunFolder(options.output, task, accelerator, dict(described or {}), fixed)
        self.report.open(self.folder.described, self.state.progress.update, self._resume())

    # Training.

    def fit(self) -> dict[str, Any]:
        """Trains from the current update to the end; returns what it writes to ``result.json``."""
        progress = self.state.progress
        first = progress.update
        if first and (progress.stopped or first >= self.total):
            self.report.say(f"{self.folder.path}: this run is finished; nothing is left to train")
        else:
            check_batch_norm(self.task, self.plan, first, self.total, self.accelerator)
            with self.report.bar(self.total, first):
                self._train(first)
        return self._conclude()

    def _train(self, first: int) -> None:
        progress = self.state.progress
        keys = MicroBatches(self.plan, first, self.total)
        pinned = self.accelerator.device.type == "cuda"
        workers = self.options.num_workers
        loader = make_loader(
            self.task.train_data, keys, self.task.collate, workers=workers, pin_memory=pinned
        )
        batches = iter(loader)
        for update in range(first, self.total):
            began = time.monotonic()
            self._train_update(update, batches)
            progress.update = update + 1
            progress.seconds += time.monotonic() - began
            self._after_update()
            if progress.stopped:
                break

    def _train_update(self, update: int, batches: Iterator[Any]) -> None:
        options, accelerator, means = self.options, self.accelerator, self.state.means
        seed_update(options.seed, update, accelerator.process_index)
        examples = self.plan.size(update)
        self.module.train()
        for micro in range(options.accumulate):
            batch = send_to_device(checked(next(batches)), accelerator.device, non_blocking=True)
            start, end = self.plan.piece(update, micro)
            weight = int(end > start)
            exchanges = micro == options.accumulate - 1
            with nullcontext() if exchanges else accelerator.no_sync(self.module):
                # Accelerate runs the forward pass of a prepared module under autocast.
                sums = self.module(batch)
                # DDP averages over the processes, but the gradients should be summed over all examples.
                accelerator.backward(sums["loss"] * (weight * accelerator.num_processes / examples))
            means.add(sums, weight)
        means.count(examples)
        self.shards.rescale_gradients(self.task.model)
        if options.clip_norm is not None:
            norm = self.shards.clip_gradients(self.task.model, options.clip_norm)
            means.add({"grad_norm": norm}, examples / accelerator.num_processes)
        set_rate(self.optimizer, self._rate(update))
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.state.average is not None and options.average == "ema":
            self.state.average.update()

    def _rate(self, update: int) -> float:
        return rate(self.options, update, self.total, self.plan.updates_per_epoch)

    def _after_update(self) -> None:
        options, done, average = self.options, self.state.progress.update, self.state.average
        at_end = done == self.total
        epoch, rest = divmod(done, self.plan.updates_per_epoch)
        epoch_ends = rest == 0 or at_end
        due = epoch_ends if options.swa_steps is None else _due(done, options.swa_steps)
        collects = (due or at_end) and done > options.swa_start * self.total
        if average is not None and options.average == "swa" and collects:
            average.update()
        if epoch_ends or _due(done, options.log_steps):
            record = {**self._means(), "lr": self._rate(done - 1)}
            self.state.means.reset()
            self.report.training(done, record)
        if at_end or _due(done, options.eval_steps) or (rest == 0 and _due(epoch, options.eval_epochs)):
            self._evaluate_and_choose()
        if epoch_ends or _due(done, options.save_steps) or self.state.progress.stopped:
            self._save_last()
        self.report.advance()

    def _means(self) -> dict[str, float]:
        means = self.state.means.collect(self.accelerator)
        if not math.isfinite(means.get("loss", 0.0)):
            raise UsageError(
                f"the training loss is no longer finite at update {self.state.progress.update}; lower --lr, "
                f"lengthen --warmup-epochs or give --clip-norm (the last good checkpoint is in "
                f"{self.folder.path})"
            )
        return means

    # Evaluation.

    def _evaluate(self, data: Examples) -> dict[str, float]:
        size = self.options.eval_batch_size or self.options.batch_size
        return evaluate(self.task, data, self.accelerator, batch_size=size, workers=self.options.num_workers)

    def _evaluate_and_choose(self) -> None:
        task, progress, average = self.task, self.state.progress, self.state.average
        split, data = ("valid", task.valid_data) if task.valid_data is not None else ("test", task.test_data)
        if data is None:
            return
        # Weights that have diverged must not become the best ones.
        self._means()
        with average.applied() if average is not None else nullcontext():
            metrics = self._evaluate(data)
        is_best = split == "valid" and _better(
            metrics[task.best_metric], progress.best, task.higher_is_better
        )
        if is_best:
            progress.best, progress.best_update = metrics[task.best_metric], progress.update
            progress.evaluations_since_best = 0
            weights = self.shards.whole(self.state.evaluation_weights())
            self.folder.save(checkpoint.BEST, progress.update, {"model": weights, "metrics": metrics})
        else:
            progress.evaluations_since_best += 1
        self.report.evaluation(progress.update, split, metrics, is_best)
        patience = self.options.patience
        if patience is not None and progress.evaluations_since_best >= patience:
            progress.stopped = True
            self.report.say(f"no better {task.best_metric} in {patience} evaluations: stopping early")

    def _conclude(self) -> dict[str, Any]:
        """Final metrics of the last and the best weights."""
        task, progress = self.task, self.state.progress
        described = task.description().items()
        result: dict[str, Any] = {}
        result |= {name: value for name, value in described if isinstance(value, (str, int, float))}
        result["updates"] = progress.update
        result["epochs"] = progress.update / self.plan.updates_per_epoch
        result["train_seconds"] = round(progress.seconds, 2)
        task.model.load_state_dict(self.state.evaluation_weights())
        result["last"] = self._final_metrics()
        self.report.final(progress.update, "last", result["last"])
        if progress.best is not None:
            result["best_update"], result["best"] = progress.best_update, result["last"]
            if progress.best_update < progress.update:
                self.folder.load_best(task.model, self.shards)
                result["best"] = self._final_metrics()
            self.report.final(progress.update, "best", result["best"])
        self.report.conclude(result, task.curves)
        return result

    def _final_metrics(self) -> dict[str, dict[str, float]]:
        splits = {"valid": self.task.valid_data, "test": self.task.test_data}
        return {split: self._evaluate(data) for split, data in splits.items() if data is not None}

    # Checkpoints.

    def _save_last(self) -> None:
        self._means()
        content = {**self.state.captured(), "log_position": self.report.log_position}
        self.folder.save(checkpoint.LAST, self.state.progress.update, content)

    def _resume(self) -> int:
        """Takes up the run in the folder, if there is one; returns where its ``metrics.jsonl`` continues."""
        if self.options.restart:
            self.folder.clear()
            return 0
        log_position = self.folder.resume(self.state)
        if log_position is None:
            return 0
        done = self.state.progress.update
        self.report.say(f"resuming from update {done} of {self.total} in {self.folder.path}")
        return log_position


def _due(count: int, every: int | None) -> bool:
    return every is not None and count % every == 0


def _better(value: float, best: float | None, higher_is_better: bool) -> bool:
    if best is None or not math.isfinite(value):
        return math.isfinite(value)
    return value > best if higher_is_better else value < best


class LossModule(nn.Module):
    """What DDP wraps. Its ``forward`` is the task's loss, so that tasks need not know about DDP."""

    def __init__(self, task: Task, shards: Shards) -> None:
        super().__init__()
        self.model = task.model
        self._loss = task.loss
        # Label codes never change and can be long, so that DDP should not send them before each update.
        codes = [name for name, module in self.named_modules() if isinstance(module, LabelCodec)]
        ignored = [
            f"{name}.{buffer}" for name in codes for buffer, _ in self.get_submodule(name).named_buffers()
        ]
        ignored += [f"model.{name}" for name in shards.rows]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, ignored)

    def forward(self, batch: Any) -> Mapping[str, Tensor]:
        return self._loss(batch)
