"""Output layers over large vocabularies, on generated text: `python -m benchmarks.vocabulary`.

For each vocabulary size and output layer it measures the likelihood against the source's entropy, accuracy,
parameters, and the peak memory, training time and prediction time of a process of its own. Rows that are in
the results file are not measured again. Tables and a plot are made from that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.harness.process import CommandError, run_logged
from benchmarks.harness.recipe import recipe
from benchmarks.harness.results import Row, append_row, read_rows
from benchmarks.harness.sweep import guarded
from benchmarks.vocabulary.layers import (
    LAYERS,
    TORCH_CHUNKED,
    add_options,
    batch_of,
    updates_of,
    updates_of_most,
)
from benchmarks.vocabulary.report import write_report

FEWEST = 200
SIZES = (10_000, 100_000, 1_000_000)
KEY = ("name", "labels", "seed", "updates", "updates_of_most", "batch", "held_out")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vocabulary",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[1],
    )
    add = parser.add_argument
    # fmt: off
    add("--sizes", type=int, nargs="+", default=SIZES, metavar="V",
        help=f"default: {' '.join(map(str, SIZES))}")
    add("--only", nargs="+", default=list(LAYERS), choices=LAYERS, metavar="NAME",
        help=f"some of {', '.join(LAYERS)} (default: all)")
    add_options(parser)
    add("--log", type=Path, default=Path("runs/vocabulary.log"), metavar="FILE", help="default: %(default)s")
    add("--results", type=Path, default=Path("docs/results/vocabulary.jsonl"), metavar="FILE",
        help="default: %(default)s; tables and a plot are written next to it")
    add("--tables-only", action="store_true",
        help="measure nothing; make the tables and the plot from the stored rows")
    # fmt: on
    options = parser.parse_args()
    if min(options.sizes) < FEWEST:
        parser.error(f"--sizes: the adaptive softmax needs at least {FEWEST} words, got {min(options.sizes)}")
    for name in ("updates", "full_updates", "batch", "held_out"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if not hasattr(F, "linear_cross_entropy") and TORCH_CHUNKED in options.only:
        print(f"{TORCH_CHUNKED} is left out: it needs torch 2.13, and this is {torch.__version__}")
        options.only.remove(TORCH_CHUNKED)
    return guarded("benchmarks.vocabulary", lambda: _benchmark(options))


def _benchmark(options: argparse.Namespace) -> None:
    for labels in () if options.tables_only else options.sizes:
        for name in options.only:
            if any(row["name"] == name and row["labels"] == labels for row in _rows(options)):
                continue
            row = measured(name, labels, options)
            append_row(options.results, row)
            print(
                f"{labels} {name}: excess {row['excess_bits']:.3f} bits, {row['step_ms']:.1f} ms per update, "
                f"{row['peak_mb']:.0f} MB",
                flush=True,
            )
            write_report(_rows(options), options.results)
    write_report(_rows(options), options.results)


def _rows(options: argparse.Namespace) -> list[Row]:
    """The rows that were measured with these options."""
    rows = read_rows(options.results, KEY)
    wanted = {key: getattr(options, key) for key in ("seed", "held_out")}
    return [
        row
        for row in rows
        if wanted.items() <= row.items()
        and row["batch"] == batch_of(row["labels"], options)
        and row["updates_of_most"] == updates_of_most(row["labels"], options)
        and row["name"] in LAYERS
        and row["updates"] == updates_of(row["name"], row["labels"], options)
    ]


def measured(name: str, labels: int, options: argparse.Namespace) -> Row:
    """One row, from a process of its own."""
    common = [
        part
        for key in ("updates", "full_updates", "batch", "held_out", "seed")
        if getattr(options, key) is not None
        for part in (f"--{key.replace('_', '-')}", str(getattr(options, key)))
    ]
    command = [sys.executable, "-m", "benchmarks.vocabulary.measure", name, str(labels), *common]
    printed: list[str] = []
    run_logged(command, options.log, on_line=printed.append)
    row = next((line for line in reversed(printed) if line.startswith("{")), None)
    if row is None:
        raise CommandError(f"benchmarks.vocabulary.measure printed no row (log: {options.log})")
    return json.loads(row) | recipe([["python", *command[1:]]])


if __name__ == "__main__":
    sys.exit(main())
