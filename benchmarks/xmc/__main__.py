"""Extreme multi-label text classification against its peers: `python -m benchmarks.xmc NAME`.

NAME is one of the comparisons below. `python -m vision_xmc.xmc` trains cascades (MHC) and one-vs-all; the
package omikuji trains Parabel and Bonsai on the same TF-IDF weights, with its authors' settings. A row for
each is added to the results file (.jsonl), from which tables and commands are made. Finished work is not
repeated, and an interrupted training is resumed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.pages import publish
from benchmarks.harness.process import CommandError
from benchmarks.harness.recipe import recipe, script
from benchmarks.harness.results import Column, Row, markdown_table, measured_with, read_rows
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import chosen, folder_of, keep, new_parser, run_once, surroundings

BOW = "--encoder bow --bow-features 512"
MINILM = (
    "--encoder minilm --max-len 64 --batch-size 32 --lr 0.005 --encoder-lr 0.0001 --precision bf16 --epochs 8"
)


@dataclass(frozen=True)
class Comparison:
    """One data set; our trainings share `options`, and `models` holds the options of each."""

    title: str
    options: str
    models: dict[str, str]

    @property
    def needs_data(self) -> bool:
        return "--dataset" not in self.options


COMPARISONS = {
    "docstrings": Comparison(
        "Docstrings of Python's standard library",
        "--dataset docstrings --epochs 20",
        {
            "Parabel": "omikuji parabel",
            "Bonsai": "omikuji bonsai",
            "bag of words, one-vs-all": f"{BOW} --num-groups 0",
            "bag of words, MHC": BOW,
            "bag of words, MHC, chain rule only": f"{BOW} --candidates-topk 0",
            "bag of words, MHC, with neighbours": "neighbours bag of words, MHC",
            "neighbours alone": "neighbours bag of words, MHC --weight 1",
        },
    ),
    # Any data set, unchanged.
    "bags": Comparison(
        "Bags of words, default options",
        "",
        {
            "Parabel": "omikuji parabel",
            "Bonsai": "omikuji bonsai",
            "one-vs-all": f"{BOW} --num-groups 0",
            "MHC": BOW,
            "MHC, with neighbours": "neighbours MHC",
            "neighbours alone": "neighbours MHC --weight 1",
        },
    ),
    "tibkat": Comparison(
        "TIBKAT: subjects of library records",
        "--valid-size 2000 --term-dropout 0.4 --epochs 10",
        {
            "Parabel": "omikuji parabel",
            "Bonsai": "omikuji bonsai",
            "bag of words, one-vs-all": f"{BOW} --num-groups 0",
            "bag of words, MHC": f"{BOW} --sparse-labels",
            # More updates, because its updates are shorter.
            "bag of words, MHC, 18 epochs": f"{BOW} --sparse-labels --epochs 18",
            "bag of words, MHC, with neighbours": "neighbours bag of words, MHC",
            "bag of words, MHC, 18 epochs, with neighbours": "neighbours bag of words, MHC, 18 epochs",
            "neighbours alone": "neighbours bag of words, MHC --weight 1",
        },
    ),
    # As many documents as a CPU can fine-tune a transformer on.
    "tibkat-part": Comparison(
        "TIBKAT: the first 3,000 training documents",
        "--documents 3000 --valid-size 300",
        {
            "Parabel": "omikuji parabel",
            "Bonsai": "omikuji bonsai",
            "bag of words, MHC": f"{BOW} --term-dropout 0.4",
            "bag of words, MHC, with neighbours": "neighbours bag of words, MHC",
            "MiniLM, one-vs-all": f"{MINILM} --num-groups 0",
            "MiniLM, MHC": MINILM,
            "MiniLM, MHC, with neighbours": "neighbours MiniLM, MHC",
        },
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return guarded("benchmarks.xmc", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("benchmarks.xmc", __doc__, "models", "xmc-NAME")
    # fmt: off
    add = parser.add_argument
    add("name", choices=list(COMPARISONS), metavar="NAME", help=f"one of {', '.join(COMPARISONS)}")
    add("--dataset", type=Path, metavar="DIR", help="folder of the data set, for comparisons that need one")
    add("--documents", type=int, metavar="N", help="use only the first N training documents, for a trial")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    comparison = COMPARISONS[options.name]
    names = chosen(options.only, comparison.models, "models")
    if comparison.needs_data and options.dataset is None:
        raise CommandError(f"{options.name} needs --dataset")
    results = options.results or Path("docs/results") / f"xmc-{_stem(options)}.jsonl"
    for name in names:
        row = _measured(options, name)
        keep(row, results)
        write_report(results, options.name)
        print(f"{name}: test P@1 {100 * row['P@1']:.2f}%", flush=True)


def _stem(options: argparse.Namespace) -> str:
    """The name of the folder of trainings and of the results; that of the data set for bags of words."""
    return options.dataset.name if options.name == "bags" else options.name


def _folder(options: argparse.Namespace, name: str) -> Path:
    runs = options.runs or Path("runs") / f"xmc-{_stem(options)}"
    return (runs / folder_of(name)).resolve()


def _commands(options: argparse.Namespace, name: str) -> list[list[str]]:
    """The commands that train a model, if it is trained, and measure it on the test part."""
    comparison = COMPARISONS[options.name]
    data = ["--dataset", str(options.dataset.resolve())] if options.dataset else []
    folder = _folder(options, name)
    if options.documents:
        data += ["--documents", str(options.documents)]
    cache = ["--cache-dir", str((options.runs or Path("runs")).resolve() / "cache")]
    worker = [sys.executable, "-m", "benchmarks.xmc.worker"]
    after = ["--result", str(folder / "measured.json"), "--threads", str(options.threads)]
    kind, _, rest = comparison.models[name].partition(" ")
    common = [*comparison.options.split(), *data, *cache]
    if kind == "omikuji":
        return [[*worker, "omikuji", rest, *common, "--output", str(folder), *after]]
    if kind == "ensemble":
        folders = [str(_folder(options, part)) for part in rest.split("|")]
        return [[*worker, "model", *folders, *common, *after]]
    if kind == "neighbours":
        # The training documents of a trained model vote too; another row trains the network.
        part, *more = rest.partition(" --")
        remember = [sys.executable, "-m", "vision_xmc.xmc", "neighbours", str(_folder(options, part))]
        exported = str(folder / "model")
        return [
            [*remember, *"".join(more).split(), "--output", exported],
            [*worker, "model", exported, *common, *after],
        ]
    train = [
        sys.executable, "-m", "vision_xmc.xmc", *comparison.options.split(), *comparison.models[name].split(),
        *data, *cache, *options.more.split(), "--no-progress", "--output", str(folder),
    ]  # fmt: skip
    return [train, [*worker, "model", str(folder), *common, *after]]


def _measured(options: argparse.Namespace, name: str) -> Row:
    """Runs what is not done yet and returns the row of results."""
    folder, commands = _folder(options, name), _commands(options, name)

    def clear() -> None:
        # An export refuses to overwrite what an interrupted run has left.
        shutil.rmtree(folder / "model", ignore_errors=True)

    run_once(commands, folder, options.threads, first=clear)
    row: Row = {"name": name, "seed": 1, "threads": options.threads}
    if (folder / "result.json").exists():
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        row |= {key: result[key] for key in ("head", "parameters", "head_parameters", "train_seconds")}
    row |= json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    return row | recipe(commands) | surroundings("torch", "transformers", "omikuji")


def _percent(key: str) -> Callable[[Row], str]:
    return lambda row: f"{100 * row[key]:.2f}"


def _trained(kind: str) -> Callable[[Row], str]:
    return lambda row: f"{row['trained'][kind]:,}" if "trained" in row else "–"


_MODEL: Column = ("model", lambda row: row["name"])

_QUALITY: list[Column] = [
    _MODEL,
    *((name, _percent(name)) for name in ("P@1", "P@3", "P@5", "nDCG@5", "PSP@1", "PSP@5")),
]

_COST: list[Column] = [
    _MODEL,
    ("training", lambda row: f"{row['train_seconds'] / 60:.1f} min" if "train_seconds" in row else "–"),
    ("output layer", lambda row: f"{row['head_parameters']:,}" if "head_parameters" in row else "–"),
    ("trained per update", _trained("update")),
    ("for one document", _trained("one")),
    ("size", lambda row: f"{row['bytes'] / 2**20:,.0f} MiB"),
    ("prediction", lambda row: f"{row['milliseconds']:.2f} ms"),
]


def write_report(results: Path, name: str) -> None:
    """Writes the tables and the commands of a results file."""
    publish(results, tables(results, name), script([(row["name"], row) for row in _ordered(results, name)]))


def tables(results: Path, name: str) -> dict[str, str]:
    """Quality and cost, their rows in the order of the comparison."""
    rows = _ordered(results, name)
    named = {
        "quality": markdown_table(rows, _QUALITY),
        "cost": markdown_table(rows, _COST),
        "measured": f"{rows[-1]['documents']:,} test documents. {measured_with(rows)}",
    }
    return {f"{results.stem}-{key}": text for key, text in named.items()}


def _ordered(results: Path, name: str) -> list[Row]:
    order = list(COMPARISONS[name].models)
    return sorted(read_rows(results), key=lambda row: order.index(row["name"]))


if __name__ == "__main__":
    sys.exit(main())
