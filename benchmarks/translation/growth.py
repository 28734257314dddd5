"""How the time of a training step grows with the vocabulary: `python -m benchmarks.translation.growth`.

Whole steps of fairseq's trainer (model, criterion, clipping, optimizer): a model of size 256, 3 + 3 layers
and one table for all embeddings and the output layer, 1,200 target tokens, one thread, float32. Words are
generated. Each row is measured in a process of its own, in processor time, and kept in the results file; rows
that are there are not measured again.

With a million labels `adam` needs 6 GB of memory and `row_adam` 5. All rows take about ten minutes of one
core.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.harness.process import KEEP_MEMORY, CommandError, run_logged
from benchmarks.harness.recipe import recipe
from benchmarks.harness.results import Row, append_row, markdown_table, read_rows, write_whole
from benchmarks.harness.sweep import guarded
from benchmarks.translation.growth_step import HEADS, OPTIMIZERS, add_options

SIZES = (1 << 16, 1 << 20)
KEY = ("name", "labels", "optimizer", "tokens")
_IN_WORDS = {
    "table": "cascade by table",
    "table-3": "cascade by table, 3 digits",
    "sampling": "sampling",
    "onehot": "full softmax",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation.growth",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[-1],
    )
    add = parser.add_argument
    # fmt: off
    add("--sizes", type=int, nargs="+", default=SIZES, metavar="V",
        help=f"default: {' '.join(map(str, SIZES))}")
    add("--only", nargs="+", default=["table", "table-3", "sampling"], choices=HEADS, metavar="NAME",
        help=f"some of {', '.join(HEADS)} (default: all but onehot)")
    add("--optimizers", nargs="+", default=OPTIMIZERS, choices=OPTIMIZERS, metavar="NAME",
        help="default: both")
    add_options(parser)
    add("--log", type=Path, default=Path("runs/growth.log"), metavar="FILE", help="default: %(default)s")
    add("--results", type=Path, default=Path("docs/results/step-growth.jsonl"), metavar="FILE",
        help="default: %(default)s; a table is written next to it")
    # fmt: on
    options = parser.parse_args()
    if min(options.sizes) < 100:
        parser.error(f"--sizes must be at least 100, got {min(options.sizes)}")
    for name in ("steps", "tokens"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    return guarded("benchmarks.translation.growth", lambda: _benchmark(options))


def _benchmark(options: argparse.Namespace) -> None:
    for name in options.only:
        for optimizer in options.optimizers:
            for labels in options.sizes:
                key = (name, labels, optimizer, options.tokens)
                rows = read_rows(options.results, KEY)
                if any(tuple(row[field] for field in KEY) == key for row in rows):
                    continue
                row = measured(name, labels, optimizer, options)
                append_row(options.results, row)
                print(
                    f"{labels} {name} {optimizer}: {row['step_ms']:.0f} ms, {row['peak_bytes'] / 1e9:.1f} GB",
                    flush=True,
                )
                for part in ("phases_ms", "operators_ms"):
                    for operator, milliseconds in row.get(part, {}).items():
                        print(f"  {operator}: {milliseconds:.1f} ms", flush=True)
    rows = [row for row in read_rows(options.results, KEY) if row["tokens"] == options.tokens]
    shown = table(rows)
    write_whole(options.results.with_suffix(".md"), shown + "\n")
    print(shown)


def measured(name: str, labels: int, optimizer: str, options: argparse.Namespace) -> Row:
    """One row, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.translation.growth_step", name, str(labels), optimizer]
    command += ["--steps", str(options.steps), "--tokens", str(options.tokens)]
    command += ["--profile"] if options.profile else []
    printed: list[str] = []
    run_logged(command, options.log, on_line=printed.append, environment=KEEP_MEMORY)
    row = next((line for line in reversed(printed) if line.startswith("{")), None)
    if row is None:
        raise CommandError(f"benchmarks.translation.growth_step printed no row (log: {options.log})")
    return json.loads(row) | recipe([["python", *command[1:]]])


def table(rows: list[Row]) -> str:
    """A pipe table: a line per output layer and optimizer, milliseconds and growth per vocabulary."""
    sizes = sorted({row["labels"] for row in rows})
    by_key = {(row["name"], row["optimizer"], row["labels"]): row for row in rows}
    lines: list[Row] = [
        {"name": name, "optimizer": optimizer}
        for name in HEADS
        for optimizer in OPTIMIZERS
        if any((name, optimizer, size) in by_key for size in sizes)
    ]

    def cell(line: Row, size: int) -> str:
        row, first = (by_key.get((line["name"], line["optimizer"], labels)) for labels in (size, sizes[0]))
        if row is None:
            return "–"
        growth = f" ({row['step_ms'] / first['step_ms']:.2f}×)" if first and size != sizes[0] else ""
        return f"{row['step_ms']:.0f}{growth}, {row['peak_bytes'] / 1e9:.1f} GB"

    return markdown_table(
        lines,
        [
            ("output layer", lambda line: _IN_WORDS[line["name"]]),
            ("optimizer", lambda line: f"`{line['optimizer']}`"),
            *(
                (f"step at V = {size:,}, ms; peak", lambda line, size=size: cell(line, size))  # type: ignore[misc]
                for size in sizes
            ),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
