"""Training-step time of every output layer on the same batches: `python -m
benchmarks.translation.step_time CORPUS`.

CORPUS is one that `python -m benchmarks.translation` has prepared. All models are built in one process and
take turns batch by batch, so that other work of the machine affects all of them alike. A step is forward,
backward and Adam. Everything runs in float32, which all criterions support, or with `--autocast-bf16`, as
benchmarks.translation trains.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness.names import TIED_SOFTMAX
from benchmarks.harness.process import KEEP_MEMORY, USER_DIR
from benchmarks.harness.results import OUTPUT_LAYER, Row, markdown_table, write_json
from benchmarks.translation.corpora import (
    CORPORA,
    add_prepared_corpus,
    prepared_folder,
    results_of,
    step_times_file,
    train_options,
)
from benchmarks.translation.heads import data_of, make_ordered_folder


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation.step_time", description=__doc__.split("\n")[0]
    )
    add_prepared_corpus(parser)
    # fmt: off
    add = parser.add_argument
    add("--steps", type=int, default=20, metavar="N", help="default: %(default)s")
    add("--threads", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--autocast-bf16", action="store_true", help="for output layers whose criterions support it")
    add("--results", type=Path, default=None, metavar="FILE",
        help="default: docs/results/CORPUS-step-time.json, or -step-time-bf16.json")
    # fmt: on
    options = parser.parse_args()
    if not _memory_kept():
        # glibc reads the variable when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **KEEP_MEMORY})
    options.data = options.data or prepared_folder(options.corpus)
    if any(data_of(name, options.data) != options.data for name in options.only):
        make_ordered_folder(options.data.resolve(), Path(f"runs/{options.corpus}/order.log"))
    torch.set_num_threads(options.threads)
    rows = measure(options)
    results = step_times_file(results_of(options.corpus), bf16=options.autocast_bf16)
    write_json(options.results or results, rows)
    print(table(rows))


def _memory_kept() -> bool:
    return os.environ.items() >= KEEP_MEMORY.items()


def measure(options: argparse.Namespace) -> list[Row]:
    """A row for each output layer: milliseconds of processor time per step, whole and of the head alone."""
    trainers = {name: _Trainer(name, options) for name in options.only}
    # Folders in different orders hold the same sentences in the same batches, by other numbers.
    batches = {trainer.data: _batches(trainer, options) for trainer in reversed(trainers.values())}
    for number in range(min(map(len, batches.values()))):
        for trainer in trainers.values():
            trainer.step(batches[trainer.data][number])
    return [trainer.row() for trainer in trainers.values()]


class _Trainer:
    """One model and the times of its steps."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        from fairseq import options as fairseq_options
        from fairseq import tasks

        corpus, data = CORPORA[options.corpus], options.data.resolve()
        flags = train_options(corpus, name, data, updates=1000, bf16=options.autocast_bf16)
        self.data = data_of(name, data)
        command = [str(self.data), "--user-dir", str(USER_DIR), "--cpu", *flags]
        parser = fairseq_options.get_training_parser()
        args = fairseq_options.parse_args_and_arch(parser, command)
        self.name = name
        # Not all criterions support it.
        self.bf16 = "--autocast-bf16" in flags
        # The adaptive softmax has none.
        self.smoothing: float = getattr(args, "label_smoothing", 0.0)
        self.max_tokens = args.max_tokens
        self.task = tasks.setup_task(args)
        self.model = self.task.build_model(args).train()
        self.criterion = self.task.build_criterion(args)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        self.steps: list[float] = []
        self.heads: list[float] = []
        self.trained: list[int] = []

    def step(self, batch: dict[str, Any]) -> None:
        """One update; the head's forward and backward passes are then timed once more by themselves.

        The parameters that have a gradient after these passes are those that the output layer trains.
        """
        started = time.process_time()
        loss, sample_size, _ = self.criterion(self.model, batch)
        (loss / sample_size).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps.append(time.process_time() - started)
        with torch.no_grad():
            features, _ = self.model(**batch["net_input"], features_only=True)
        features.requires_grad_()
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = self._output_loss(features, batch["target"])
        loss.backward()
        self.heads.append(time.process_time() - started)
        gradients = (parameter.grad for parameter in self.model.parameters())
        self.trained.append(sum(int(grad.count_nonzero()) for grad in gradients if grad is not None))
        self.optimizer.zero_grad()

    def _output_loss(self, features: Tensor, target: Tensor) -> Tensor:
        decoder = self.model.decoder
        padding = self.task.target_dictionary.pad()
        if hasattr(decoder, "head"):
            return decoder.head.total(features, target, 1 - self.smoothing, self._smoothing_share()).loss
        if decoder.adaptive_softmax is None:
            from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

            log_probs = F.log_softmax(decoder.output_layer(features).float(), -1)
            return label_smoothed_nll_loss(
                log_probs.flatten(0, 1), target.flatten(), self.smoothing, ignore_index=padding
            )[0]
        logits, targets = decoder.adaptive_softmax(features, target.flatten())
        pairs = [pair for pair in zip(logits, targets, strict=True) if pair[1] is not None]
        losses = [F.cross_entropy(*pair, ignore_index=padding, reduction="sum") for pair in pairs]
        return torch.stack(losses).sum()

    def _smoothing_share(self) -> float:
        return self.smoothing / (len(self.task.target_dictionary) - 1)

    def row(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "labels": len(self.task.target_dictionary),
            # The first steps allocate.
            "step_ms": 1000 * statistics.median(self.steps[2:] or self.steps),
            "head_ms": 1000 * statistics.median(self.heads[2:] or self.heads),
            "trained_parameters": round(statistics.mean(self.trained)),
            "memory_kept": _memory_kept(),
        }


def _batches(trainer: _Trainer, options: argparse.Namespace) -> list[dict[str, Any]]:
    trainer.task.load_dataset("train")
    iterator = trainer.task.get_batch_iterator(
        trainer.task.dataset("train"), max_tokens=trainer.max_tokens, seed=1
    ).next_epoch_itr(shuffle=True)
    return [batch for batch, _ in zip(iterator, range(options.steps), strict=False)]


def table(rows: list[Row]) -> str:
    """A pipe table, with ratios to the tied full softmax in parentheses if that was measured too."""
    base = next((row for row in rows if row["name"] == TIED_SOFTMAX), None)

    def cell(key: str, shown: str) -> Callable[[Row], str]:
        return lambda row: shown.format(row[key]) + (f" ({row[key] / base[key]:.2f}×)" if base else "")

    return markdown_table(
        rows,
        [
            OUTPUT_LAYER,
            ("step, ms", cell("step_ms", "{:.0f}")),
            ("output layer alone, ms", cell("head_ms", "{:.1f}")),
            ("parameters with a gradient", cell("trained_parameters", "{:,}")),
        ],
    )


if __name__ == "__main__":
    main()
