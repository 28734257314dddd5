"""Image classification with every output layer: `python -m benchmarks.image NAME`.

NAME is one of the comparisons below. `python -m vision_xmc.image` trains each output layer, and its row is
added to the results file (.jsonl), from which a table and the commands are made. Finished work is not
repeated, and an interrupted training is resumed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from benchmarks.harness.names import in_words
from benchmarks.harness.pages import publish
from benchmarks.harness.process import CommandError
from benchmarks.harness.recipe import recipe, script
from benchmarks.harness.results import (
    OUTPUT_LAYER,
    Column,
    Row,
    markdown_table,
    measured_with,
    read_rows,
)
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import chosen, in_turn, keep, new_parser, run_once, surroundings

# The sampling rows were measured with the blocks of the targets, as in the paper.
BLOCKS = "--positives block --sample-unit block"
HUNDRED = {
    "onehot": "--head onehot",
    "product-10-10": "--head product --radices 10 10",
    "product-5-20": "--head product --radices 5 20",
    "product-4-5-5": "--head product --radices 4 5 5",
    "cascade-table-10-10": "--head cascade --radices 10 10",
    "cascade-table-5-20": "--head cascade --radices 5 20",
    "cascade-table-4-5-5": "--head cascade --radices 4 5 5",
    "sampling-10-10": f"--head sampling --radices 10 10 --sample-fraction 0.3 {BLOCKS}",
    "sampling-5-20": f"--head sampling --radices 5 20 --sample-fraction 0.6 {BLOCKS}",
}
THREE_DIGITS = {
    "onehot": "--head onehot",
    "product-32-32": "--head product --radices 32 32",
    "product-10-10-10": "--head product --radices 10 10 10",
    "product-32-32-8-groups": "--head product --radices 32 32 --groups 8",
    "cascade-table-32-32": "--head cascade --radices 32 32",
    "cascade-digit-32-32": "--head cascade --radices 32 32 --conditioning digit",
    "sampling-32-32": f"--head sampling --radices 32 32 --sample-fraction 0.1 {BLOCKS}",
}
THOUSAND = {
    "onehot": "--head onehot",
    "product-40-25": "--head product --radices 40 25",
    "cascade-table-40-25": "--head cascade --radices 40 25",
    "sampling-40-25": f"--head sampling --radices 40 25 --sample-fraction 0.25 {BLOCKS}",
}


@dataclass(frozen=True)
class Comparison:
    """One data set and recipe with several heads; the trainings share `options`."""

    title: str
    options: str
    heads: dict[str, str]

    @property
    def needs_data(self) -> bool:
        return "--dataset digits" not in self.options


COMPARISONS = {
    "digits": Comparison(
        "Two handwritten digits side by side: 100 classes", "--dataset digits --epochs 8", HUNDRED
    ),
    "digits-1000": Comparison(
        "Three handwritten digits side by side: 1,000 classes",
        "--dataset digits --digits 3 --digits-size 40000 --epochs 8 --optimizer adamw --lr 0.005 "
        "--weight-decay 0.01 --precision bf16",
        THREE_DIGITS,
    ),
    "cifar100-short": Comparison(
        "CIFAR-100, a small network and a few epochs",
        "--dataset cifar100 --arch resnet8 --epochs 6 --batch-size 128 --lr 0.1 --validation 0 "
        "--precision bf16 --eval-epochs 3 --save-steps 100",
        HUNDRED,
    ),
    "cifar100": Comparison(
        "CIFAR-100, ResNet-18, 200 epochs",
        "--dataset cifar100 --arch resnet18 --epochs 200 --batch-size 256 --lr 0.1 --weight-decay 5e-4 "
        "--nesterov --validation 0 --precision bf16 --num-workers 4",
        HUNDRED,
    ),
    "imagenet": Comparison(
        "ImageNet, ResNet-50, 100 epochs",
        "--dataset folder --arch resnet50 --epochs 100 --batch-size 256 --lr 0.1 --weight-decay 1e-4 "
        "--nesterov --warmup-epochs 5 --validation 0 --precision bf16 --num-workers 8",
        THOUSAND,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return guarded("benchmarks.image", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("benchmarks.image", __doc__, "output layers", "NAME")
    # fmt: off
    add = parser.add_argument
    add("name", choices=list(COMPARISONS), metavar="NAME", help=f"one of {', '.join(COMPARISONS)}")
    add("--data-path", type=Path, metavar="DIR", help="folder of the data set, for comparisons that need one")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--jobs", type=int, default=1, metavar="N", help="trainings at a time (default: %(default)s)")
    add("--processes", type=int, default=1, metavar="N",
        help="processes of a training, started by torchrun, one per GPU (default: %(default)s)")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    comparison = COMPARISONS[options.name]
    names = chosen(options.only, comparison.heads, "output layers")
    if comparison.needs_data and options.data_path is None:
        raise CommandError(f"{options.name} needs --data-path")
    results = options.results or Path("docs/results") / f"{options.name}.jsonl"
    lock = Lock()

    def one(name: str) -> None:
        row = _train(options, name, train_command(options, name))
        with lock:
            keep(row, results)
            write_report(results, options.name)
            print(f"{in_words(name)}: test top-1 {100 * row['top1']:.2f}%", flush=True)

    in_turn(names, one, options.jobs)


def train_command(options: argparse.Namespace, name: str) -> list[str]:
    """The command that trains one output layer."""
    launcher = ["-m"]
    if options.processes > 1:
        launcher = [
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc_per_node={options.processes}",
            "-m",
        ]
    comparison = COMPARISONS[options.name]
    data = ["--data-path", str(options.data_path.resolve())] if options.data_path else []
    return [
        sys.executable, *launcher, "vision_xmc.image", *comparison.heads[name].split(),
        *comparison.options.split(), *data, "--seed", str(options.seed), *options.more.split(),
        "--no-progress", "--output", str(_folder(options, name)),
    ]  # fmt: skip


def _folder(options: argparse.Namespace, name: str) -> Path:
    runs = options.runs or Path("runs") / options.name
    return (runs / name).resolve()


def _train(options: argparse.Namespace, name: str, command: list[str]) -> Row:
    """Trains, resumes, or does nothing if the training is finished; returns the row of results."""
    folder = _folder(options, name)
    run_once([command], folder, options.threads)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    # A validation set chooses the weights; without one the last ones count.
    weights = "best" if "best" in result else "last"
    return {
        "name": name,
        "seed": options.seed,
        "threads": options.threads,
        "head": result["head"],
        "head_parameters": result["head_parameters"],
        "parameters": result["parameters"],
        "epochs": result["epochs"],
        "updates": result["updates"],
        "train_seconds": result["train_seconds"],
        "weights": weights,
        **result[weights]["test"],
        **recipe([command]),
        **surroundings("torch", "transformers", "accelerate"),
    }


def _percent(key: str) -> Callable[[Row], str]:
    return lambda row: f"{100 * row[key]:.2f}" if key in row else "–"


def _digits(row: Row) -> str:
    rates = [row[f"digit{place}"] for place in range(1, 4) if f"digit{place}" in row]
    return " / ".join(f"{100 * value:.2f}" for value in rates) or "–"


COLUMNS: list[Column] = [
    OUTPUT_LAYER,
    ("its parameters", lambda row: f"{row['head_parameters']:,}"),
    ("top-1, %", _percent("top1")),
    ("top-5, %", _percent("top5")),
    ("digits, %", _digits),
    ("nll, nats", lambda row: f"{row['nll']:.3f}"),
]


def write_report(results: Path, name: str) -> None:
    """Writes the table and the commands of a results file."""
    titled = [(in_words(row["name"]), row) for row in _ordered(results, name)]
    publish(results, tables(results, name), script(titled))


def tables(results: Path, name: str) -> dict[str, str]:
    """The table of a results file, its rows in the order of the comparison."""
    rows = _ordered(results, name)
    seeds = ", ".join(str(seed) for seed in dict.fromkeys(row["seed"] for row in rows))
    setting = f"{rows[-1]['epochs']:g} epochs; seeds: {seeds}. {measured_with(rows)}"
    return {results.stem: f"{markdown_table(rows, COLUMNS)}\n\n{setting}"}


def _ordered(results: Path, name: str) -> list[Row]:
    order = list(COMPARISONS[name].heads)
    return sorted(read_rows(results), key=lambda row: (order.index(row["name"]), row["seed"]))


if __name__ == "__main__":
    sys.exit(main())
