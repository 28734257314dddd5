"""The comparison: step times first, then a training of each output layer for the same processor time."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.harness.ordered import ordered_folder
from benchmarks.harness.process import KEEP_MEMORY, USER_DIR, run_logged, shown, stop_others
from benchmarks.harness.results import Row
from benchmarks.harness.runner import Experiment, run, train, write_json
from benchmarks.harness.train_log import TrainLog

from .heads import HEADS
from .progress import TrainingProgress, say
from .recipe import Recipe
from .step_time import STEPS


def data_of(name: str, data: Path) -> Path:
    """The folder that an output layer is trained on."""
    return ordered_folder(data) if HEADS[name].ordered else data


def measured_steps(
    names: Sequence[str], data: Path, recipe: Recipe, options: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds of processor time of a training step, by output layer.

    Each is measured once for the same options. One that comes later takes turns with one that is known, whose
    recorded time sets the scale.
    """
    # The number of updates is that of some training; the time of a step does not depend on it.
    trainings = {
        name: [
            str(data_of(name, data)),
            "--user-dir",
            str(USER_DIR),
            *HEADS[name].options,
            *recipe.train_options(1000),
        ]
        for name in names
    }
    record, result = options.out / "step-time.json", options.out / "step-time.last.json"
    known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    same = [name for name in names if name in known and known[name]["options"] == trainings[name]]
    missing = [name for name in names if name not in same]
    if missing:
        asked = options.out / "step-time.trainings.json"
        write_json(asked, {name: trainings[name] for name in (*same[:1], *missing)})
        command = [sys.executable, "-m", "examples.demo.step_time", str(asked), str(result)]
        if recipe.max_update and recipe.max_update < STEPS:
            command += ["--steps", str(recipe.max_update)]
        say(f"$ {shown(command)}")
        run_logged(command, options.out / "step-time.log", threads=options.threads, environment=KEEP_MEMORY)
        measured = json.loads(result.read_text(encoding="utf-8"))
        scale = known[same[0]]["ms"] / measured[same[0]] if same else 1.0
        new = {name: {"options": trainings[name], "ms": scale * measured[name]} for name in missing}
        known = known | new
        write_json(record, known)
    return {name: known[name]["ms"] for name in names}


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
                data=data_of(name, data),
                folder=options.out / name,
                train_options=(*HEADS[name].options, *recipe.train_options(updates)),
                generate_options=("--beam", "5", "--max-tokens", "2000", *HEADS[name].decoding),
                seed=options.seed,
                threads=options.threads,
            )
        )
    return experiments


def compare(experiments: Sequence[Experiment], steps: dict[str, float], jobs: int) -> list[Row]:
    """Trains `jobs` at a time, then translates and scores one after the other, to measure speeds fairly.

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
