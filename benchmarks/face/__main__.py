"""Sampled and full margin classifiers on Labelled Faces in the Wild: `python -m benchmarks.face LFW_DIR`.

LFW_DIR holds `pairs.txt` (view 2) and the pictures, `lfw112/PERSON/PERSON_0001.png`. `python -m
vision_xmc.face train` trains each classifier on everybody who is not in the pairs of `--folds`, and its
last weights are verified on these folds, which choose nothing. A row for each training is added to the
results file (.jsonl), from which tables, commands and a plot are made. Finished work is not repeated, and
an interrupted training is resumed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.face.memory import Plan
from benchmarks.face.report import write_report
from benchmarks.harness.names import in_words
from benchmarks.harness.process import CommandError
from benchmarks.harness.recipe import recipe
from benchmarks.harness.results import Row, write_whole
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import chosen, folder_of, in_turn, keep, new_parser, run_once, surroundings
from vision_xmc.common.errors import UsageError
from vision_xmc.engine.metrics_log import read as read_metrics
from vision_xmc.face.data.pairs import pairs_of_folds, read_pairs
from vision_xmc.face.data.validation import people_in

#: The options that all trainings share: 1,660 updates on LFW, about three minutes on one CPU thread.
RECIPE = "@small"
CLASSIFIERS = {
    "arcface": "--margin arcface",
    "arcface-sampling-50-percent": "--margin arcface --head sampling --sample-fraction 0.5",
    "arcface-sampling-25-percent": "--margin arcface --head sampling --sample-fraction 0.25",
    "arcface-sampling-10-percent": "--margin arcface --head sampling --sample-fraction 0.1",
    "cosface": "--margin cosface",
    "cosface-sampling-25-percent": "--margin cosface --head sampling --sample-fraction 0.25",
}
FAR = "0.01"
PICTURES, PAIRS = "lfw112", "pairs.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return guarded("benchmarks.face", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("benchmarks.face", __doc__, "classifiers", "lfw")
    # fmt: off
    add = parser.add_argument
    add("folder", type=Path, metavar="LFW_DIR", help=f"with {PICTURES}/ and {PAIRS}")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    add("--folds", type=int, nargs="+", default=[9, 10], metavar="N",
        help="folds to verify on, whose people are not trained on; at least two (default: 9 10)")
    add("--jobs", type=int, default=1, metavar="N", help="trainings at a time (default: %(default)s)")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    names = chosen(options.only, CLASSIFIERS, "classifiers")
    options.folder = options.folder.resolve()
    options.runs = (options.runs or Path("runs/lfw")).resolve()
    results = options.results or Path("docs/results/lfw.jsonl")
    _write_left_out(options)
    lock = Lock()

    def one(which: tuple[int, str]) -> None:
        seed, name = which
        row = _measured(options, name, seed)
        with lock:
            keep(row, results)
            write_report(results, list(CLASSIFIERS))
            print(f"{in_words(name)}, seed {seed}: accuracy {100 * row['accuracy']:.2f}%", flush=True)

    # All classifiers with one seed first, so that an interrupted comparison still is a comparison.
    in_turn([(seed, name) for seed in options.seeds for name in names], one, options.jobs)


def _left_out(options: argparse.Namespace) -> Path:
    return options.runs / f"people-of-folds-{'-'.join(map(str, options.folds))}.txt"


def _write_left_out(options: argparse.Namespace) -> None:
    """The names of the people in the pairs of `--folds`, for the training's `--leave-out`."""
    source, pictures = options.folder / PAIRS, options.folder / PICTURES
    try:
        pairs = pairs_of_folds(read_pairs(source, pictures, "LFW_DIR"), options.folds, source, "--folds")
    except UsageError as error:
        raise CommandError(str(error)) from error
    write_whole(_left_out(options), "".join(f"{name}\n" for name in sorted(people_in(pairs, [pictures]))))


def commands(options: argparse.Namespace, name: str, seed: int) -> list[list[str]]:
    """The training of a classifier, its verification, and that on all pairs of the same people's pictures."""
    folder = _folder(options, name, seed)
    program = [sys.executable, "-m", "vision_xmc.face"]
    pictures = str(options.folder / PICTURES)
    train = [
        *program, "train", RECIPE, "--data-path", pictures, "--leave-out", str(_left_out(options)),
        *CLASSIFIERS[name].split(), *options.more.split(),
        "--seed", str(seed), "--no-progress", "--output", str(folder),
    ]  # fmt: skip
    verify = [
        *program, "verify", "--checkpoint", str(folder / "last.pt"), "--pairs", str(options.folder / PAIRS),
        "--images", pictures, "--folds", *map(str, options.folds), "--far", FAR,
    ]  # fmt: skip
    all_pairs = [
        sys.executable, "-m", "benchmarks.face.all_pairs", "--checkpoint", str(folder / "last.pt"),
        "--images", pictures, "--people", str(_left_out(options)),
    ]  # fmt: skip
    return [train, verify, all_pairs]


def _folder(options: argparse.Namespace, name: str, seed: int) -> Path:
    return options.runs / f"{folder_of(name)}-seed{seed}"


def _measured(options: argparse.Namespace, name: str, seed: int) -> Row:
    """Runs what is not done yet and returns the row of results."""
    folder, lines = _folder(options, name, seed), commands(options, name, seed)
    verified = folder / "verified.jsonl"
    printed: list[str] = []

    def catch(line: str) -> None:
        if line.startswith("{"):
            printed.append(line.rstrip("\n") + "\n")
            write_whole(verified, "".join(printed))

    run_once(lines, folder, options.threads, on_line=catch)
    on_folds, beyond = map(json.loads, verified.read_text(encoding="utf-8").splitlines())
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    trained = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    fraction = used_fraction(read_metrics(folder / "metrics.jsonl"))
    plan = Plan(result["people"], trained["embedding"], 1, trained["batch_size"], fraction)
    return {
        "name": name,
        "seed": seed,
        "threads": options.threads,
        "people": result["people"],
        "updates": result["updates"],
        "epochs": result["epochs"],
        "accuracy": on_folds["accuracy"],
        "fold_standard_error": on_folds["standard_error"],
        "folds": on_folds["folds"],
        "pairs": on_folds["pairs"],
        "tar": on_folds["tar_at_far"][FAR],
        "all_pairs": beyond,
        "used_fraction": fraction,
        "classifier_bytes": plan.peak,
        "train_seconds": result["train_seconds"],
        **recipe(lines),
        **surroundings("torch", "accelerate"),
    }


def used_fraction(records: Sequence[dict[str, Any]]) -> float:
    """Share of the classes that an update was trained against, on average; 1 for the full classifier."""
    total, before = 0.0, 0
    for record in records:
        if record["kind"] == "train":
            # A record is the mean over the updates since the one before it.
            total += record.get("used_fraction", 1.0) * (record["update"] - before)
            before = record["update"]
    return total / before


if __name__ == "__main__":
    sys.exit(main())
