"""Claims of the paper, tested: `python -m benchmarks.claims [argmax|rank|order] ...`.

argmax: is the tuple of the heads' best digits the best label? rank: cross entropy against the rank of the
output layer. order: does the order of the labels cease to matter once a model overfits? Rows that are in the
results file are not measured again. Tables and plots are made from that file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.claims.measurements import CLAIMS
from benchmarks.claims.report import KEY, write_report
from benchmarks.harness.process import CommandError
from benchmarks.harness.recipe import recipe
from benchmarks.harness.results import Row, append_row, read_rows
from benchmarks.harness.sweep import guarded


def main() -> int:
    options = _parser().parse_args()
    torch.set_num_threads(1)
    return guarded("benchmarks.claims", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.claims",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[1],
    )
    add = parser.add_argument
    runs = [Path("runs/multi30k") / name for name in ("product", "product-8-groups", "cascade-table-tied")]
    # fmt: off
    add("claims", nargs="*", metavar="CLAIM", help=f"some of {', '.join(CLAIMS)} (default: all)")
    add("--data", type=Path, default=Path("data/multi30k.de-en"), metavar="DIR",
        help="fairseq data folder (default: %(default)s)")
    add("--runs", type=Path, nargs="*", default=runs, metavar="DIR",
        help="trained models with MHE heads, for argmax (default: "
        f"{' '.join(map(str, runs))}, which benchmarks.translation leaves)")
    add("--full", type=Path, default=Path("runs/multi30k/onehot-tied"), metavar="DIR",
        help="trained model with a full softmax, whose features rank freezes (default: %(default)s)")
    add("--order", default=None, metavar="FILE",
        help="clustered label order, of python -m data_prep order (default: order.txt in the data folder)")
    add("--cache", type=Path, default=Path("runs/claims"), metavar="DIR",
        help="for features and trained heads (default: %(default)s)")
    add("--cases", type=int, default=20_000, metavar="N", help="random cases (default: %(default)s)")
    add("--positions", type=int, default=60_000, metavar="N",
        help="features to train on and to choose the learning rate with, for rank (default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N",
        help="of the claim order; the others take the first (default: 1 2 3)")
    add("--only", nargs="+", default=[""], metavar="TEXT",
        help="measure only if 'NAME; SETTING' contains one of these texts")
    add("--results", type=Path, default=Path("docs/results/claims.jsonl"), metavar="FILE",
        help="default: %(default)s; tables and plots are written next to it")
    add("--tables-only", action="store_true",
        help="measure nothing; make the tables and plots from the stored rows")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    claims = options.claims or list(CLAIMS)
    unknown = [claim for claim in claims if claim not in CLAIMS]
    if unknown:
        raise CommandError(f"there is no claim {unknown[0]!r}; choose from {', '.join(CLAIMS)}")
    for claim in () if options.tables_only else sorted(claims, key=list(CLAIMS).index):
        for seed in options.seeds if claim == "order" else options.seeds[:1]:
            for measurement in CLAIMS[claim](options, seed):
                title = f"{measurement.name}; {measurement.setting}"
                if not any(text in title for text in options.only):
                    continue
                row = {
                    "claim": claim, "name": measurement.name, "setting": measurement.setting, "seed": seed,
                    "made_with": measurement.made_with,
                }  # fmt: skip
                if _is_done(options.results, row):
                    continue
                row |= measurement.figures() | recipe([_command(claim, title, seed, options)])
                append_row(options.results, row)
                print(f"{claim}: {title}, seed {seed}: {row['cpu_seconds']:.0f} s", flush=True)
    write_report(options.results)


def _is_done(results: Path, wanted: Row) -> bool:
    return any(wanted.items() <= row.items() for row in read_rows(results, KEY))


def _command(claim: str, title: str, seed: int, options: argparse.Namespace) -> list[str]:
    """The command that measures only this, with the options that are not the defaults."""
    command = ["python", "-m", "benchmarks.claims", claim]
    defaults = _parser().parse_args([])
    apart = ("claims", "seeds", "only", "results", "tables_only")
    for name, value in vars(options).items():
        if name not in apart and value != getattr(defaults, name):
            command += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return [*command, "--seeds", str(seed), "--only", title]


if __name__ == "__main__":
    sys.exit(main())
