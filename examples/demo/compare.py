"""The comparison: step times first, then a training of each output layer for the same processor time."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from benchmarks.harness.process import KEEP_MEMORY, USER_DIR, run_logged, shown, stop_others
from benchmarks.harness.results import Row, write_whole
from benchmarks.harness.runner import Experiment, run, train
from benchmarks.harness.train_log import TrainLog

from .heads import HEADS
from .progress import TrainingProgress, say
from .recipe import Recipe


def measured_steps(
    names: Sequence[str], data: Path, recipe: Recipe, options: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds of processor time of a training step, by output layer; measured once for these options."""
    # The learning rate is that of some training; the time of a step does not depend on it.
    trainings = {
        name: [
            str(data), "--user-dir", str(USER_DIR), *HEADS[name].options(data),
            *recipe.train_options(1000), "--seed", str(options.seed),
        ]
        for name in names
    }  # fmt: skip
    asked, result = options.out / "step-time.trainings.json", options.out / "step-time.json"
    text = json.dumps(trainings, indent=1) + "\n"
    if not result.exists() or not asked.exists() or asked.read_text(encoding="utf-8") != text:
        result.unlink(missing_ok=True)
        write_whole(asked, text)
        command = [sys.executable, "-m", "examples.demo.step_time", str(asked), str(result)]
        say(f"$ {shown(command)}")
        run_logged(command, options.out / "step-time.log", threads=options.threads, environment=KEEP_MEMORY)
    steps: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    return steps


def experiments_of(
    names: Sequence[str], steps: dict[str, float], data: Path, recipe: Recipe, options: argparse.Namespace
) -> list[Experiment]:
    """Each output layer's training, of as many updates as fit into the processor time, and its decoding."""
    experiments = []
    for name in names:
        updates = recipe.updates(steps[name])
        limit = "as for all" if recipe.max_update else f"{recipe.seconds:g} s of processor time"
        say(f"{HEADS[name].words}: {steps[name]:.0f} ms per step, {updates:,} updates ({limit})")
        experiments.append(
            Experiment(
                name=name,
                data=data,
                folder=options.out / name,
                train_options=(*HEADS[name].options(data), *recipe.train_options(updates)),
                generate_options=("--beam", "5", "--max-tokens", "2000", *HEADS[name].decoding),
                seed=options.seed,
                threads=options.threads,
            )
        )
    return experiments


def compare(experiments: Sequence[Experiment], steps: dict[str, float], jobs: int) -> list[Row]:
    """Trains `jobs` at a time, then translates and scores one after the other, for the sake of the speeds.

    Returns:
        A row of results for each experiment, with `step_ms`, the measured time of a step, and `curve`, the
        validations: [seconds of processor time, bits per subword].
    """
    with ThreadPoolExecutor(jobs) as pool:
        trainings = [
            pool.submit(_train, position, experiment) for position, experiment in enumerate(experiments)
        ]
        try:
            for training in as_completed(trainings):
                training.result()
        except BaseException:
            # Nobody should wait minutes for the other trainings before hearing what went wrong.
            pool.shutdown(wait=False, cancel_futures=True)
            stop_others()
            raise
    rows = []
    for experiment in experiments:
        row = run(experiment, lambda command: say(f"$ {shown(command)}"))
        step = steps[experiment.name]
        valid = TrainLog.read(experiment.train_log).valid
        curve = [[record["valid_num_updates"] * step / 1000, record["valid_nll_loss"]] for record in valid]
        rows.append(row | {"step_ms": step, "curve": curve})
    return rows


def _train(position: int, experiment: Experiment) -> None:
    updates = int(experiment.train_options[experiment.train_options.index("--max-update") + 1])
    with TrainingProgress(HEADS[experiment.name].words, updates, position) as progress:
        train(experiment, lambda command: say(f"$ {shown(command)}"), progress.see)
