"""Milliseconds of processor time of a training step: `python -m examples.demo.step_time TRAININGS RESULT`.

TRAININGS is a JSON file with the options of fairseq-train by the names of the output layers; RESULT gets the
times by the same names. All models are in one process and take turns with the same batches, so that
other work on the machine slows all of them alike. A step is fairseq's own: forward, backward, clipping and
Adam.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.harness.results import write_whole

STEPS = 14
WARMUP = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo.step_time", description=__doc__.split("\n")[0]
    )
    parser.add_argument("trainings", type=Path, help="JSON: options of fairseq-train by name")
    parser.add_argument("result", type=Path, help="JSON: milliseconds by name")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    trainings = json.loads(options.trainings.read_text(encoding="utf-8"))
    write_whole(options.result, json.dumps(measure(trainings, options.steps), indent=1) + "\n")


def measure(trainings: dict[str, list[str]], steps: int = STEPS) -> dict[str, float]:
    """The median of each training's steps, after some that warm up where there are enough."""
    trainers = {name: new_trainer(arguments) for name, arguments in trainings.items()}
    times: dict[str, list[float]] = {name: [] for name in trainers}
    # Folders in different orders hold the same sentences in the same batches, by other numbers.
    folders = {name: arguments[0] for name, arguments in trainings.items()}
    batches = {folders[name]: some_batches(trainers[name], steps) for name in reversed(trainers)}
    for number in range(steps):
        for name, trainer in trainers.items():
            batch = batches[folders[name]][number]
            started = time.process_time()
            trainer.train_step([batch])
            times[name].append(1000 * (time.process_time() - started))
    return {name: statistics.median(taken[WARMUP:] or taken) for name, taken in times.items()}


def some_batches(trainer: Any, number: int) -> list[Any]:
    """The first batches of a training; a short text is repeated until there are enough."""
    batches: list[Any] = []
    iterator = trainer.get_train_iterator(epoch=1)
    while len(batches) < number:
        batches += islice(iterator.next_epoch_itr(shuffle=True), number - len(batches))
    return batches


def new_trainer(arguments: list[str]) -> Any:
    """fairseq's trainer for these options of fairseq-train, on the CPU, with the model as it is at first."""
    from fairseq import options, tasks, utils
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from fairseq.trainer import Trainer

    parser = options.get_training_parser()
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, [*arguments, "--cpu"]))
    task = tasks.setup_task(cfg.task)
    task.load_dataset("train")
    utils.set_torch_seed(cfg.common.seed)
    return Trainer(cfg, task, task.build_model(cfg.model), task.build_criterion(cfg.criterion))


if __name__ == "__main__":
    sys.exit(main())
