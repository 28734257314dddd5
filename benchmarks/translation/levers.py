"""What each choice is worth, one at a time, with a small model: `python -m
benchmarks.translation.levers DATA`.

DATA is the folder that `benchmarks.translation multi30k` prepared. Every lever is one training of the same
small Transformer, its test set translated and scored; its row goes to the results file (.jsonl), and tables
of all rows with the exact commands are written beside it (.md). What is finished is not done again.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path

from benchmarks.harness.results import Column, columns, markdown_table, read_rows, signatures, write_whole
from benchmarks.harness.runner import Experiment
from benchmarks.harness.sweep import guarded, sweep
from benchmarks.translation.__main__ import DEFAULTS, SMALLER
from benchmarks.translation.heads import make_order

UPDATES = 1400

TIED = "--share-all-embeddings"
INPUTS = "--mhe-share-input-embeddings"
ORDERED = "--mhe-label-order {data}/order.txt"
ONEHOT = f"--mhe-head onehot {TIED}"
TABLE = f"--mhe-head cascade {TIED}"
DIGIT = f"--mhe-head cascade --mhe-conditioning digit {INPUTS}"
PRODUCT = f"--mhe-head product {INPUTS}"
SAMPLING = f"--mhe-head sampling {TIED}"


def ordered(cluster_size: int) -> str:
    """The option for a learned label order in clusters of another size."""
    return f"--mhe-label-order {{data}}/order-{cluster_size}.txt"


LEVERS: dict[str, dict[str, str]] = {
    "Full softmax": {
        "tied": ONEHOT,
        "tied, projection": f"{ONEHOT} --mhe-projection",
        "untied": f"--mhe-head onehot {INPUTS}",
    },
    "Cascade with tables": {
        "clustered": f"{TABLE} {ORDERED}",
        "dictionary order": TABLE,
        "random order": f"{TABLE} --mhe-label-order random",
        "clustered, untied": f"--mhe-head cascade {ORDERED} {INPUTS}",
        "clustered, projection": f"{TABLE} {ORDERED} --mhe-projection",
        "clustered, projection, 8 prototypes": f"{TABLE} {ORDERED} --mhe-projection --mhe-prototypes 8",
        "clustered, 8 prototypes": f"{TABLE} {ORDERED} --mhe-prototypes 8",
        "clustered, small first, 40 × 200": f"{TABLE} {ordered(200)} --mhe-radices 40,200",
        "clustered, large first, 200 × 40": f"{TABLE} {ordered(40)} --mhe-radices 200,40",
        "clustered, three heads, 20 × 20 × 20": f"{TABLE} {ordered(20)} --mhe-radices 20,20,20",
    },
    "Cascade by digits": {
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
        "cascade with tables, learning rate 0.002": f"{TABLE} {ORDERED} --lr 0.002",
        "sampling, learning rate 0.002": f"{SAMPLING} --mhe-sample-fraction 0.2 --lr 0.002",
        "full softmax, no label smoothing": f"{ONEHOT} --label-smoothing 0",
        "cascade with tables, no label smoothing": f"{TABLE} {ORDERED} --label-smoothing 0",
        "full softmax, warm-up of 100": f"{ONEHOT} --warmup-updates 100",
        "cascade with tables, warm-up of 100": f"{TABLE} {ORDERED} --warmup-updates 100",
    },
}
"""Section of the report → name → options; `{data}` stands for the data folder."""


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
    experiments = [
        (
            {"section": section},
            Experiment(
                name=name,
                data=data,
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
        key=("section", "name", "seed"),
        jobs=options.jobs,
        after_each=lambda: write_report(options.results),
    )


def folder_name(section: str, name: str) -> str:
    """Of a lever's training."""
    return "-".join(f"{section} {name}".lower().translate(str.maketrans(":,/×()", "      ")).split())


def train_options(section: str, name: str, data: Path, updates: int) -> tuple[str, ...]:
    """fairseq-train's options: those that all have in common, then the lever's, which may overrule them."""
    common = {**DEFAULTS, **SMALLER, "--warmup-updates": "300"}
    common |= {"--total-num-update": str(updates), "--max-update": str(updates)}
    lever = [part.format(data=data) for part in LEVERS[section][name].split()]
    kept = [part for option in common.items() if option[0] not in lever for part in option if part]
    return (*kept, *lever)


_INTRODUCTION = """Multi30k de-en with a small model (2 + 2 layers of 192) and short trainings (1,400 updates
with linear decay, three passes), as `python -m benchmarks.translation.levers` runs them; likelihood of
val, BLEU and chrF++ of test_2016_flickr, beam 5. Single runs: 0.01 bits or half a BLEU point
between two of them mean nothing. What was tried and left out used options that are gone again."""

_PRECISION: Column = (
    "trained in",
    lambda row: "bfloat16" if "--autocast-bf16" in row["commands"][0] else "float32",
)


def write_report(results: Path) -> None:
    """The .md file beside the .jsonl file."""
    write_whole(results.with_suffix(".md"), _report(results))


def _report(results: Path) -> str:
    rows = sorted(read_rows(results, ("section", "name", "seed")), key=lambda row: row["section"])
    parts = ["# Levers, one at a time", _INTRODUCTION]
    for section, members in groupby(rows, key=lambda row: row["section"]):
        parts += [f"## {section}", markdown_table(list(members), [*columns((1.0,)), _PRECISION])]
    parts += ["\n".join(f"`{signature}`" for signature in signatures(rows)), "## Commands"]
    parts += [f"{row['section']}, {row['name']}:\n\n    {row['commands'][0]}" for row in rows]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
