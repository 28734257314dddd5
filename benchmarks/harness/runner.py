"""One translation experiment from end to end with fairseq's own commands: train, translate, score, count.

Every step leaves a record in the experiment's folder and is skipped if its command is the recorded one; an
interrupted training resumes from fairseq's last checkpoint.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness.process import KEEP_MEMORY, USER_DIR, CommandError, run_logged, shown, tool
from benchmarks.harness.recipe import recipe
from benchmarks.harness.results import write_json
from benchmarks.harness.train_log import TrainLog

_SPEED = re.compile(r"Translated [\d,]+ sentences .*\(([\d.]+) sentences/s")

# These may change between two calls of one training: they say how long it runs, not what it is.
_EXTENDABLE = ("--max-epoch", "--max-update", "--log-interval", "--num-workers")


@dataclass(frozen=True)
class Experiment:
    """A training and how its test set is translated. `train_options` are fairseq-train's, without paths."""

    name: str
    data: Path
    folder: Path
    train_options: tuple[str, ...]
    generate_options: tuple[str, ...] = ("--beam", "5", "--max-tokens", "4000")
    length_penalties: tuple[float, ...] = (1.0,)
    subset: str = "test"
    seed: int = 1
    threads: int = 1

    @property
    def precision(self) -> str:
        return "bfloat16" if "--autocast-bf16" in self.train_options else "float32"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint_best.pt"

    @property
    def train_log(self) -> Path:
        return self.folder / "train.log"

    def translation(self, length_penalty: float) -> Path:
        """The folder of one translation of the test set."""
        return self.folder / f"{self.subset}-lenpen{length_penalty:g}"

    def translated(self, length_penalty: float) -> Path:
        """fairseq-generate's results file."""
        return self.translation(length_penalty) / f"generate-{self.subset}.txt"

    def train_command(self) -> list[str]:
        return [
            tool("fairseq-train"), *self._data_options, "--save-dir", str(self.folder), *self.train_options,
            "--seed", str(self.seed), "--no-epoch-checkpoints", "--no-progress-bar", "--log-format", "json",
        ]  # fmt: skip

    def generate_command(self, length_penalty: float) -> list[str]:
        return [
            tool("fairseq-generate"), *self._data_options, "--path", str(self.checkpoint),
            "--gen-subset", self.subset, *self.generate_options, "--lenpen", f"{length_penalty:g}",
            "--remove-bpe", "sentencepiece", "--results-path", str(self.translation(length_penalty)),
            "--no-progress-bar",
        ]  # fmt: skip

    def score_command(self, length_penalty: float) -> list[str]:
        return [
            sys.executable, "-m", "data_prep", "score", "--data", str(self.data), "--subset", self.subset,
            "--generate", str(self.translated(length_penalty)),
            "--json", str(self.translation(length_penalty) / "score.json"),
        ]  # fmt: skip

    @property
    def _data_options(self) -> list[str]:
        return [str(self.data), "--user-dir", str(USER_DIR)]

    def commands(self) -> list[list[str]]:
        """All commands of the experiment, in order."""
        after = [
            (self.generate_command(penalty), self.score_command(penalty)) for penalty in self.length_penalties
        ]
        return [self.train_command(), *(command for pair in after for command in pair)]


Announce = Callable[[list[str]], None]


def run(
    experiment: Experiment,
    announce: Announce = lambda command: None,
    on_train_line: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Runs the steps of the experiment that are not done yet and returns its row of results.

    `announce` sees each command before it runs, `on_train_line` each line that the training prints. Raises
    CommandError with a sentence for the user.
    """
    train(experiment, announce, on_train_line)
    row: dict[str, Any] = {"name": experiment.name, "seed": experiment.seed, "threads": experiment.threads}
    try:
        row |= TrainLog.read(experiment.train_log).figures()
    except (ValueError, KeyError, OSError) as error:
        raise CommandError(f"the training log does not say how the training went: {error}") from error
    row |= count_parameters(experiment)
    row["scores"] = [score(experiment, penalty, announce) for penalty in experiment.length_penalties]
    row |= recipe(
        experiment.commands(), updates=row["updates"], seed=experiment.seed, precision=experiment.precision
    )
    return row | {"versions": versions(), "processor": processor_name()}


def train(
    experiment: Experiment,
    announce: Announce = lambda command: None,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Trains, resumes an interrupted training, or does nothing if the training is finished."""
    command = experiment.train_command()
    started = _read(experiment.folder / "started.json")
    if started and _lasting(started["command"]) != _lasting(_plain(command)):
        then, now = _differences(_lasting(started["command"]), _lasting(_plain(command)))
        raise CommandError(
            f"{shown([str(experiment.folder)])} holds a training with other options (then: {then}; now: "
            f"{now}); use another folder, or delete this one"
        )
    finished = _read(experiment.folder / "finished.json")
    if finished and finished["command"] == _plain(command) and experiment.checkpoint.exists():
        return
    write_json(experiment.folder / "started.json", {"command": _plain(command)})
    announce(command)
    run_logged(
        command, experiment.train_log, threads=experiment.threads, on_line=on_line, environment=KEEP_MEMORY
    )
    if not experiment.checkpoint.exists():
        raise CommandError(
            f"the training wrote no {shown([str(experiment.checkpoint)])}; see {experiment.train_log}"
        )
    write_json(experiment.folder / "finished.json", {"command": _plain(command)})


def score(
    experiment: Experiment, length_penalty: float, announce: Announce = lambda command: None
) -> dict[str, Any]:
    """Translates the test set and scores it: BLEU, chrF++, their signatures, and sentences per second."""
    folder = experiment.translation(length_penalty)
    generate = experiment.generate_command(length_penalty)
    made_by = {"command": _plain(generate), "checkpoint": _identity(experiment.checkpoint)}
    record = _read(folder / "generated.json")
    if not record or record["made_by"] != made_by:
        (folder / "score.json").unlink(missing_ok=True)
        log = folder / "generate.log"
        log.unlink(missing_ok=True)
        announce(generate)
        run_logged(generate, log, threads=experiment.threads)
        # fairseq ends the results file with its summary.
        summary = experiment.translated(length_penalty).read_text("utf-8") + log.read_text("utf-8")
        speed = _SPEED.search(summary)
        record = {"made_by": made_by, "sentences_per_second": float(speed[1]) if speed else None}
        write_json(folder / "generated.json", record)
    if not (folder / "score.json").exists():
        command = experiment.score_command(length_penalty)
        announce(command)
        run_logged(command, folder / "score.log", threads=experiment.threads)
    scores = _read(folder / "score.json")
    if not scores:
        raise CommandError(f"data_prep score left no result in {shown([str(folder / 'score.json')])}")
    return {
        "lenpen": length_penalty,
        "bleu": scores["bleu"]["score"],
        "chrf++": scores["chrf++"]["score"],
        "bleu_signature": scores["bleu"]["signature"],
        "chrf++_signature": scores["chrf++"]["signature"],
        "sentences_per_second": record["sentences_per_second"],
    }


def count_parameters(experiment: Experiment) -> dict[str, Any]:
    """The number of the head's own parameters, of its shared ones, and of the whole model's."""
    path, identity = experiment.folder / "parameters.json", _identity(experiment.checkpoint)
    record = _read(path)
    if not record or record["checkpoint"] != identity:
        printed: list[str] = []
        command = [sys.executable, "-m", "benchmarks.harness.parameters", str(experiment.checkpoint)]
        run_logged(command, path.with_suffix(".log"), on_line=printed.append)
        counts = json.loads(next(line for line in reversed(printed) if line.startswith("{")))
        record = {"checkpoint": identity, "counts": counts}
        write_json(path, record)
    return record["counts"]


def versions() -> dict[str, str]:
    """Of Python and of the packages that the figures depend on."""
    numbers = {"python": platform.python_version()}
    for package in ("torch", "fairseq-fixed", "fairseq", "sentencepiece", "sacrebleu"):
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:
            continue
    return numbers


def _read(path: Path) -> dict[str, Any] | None:
    """A record, or None if the file is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None


def _plain(command: list[str]) -> list[str]:
    """The command with its program's bare name, so that it stays the same if the environment moves."""
    return [Path(command[0]).name, *command[1:]]


def _lasting(command: list[str]) -> list[str]:
    """The command's options, each with its values, except for those that may change."""
    options: list[list[str]] = [[]]
    for part in command:
        if part.startswith("--"):
            options.append([])
        options[-1].append(part)
    return [shown(option) for option in options if option and option[0] not in _EXTENDABLE]


def _differences(before: list[str], now: list[str]) -> tuple[str, str]:
    only_before, only_now = ([part for part in a if part not in b] for a, b in ((before, now), (now, before)))
    return " ".join(only_before) or "-", " ".join(only_now) or "-"


def _identity(checkpoint: Path) -> list[int]:
    status = checkpoint.stat()
    return [status.st_size, status.st_mtime_ns]


def processor_name() -> str:
    """The GPU where there is one, else the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return cpu_name()


def cpu_name() -> str:
    """The processor's model and its number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"
