"""The worth of each choice, one at a time, with a small model: `python -m
benchmarks.translation.levers DATA`.

DATA is the folder that `python -m benchmarks.translation multi30k` prepared. Each lever is one training of
the same small Transformer, whose test set is translated and scored. Its row goes to the results file
(.jsonl), from which tables and commands are made. Finished work is not repeated.
"""

from __future__ import annotations

import argparse
import re
import sys
from itertools import groupby
from pathlib import Path

from benchmarks.harness.ordered import ordered_folder
from benchmarks.harness.pages import publish
from benchmarks.harness.recipe import script
from benchmarks.harness.results import (
    Column,
    markdown_table,
    measured_with,
    own_parameters,
    read_rows,
    scored,
    signatures,
)
from benchmarks.harness.runner import Experiment
from benchmarks.harness.sweep import guarded, sweep
from benchmarks.translation.corpora import DEFAULTS, SMALLER
from benchmarks.translation.heads import make_order, make_ordered_folder
from benchmarks.translation.report import NLL

UPDATES = 1400
KEY = ("section", "name", "seed")

TIED = "--share-all-embeddings"
INPUTS = "--mhe-share-input-embeddings"
ORDERED = "--mhe-label-order {data}/order.txt"
IN_ORDER = "{ordered}"
"""Stands for training on the data folder's copy in the learned order, which a tied table needs."""
ONEHOT = f"--mhe-head onehot {TIED}"
TABLE = f"--mhe-head cascade {TIED}"
DIGIT = f"--mhe-head cascade --mhe-conditioning digit {INPUTS}"
PRODUCT = f"--mhe-head product {INPUTS}"
SAMPLING = f"--mhe-head sampling {TIED}"


def ordered(cluster_size: int) -> str:
    """The option for a label order learned in clusters of another size."""
    return f"--mhe-label-order {{data}}/order-{cluster_size}.txt"


def in_order(cluster_size: int) -> str:
    """Stands for the copy in an order learned in clusters of another size."""
    return f"{{ordered-{cluster_size}}}"


LEVERS: dict[str, dict[str, str]] = {
    "Full softmax": {
        "tied": ONEHOT,
        "tied, projection": f"{ONEHOT} --mhe-projection",
        "untied": f"--mhe-head onehot {INPUTS}",
    },
    "Cascade by table": {
        "clustered": f"{TABLE} {IN_ORDER}",
        "dictionary order": TABLE,
        "random order": f"{TABLE} --mhe-label-order random",
        "clustered, untied": f"--mhe-head cascade {ORDERED} {INPUTS}",
        "clustered, projection": f"{TABLE} {IN_ORDER} --mhe-projection",
        "clustered, projection, 8 prototypes": f"{TABLE} {IN_ORDER} --mhe-projection --mhe-prototypes 8",
        "clustered, 8 prototypes": f"{TABLE} {IN_ORDER} --mhe-prototypes 8",
        "clustered, small first, 40 × 200": f"{TABLE} {in_order(200)} --mhe-radices 40,200",
        "clustered, large first, 200 × 40": f"{TABLE} {in_order(40)} --mhe-radices 200,40",
        "clustered, three heads, 20 × 20 × 20": f"{TABLE} {in_order(20)} --mhe-radices 20,20,20",
    },
    "Cascade by digit": {
        "clustered": f"{DIGIT} {ORDERED}",
        "dictionary order": DIGIT,
        "random order": f"{DIGIT} --mhe-label-order random",
        "clustered, 4 prototypes": f"{DIGIT} {ORDERED} --mhe-prototypes 4",
        "clustered, hidden layer of 384": f"{DIGIT} {ORDERED} --mhe-hidden-dim 384",
        "clustered, small first, 40 × 200": f"{DIGIT} {ordered(200)} --mhe-radices 40,200",
        "clustered, large first, 200 × 40": f"{DIGIT} {ordered(40)} --mhe-radices 200,40",
        "clustered, three heads, 20 × 20 × 20": f"{DIGIT} {ordered(20)} --mhe-radices 20,20,20",
    },
    "Product": {
        "clustered": f"{PRODUCT} {ORDERED}",
        "dictionary order": PRODUCT,
        "random order": f"{PRODUCT} --mhe-label-order random",
        "clustered, 8 groups": f"{PRODUCT} {ORDERED} --mhe-groups 8",
        "dictionary order, 8 groups": f"{PRODUCT} --mhe-groups 8",
    },
    "Sampling, tied": {
        "a fifth, by counts": f"{SAMPLING} --mhe-sample-fraction 0.2",
        "a fifth, by counts, projection": f"{SAMPLING} --mhe-sample-fraction 0.2 --mhe-projection",
        "a twentieth, by counts": f"{SAMPLING} --mhe-sample-fraction 0.05",
        "a fifth, uniform, random order": f"{SAMPLING} --mhe-sample-fraction 0.2 --mhe-sample-by uniform"
        " --mhe-label-order random",
    },
    "Training": {
        "full softmax, learning rate 0.002": f"{ONEHOT} --lr 0.002",
        "cascade by table, learning rate 0.002": f"{TABLE} {IN_ORDER} --lr 0.002",
        "sampling, learning rate 0.002": f"{SAMPLING} --mhe-sample-fraction 0.2 --lr 0.002",
        "full softmax, no label smoothing": f"{ONEHOT} --label-smoothing 0",
        "cascade by table, no label smoothing": f"{TABLE} {IN_ORDER} --label-smoothing 0",
        "full softmax, warm-up of 100": f"{ONEHOT} --warmup-updates 100",
        "cascade by table, warm-up of 100": f"{TABLE} {IN_ORDER} --warmup-updates 100",
    },
}
"""Section → name → options; `{data}` stands for the data folder."""

_IN_ORDER = re.compile(r"\{ordered(?:-(\d+))?\}")


def main() -> int:
    options = _parser().parse_args()
    return guarded("benchmarks.translation.levers", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation.levers", description=__doc__.split("\n")[0]
    )
    # fmt: off
    add = parser.add_argument
    add("data", type=Path, metavar="DATA")
    add("--only", nargs="+", metavar="TEXT", default=[""],
        help="those whose 'section: name' contains one of these texts (default: all)")
    add("--updates", type=int, default=UPDATES, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--jobs", type=int, default=1, metavar="N", help="trainings at a time, one thread each (default: 1)")
    add("--runs", type=Path, default=Path("runs/levers"), metavar="DIR", help="default: %(default)s")
    add("--results", type=Path, default=Path("docs/results/levers.jsonl"), metavar="FILE",
        help="default: %(default)s")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    data = options.data.resolve()
    for cluster_size in (None, 200, 40, 20):
        make_order(data, options.runs.resolve() / "order.log", cluster_size)
        make_ordered_folder(data, options.runs.resolve() / "order.log", cluster_size)
    experiments = [
        (
            {"section": section},
            Experiment(
                name=name,
                data=data_of(section, name, data),
                folder=options.runs.resolve() / folder_name(section, name),
                train_options=train_options(section, name, data, options.updates),
                seed=options.seed,
            ),
        )
        for section, levers in LEVERS.items()
        for name in levers
        if any(text in f"{section}: {name}" for text in options.only)
    ]
    sweep(
        experiments,
        options.results,
        key=KEY,
        jobs=options.jobs,
        after_each=lambda: write_report(options.results),
    )


def folder_name(section: str, name: str) -> str:
    """The folder of a lever's training."""
    return _dashed(f"{section} {name}")


def _dashed(text: str) -> str:
    return "-".join(text.lower().translate(str.maketrans(":,/×()", "      ")).split())


def data_of(section: str, name: str, data: Path) -> Path:
    """The folder that a lever is trained on: `data`, or its copy in a learned order."""
    ordered = _IN_ORDER.search(LEVERS[section][name])
    return ordered_folder(data, int(ordered[1]) if ordered[1] else None) if ordered else data


def train_options(section: str, name: str, data: Path, updates: int) -> tuple[str, ...]:
    """fairseq-train's options: those that all levers share, then the lever's own, which overrule them."""
    common = {**DEFAULTS, **SMALLER, "--warmup-updates": "300"}
    common |= {"--total-num-update": str(updates), "--max-update": str(updates)}
    lever = [
        part.format(data=data) for part in LEVERS[section][name].split() if not _IN_ORDER.fullmatch(part)
    ]
    kept = [part for option in common.items() if option[0] not in lever for part in option if part]
    return (*kept, *lever)


_COLUMNS: list[Column] = [
    ("lever", lambda row: row["name"]),
    ("its parameters", own_parameters),
    NLL,
    ("BLEU", scored("bleu")),
    ("chrF++", scored("chrf++")),
    ("trained in", lambda row: row["recipe"]["precision"]),
]


def tables(results: Path) -> dict[str, str]:
    """A table for each section, by name."""
    rows = sorted(read_rows(results, KEY), key=lambda row: row["section"])
    named = {
        f"{results.stem}-{_dashed(section)}": markdown_table(list(members), _COLUMNS)
        for section, members in groupby(rows, key=lambda row: row["section"])
    }
    signed = "\n".join(f"`{signature}`" for signature in signatures(rows))
    return named | {f"{results.stem}-signatures": f"{signed}\n\n{measured_with(rows)}"}


def write_report(results: Path) -> None:
    """Writes the tables and the commands of a results file."""
    titled = [(f"{row['section']}: {row['name']}", row) for row in read_rows(results, KEY)]
    publish(results, tables(results), script(titled))


if __name__ == "__main__":
    sys.exit(main())
