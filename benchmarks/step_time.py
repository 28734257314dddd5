"""Training-step time of every output layer on the same batches: `python -m benchmarks.step_time DATA`.

DATA is a fairseq data folder. All models are built in one process and take turns, batch by batch, so that
whatever else the machine does falls on all of them alike; a step is forward, backward and Adam.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from .heads import HEADS, head_options
from .process import USER_DIR
from .results import markdown_table
from .runner import write_json

BASELINE = "onehot-tied"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.step_time", description=__doc__.split("\n")[0]
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--max-tokens", type=int, default=1200, metavar="N", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--arch", default="transformer_mhe_small", help="default: %(default)s")
    parser.add_argument(
        "--results", type=Path, default=Path("docs/results/step-time.json"), metavar="FILE",
        help="default: %(default)s",
    )  # fmt: skip
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = measure(options)
    write_json(options.results, rows)
    print(table(rows))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each output layer: milliseconds of processor time a step, of all and of the head alone."""
    trainers = {name: _Trainer(name, head_options(name, options.data), options) for name in HEADS}
    for batch in _batches(next(iter(trainers.values())), options):
        for trainer in trainers.values():
            trainer.step(batch)
    return [trainer.row() for trainer in trainers.values()]


class _Trainer:
    """One model and what its steps took."""

    def __init__(self, name: str, flags: tuple[str, ...], options: argparse.Namespace) -> None:
        from fairseq import options as fairseq_options
        from fairseq import tasks

        command = [
            str(options.data), "--user-dir", str(USER_DIR), "--arch", options.arch, "--criterion", "mhe_ce",
            "--label-smoothing", "0.1", "--dropout", "0.1", "--max-tokens", str(options.max_tokens), "--cpu",
            *flags,
        ]  # fmt: skip
        parser = fairseq_options.get_training_parser()
        args = fairseq_options.parse_args_and_arch(parser, command)
        self.name = name
        self.task = tasks.setup_task(args)
        self.model = self.task.build_model(args).train()
        self.criterion = self.task.build_criterion(args)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        self.head_seconds = 0.0
        self.steps: list[float] = []
        self.heads: list[float] = []

    def step(self, batch: dict[str, Any]) -> None:
        """One update; the head's forward and backward passes are timed once more by themselves."""
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
        nll, smooth = self.model.decoder.head(features, batch["target"])
        (nll.sum() + 1e-5 * smooth.sum()).backward()
        self.heads.append(time.process_time() - started)
        self.optimizer.zero_grad()

    def row(self) -> dict[str, Any]:
        head = self.model.decoder.head
        return {
            "name": self.name,
            "labels": head.num_labels,
            # The first steps allocate.
            "step_ms": 1000 * statistics.median(self.steps[2:] or self.steps),
            "head_ms": 1000 * statistics.median(self.heads[2:] or self.heads),
        }


def _batches(trainer: _Trainer, options: argparse.Namespace) -> list[dict[str, Any]]:
    trainer.task.load_dataset("train")
    iterator = trainer.task.get_batch_iterator(
        trainer.task.dataset("train"), max_tokens=options.max_tokens, seed=1
    ).next_epoch_itr(shuffle=True)
    return [batch for batch, _ in zip(iterator, range(options.steps), strict=False)]


def table(rows: list[dict[str, Any]]) -> str:
    """A pipe table, with ratios to the tied full softmax."""
    base = next(row for row in rows if row["name"] == BASELINE)
    return markdown_table(
        rows,
        [
            ("output layer", lambda row: row["name"]),
            ("step, ms", lambda row: f"{row['step_ms']:.0f}"),
            ("of the full softmax's", lambda row: f"{row['step_ms'] / base['step_ms']:.2f}"),
            ("output layer alone, ms", lambda row: f"{row['head_ms']:.1f}"),
            ("of the full softmax's ", lambda row: f"{row['head_ms'] / base['head_ms']:.2f}"),
        ],
    )


if __name__ == "__main__":
    main()
