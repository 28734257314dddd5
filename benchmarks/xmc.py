"""Extreme multi-label text classification against its peers: `python -m benchmarks.xmc NAME`.

NAME is one of the comparisons below. Cascades (MHC) and one-vs-all are trained by `python -m
vision_xmc.xmc`, Parabel and Bonsai by the package omikuji on the same TF-IDF weights, with its authors'
settings. A row of each is added to the results file (.jsonl), and a table of all rows with the exact
commands written beside it (.md). What is finished is not done again, and an interrupted training is
resumed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .process import CommandError, run_logged, shown
from .results import Column, Row, append_row, markdown_table, read_rows
from .runner import processor_name, versions

BOW = "--encoder bow --bow-features 512"
MINILM = "--encoder minilm --max-len 128 --batch-size 32"


@dataclass(frozen=True)
class Comparison:
    """One data set; `options` are what our trainings have in common, `models` what each has beside."""

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
    "tibkat": Comparison(
        "TIBKAT: subjects of library records",
        "--valid-size 0.02",
        {
            "Parabel": "omikuji parabel",
            "Bonsai": "omikuji bonsai",
            "bag of words, one-vs-all": f"{BOW} --num-groups 0 --epochs 20",
            "bag of words, MHC": f"{BOW} --sparse-labels --epochs 20",
            "bag of words, MHC, seed 2": f"{BOW} --sparse-labels --epochs 20 --seed 2 --order-seed 2",
            "bag of words, MHC, seed 3": f"{BOW} --sparse-labels --epochs 20 --seed 3 --order-seed 3",
            "bag of words, 3 MHC together": "ensemble bag of words, MHC|bag of words, MHC, seed 2"
            "|bag of words, MHC, seed 3",
            "bag of words, MHC, with neighbours": "neighbours bag of words, MHC",
            "neighbours alone": "neighbours bag of words, MHC --weight 1",
            "MiniLM, one-vs-all": f"{MINILM} --num-groups 0 --epochs 10",
            "MiniLM, MHC": f"{MINILM} --epochs 10",
        },
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # A polite kill must not leave trainings behind, any more than Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _benchmark(options)
    except CommandError as error:
        print(f"benchmarks.xmc: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks.xmc: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    paragraphs = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.xmc", description=paragraphs[0], epilog=paragraphs[1]
    )
    # fmt: off
    add = parser.add_argument
    add("name", choices=list(COMPARISONS), metavar="NAME", help=f"one of {', '.join(COMPARISONS)}")
    add("--dataset", type=Path, metavar="DIR", help="folder of the data set, where there is one")
    add("--only", nargs="+", metavar="MODEL", help="some of the models, by the names in the table")
    add("--documents", type=int, metavar="N", help="use the first N training documents only, for a try")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads each (default: %(default)s)")
    add("--more", default="", metavar="OPTIONS", help="more options of our trainings, such as '--epochs 1'")
    add("--runs", type=Path, metavar="DIR", help="folder of the trainings (default: runs/xmc-NAME)")
    add("--results", type=Path, metavar="FILE", help="default: docs/results/xmc-NAME.jsonl")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    comparison = COMPARISONS[options.name]
    names = options.only or list(comparison.models)
    unknown = [name for name in names if name not in comparison.models]
    if unknown:
        known = ", ".join(repr(name) for name in comparison.models)
        raise CommandError(f"--only {unknown[0]!r}: the models are {known}")
    if comparison.needs_data and options.dataset is None:
        raise CommandError(f"{options.name} needs --dataset")
    results = options.results or Path("docs/results") / f"xmc-{options.name}.jsonl"
    for name in names:
        row = _measured(options, name)
        if row not in read_rows(results):
            append_row(results, row)
        write_report(options.name, results)
        print(f"{name}: test P@1 {100 * row['P@1']:.2f}%", flush=True)


def _folder(options: argparse.Namespace, name: str) -> Path:
    runs = options.runs or Path("runs") / f"xmc-{options.name}"
    return (runs / name.replace(",", "").replace(" ", "-")).resolve()


def _commands(options: argparse.Namespace, name: str) -> list[list[str]]:
    """The training of a model, where there is one, and its measurement on the test part."""
    comparison = COMPARISONS[options.name]
    data = ["--dataset", str(options.dataset.resolve())] if options.dataset else []
    folder = _folder(options, name)
    if options.documents:
        data += ["--documents", str(options.documents)]
    cache = ["--cache-dir", str((options.runs or Path("runs")).resolve() / "cache")]
    worker = [sys.executable, "-m", "benchmarks.xmc_worker"]
    after = ["--result", str(folder / "measured.json"), "--threads", str(options.threads)]
    kind, _, rest = comparison.models[name].partition(" ")
    common = [*comparison.options.split(), *data, *cache]
    if kind == "omikuji":
        return [[*worker, "omikuji", rest, *common, "--output", str(folder), *after]]
    if kind == "ensemble":
        folders = [str(_folder(options, part)) for part in rest.split("|")]
        return [[*worker, "model", *folders, *common, *after]]
    if kind == "neighbours":
        # A trained model's training documents vote along; the network is trained by another row.
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
    """Does what is not done yet; the row of the results."""
    folder, commands = _folder(options, name), _commands(options, name)
    done = folder / "commands.json"
    if not (done.exists() and json.loads(done.read_text(encoding="utf-8")) == commands):
        # An export refuses to write over what an interrupted run has left.
        shutil.rmtree(folder / "model", ignore_errors=True)
        for command in commands:
            print(f"$ {shown(command)}", flush=True)
            run_logged(command, folder / "log.txt", threads=options.threads)
        done.write_text(json.dumps(commands), encoding="utf-8")
    row: Row = {"name": name, "seed": 1, "threads": options.threads}
    if (folder / "result.json").exists():
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        row |= {key: result[key] for key in ("head", "parameters", "head_parameters", "train_seconds")}
    row |= json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    packages = {package: version(package) for package in ("torch", "transformers", "omikuji")}
    return row | {
        "commands": [shown(command) for command in commands],
        "versions": {"python": versions()["python"], **packages},
        "processor": processor_name(),
    }


def _percent(key: str) -> Callable[[Row], str]:
    return lambda row: f"{100 * row[key]:.2f}"


COLUMNS: list[Column] = [
    ("model", lambda row: row["name"]),
    *((name, _percent(name)) for name in ("P@1", "P@3", "P@5", "nDCG@5", "PSP@1", "PSP@5")),
    ("training", lambda row: f"{row['train_seconds'] / 60:.1f} min" if "train_seconds" in row else "–"),
    ("size", lambda row: f"{row['bytes'] / 2**20:,.0f} MiB"),
    ("prediction", lambda row: f"{row['milliseconds']:.2f} ms"),
]


def write_report(name: str, results: Path) -> None:
    """The .md file beside the .jsonl file: the table of all its rows and how they were made."""
    target = results.with_suffix(".md")
    partial = target.with_name(f".{target.name}.part")
    partial.write_text(report(name, read_rows(results)), encoding="utf-8")
    os.replace(partial, target)


def report(name: str, rows: list[Row]) -> str:
    """The text of that file; rows in the order of the comparison."""
    comparison = COMPARISONS[name]
    order = list(comparison.models)
    rows = sorted(rows, key=lambda row: order.index(row["name"]))
    numbers = ", ".join(f"{package} {number}" for package, number in rows[-1]["versions"].items())
    machines = "; ".join(dict.fromkeys(f"{row['processor']}, {row['threads']} thread(s)" for row in rows))
    commands = "\n\n".join("\n".join([f"# {row['name']}", *row["commands"]]) for row in rows)
    data = " --dataset DIR" if comparison.needs_data else ""
    return f"""# {comparison.title}

{markdown_table(rows, COLUMNS)}

{rows[-1]["documents"]:,} test documents, looked at once. Our models were trained on the training part less
2% of it, whose P@1 chose the epoch; omikuji's on the whole of it, for it has nothing to choose. "Size" is
that of the saved model, "prediction" the time a document takes to its five best labels, from prepared
inputs in batches; both without the text's preparation, which is the same for all bags of words.

Measured with {numbers}, on {machines}.

## Commands

From the repository's folder; `python -m benchmarks.xmc {name}{data}` runs them all.

```sh
{commands}
```
"""


if __name__ == "__main__":
    sys.exit(main())
