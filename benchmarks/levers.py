"""What each choice is worth, one at a time, with a small model: `python -m benchmarks.levers DATA`.

DATA is a folder that `benchmarks.multi30k` prepared. Every lever is one training of the same small
Transformer, its test set translated and scored; its row goes to the results file (.jsonl), and tables of all
rows with the exact commands are written beside it (.md). What is finished is not done again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .heads import make_order
from .levers_report import write_report
from .runner import Experiment
from .sweep import guarded, sweep
from .translation import DEFAULTS, SMALLER

UPDATES = 1400

TIED = "--share-all-embeddings"
INPUTS = "--mhe-share-input-embeddings"
CLUSTERED = "--mhe-label-order {data}/order-clustered.txt"
ALIGNED = "--mhe-label-order {data}/order-aligned.txt"
TABLE = f"--mhe-head cascade {TIED}"
DIGIT = f"--mhe-head cascade --mhe-conditioning digit {INPUTS}"
PRODUCT = f"--mhe-head product {INPUTS}"
SAMPLING = f"--mhe-head sampling {TIED}"

LEVERS: dict[str, dict[str, str]] = {
    "Full softmax": {
        "tied": f"--mhe-head onehot {TIED}",
    },
    "Cascade with tables: label order": {
        "clustered": f"{TABLE} {CLUSTERED}",
        "dictionary": TABLE,
        "random": f"{TABLE} --mhe-label-order random",
    },
    "Cascade with tables, clustered: first head": {
        "8 prototypes": f"{TABLE} {CLUSTERED} --mhe-prototypes 8",
        "8 prototypes, projection": f"{TABLE} {CLUSTERED} --mhe-prototypes 8 --mhe-leaf-projection",
        "shortlist of 8": f"{TABLE} {CLUSTERED} --mhe-shortlist 8",
    },
    "Sampling, tied": {
        "a fifth, by counts": f"{SAMPLING} --mhe-sample-fraction 0.2",
        "a fifth, uniform, random order": f"{SAMPLING} --mhe-sample-fraction 0.2 --mhe-sample-by uniform"
        " --mhe-label-order random",
    },
    "Cascade by digits": {
        "aligned": f"{DIGIT} {ALIGNED}",
        "aligned, 4 prototypes": f"{DIGIT} {ALIGNED} --mhe-prototypes 4",
        "clustered": f"{DIGIT} {CLUSTERED}",
        "dictionary": DIGIT,
    },
    "Product": {
        "aligned": f"{PRODUCT} {ALIGNED}",
        "dictionary": PRODUCT,
        "aligned, 8 groups": f"{PRODUCT} {ALIGNED} --mhe-groups 8",
    },
}
"""Section of the report → name → options; `{data}` stands for the data folder."""


def main() -> int:
    options = _parser().parse_args()
    return guarded("benchmarks.levers", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levers", description=__doc__.split("\n")[0])
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
    make_order(data, options.runs.resolve() / "order.log")
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
    lever = LEVERS[section][name].format(data=data).split()
    kept = [part for option in common.items() if option[0] not in lever for part in option]
    return (*kept, *lever)


if __name__ == "__main__":
    sys.exit(main())
