"""The options of the training loop, which all trainers share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mhe_nmt.options import flag_of, option
from vision_xmc.common.errors import require


@dataclass(frozen=True)
class LoopOptions:
    """Training."""

    # fmt: off
    output: Path = option(Path("runs/run"), "folder of checkpoints, metrics and plots; a run that is already "
        "there is resumed", aliases=["--save-path"], metavar="DIR", may_change=True)
    restart: bool = option(False, "start from the beginning, even if there is a run in --output",
        may_change=True)
    epochs: int = option(200, "passes over the training set", metavar="N", may_change=True)
    max_steps: int | None = option(None, "stop after N updates, if that is before the last epoch",
        metavar="N", may_change=True)
    batch_size: int = option(256, "examples per update, over all processes and micro-batches", aliases=["-b"],
        metavar="N")
    accumulate: int = option(1, "number of micro-batches into which a process cuts its part of a batch, to "
        "save memory", metavar="N", may_change=True)
    drop_last: bool = option(False, "leave out the last, smaller batch of an epoch")
    optimizer: Literal["sgd", "adamw"] = option("sgd", "optimizer")
    lr: float = option(0.1, "peak learning rate", aliases=["--learning-rate"], metavar="X")
    momentum: float = option(0.9, "sgd: momentum", metavar="X")
    nesterov: bool = option(False, "Nesterov's momentum for sgd")
    betas: tuple[float, ...] = option((0.9, 0.999), "adamw: decay rates of the two moments", metavar="X")
    weight_decay: float = option(5e-4, "weight decay", aliases=["--wd"], metavar="X")
    schedule: Literal["cosine", "linear", "poly", "step", "constant"] = option("cosine",
        "how the learning rate falls")
    warmup_epochs: float = option(0.0, "epochs over which the learning rate rises to its peak", metavar="X")
    min_lr: float = option(0.0, "learning rate at which cosine, linear and poly end",
        aliases=["--eta-min"], metavar="X")
    poly_power: float = option(2.0, "poly: exponent", metavar="X")
    milestones: tuple[float, ...] = option((0.3, 0.6, 0.9), "step: shares of the training at which it lowers "
        "the learning rate", metavar="X")
    step_decay: float = option(0.1, "step: factor of the learning rate at each milestone", metavar="X")
    clip_norm: float | None = option(None, "largest norm of the gradient of an update", metavar="X")
    precision: Literal["no", "bf16", "fp16"] = option("no", "automatic mixed precision")
    average: Literal["none", "ema", "swa"] = option("none", "average of the weights to evaluate and keep")
    ema_decay: float = option(0.9999, "ema: share of the old average that an update keeps", metavar="X")
    swa_start: float = option(0.75, "share of the training after which swa averages the weights at the "
        "end of each epoch", metavar="X")
    swa_steps: int | None = option(None, "swa: average every N updates instead of every epoch", metavar="N")
    eval_epochs: int = option(1, "evaluate every N epochs", metavar="N", may_change=True)
    eval_steps: int | None = option(None, "also evaluate every N updates", metavar="N", may_change=True)
    eval_batch_size: int | None = option(None, "examples per batch and process in evaluation (default: as "
        "--batch-size)", metavar="N", may_change=True)
    patience: int | None = option(None, "stop after N evaluations without a new best", metavar="N",
        may_change=True)
    save_steps: int | None = option(None, "also write last.pt every N updates, not only after each epoch",
        metavar="N", may_change=True)
    log_steps: int = option(50, "write a training record every N updates and after each epoch", metavar="N",
        may_change=True)
    tensorboard: bool = option(False, "also write TensorBoard events", may_change=True)
    progress: bool = option(True, "progress bar, on a terminal", may_change=True)
    seed: int = option(1, "seed of the weights, the order of the data, augmentation and sampling",
        metavar="N")
    deterministic: bool = option(True, "use repeatable algorithms on a GPU, which are somewhat slower")
    num_workers: int = option(0, "loading processes per training process",
        aliases=["--workers", "-j"], metavar="N", may_change=True)
    device: Literal["auto", "cpu"] = option("auto", "cpu does not use a GPU", may_change=True)
    # fmt: on

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "eval_epochs", "log_steps"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("max_steps", "eval_steps", "eval_batch_size", "patience", "save_steps", "swa_steps"):
            value = getattr(self, name)
            _check(name, value, value is None or value >= 1, "at least 1")
        for name in ("momentum", "weight_decay", "warmup_epochs", "min_lr", "num_workers", "seed"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        for name in ("lr", "poly_power", "step_decay"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        _check("clip_norm", self.clip_norm, self.clip_norm is None or self.clip_norm > 0, "above 0")
        _check("ema_decay", self.ema_decay, 0 < self.ema_decay < 1, "between 0 and 1")
        _check("swa_start", self.swa_start, 0 <= self.swa_start < 1, "at least 0 and below 1")
        _check("betas", self.betas, len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas),
               "two numbers from 0 to below 1")  # fmt: skip
        increasing = list(self.milestones) == sorted(self.milestones)
        _check("milestones", self.milestones, increasing and all(0 < m < 1 for m in self.milestones),
               "increasing and between 0 and 1")  # fmt: skip


def _check(name: str, value: object, good: bool, rule: str) -> None:
    require(good, f"{flag_of(name)} must be {rule}, got {value}")
