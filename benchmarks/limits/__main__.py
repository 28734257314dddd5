"""Measured time over the time of the needed matrix products, per head: `python -m benchmarks.limits`.

For each head it times a training step (loss and gradients) and a decoding step (64 sentences × beam 5). In
turn with them it times the same machine's products of the shapes that the step cannot do without, in one
process on one thread, in processor time. The ratio says what a better implementation could still gain;
docs/results/limits.md defines it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from benchmarks.harness.results import Row, read_rows, write_rows
from benchmarks.harness.trainings import surroundings
from benchmarks.limits.measure import DTYPES, NAMES, Size, measure
from benchmarks.limits.report import KEY, tables, write_report


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    torch.set_num_threads(1)
    modes = options.modes or ["float32", *(["bfloat16"] if has_amx() else [])]
    kept = "mmap_threshold" in os.environ.get("GLIBC_TUNABLES", "")
    common = surroundings("torch") | {"threads": 1, "memory_kept": kept}
    for labels in options.labels:
        for mode in modes:
            size = Size(labels, options.features, options.positions)
            rows = measure(
                size, mode, names=options.only, rounds=options.rounds, seconds=options.seconds,
                smoothing=options.label_smoothing,
            )  # fmt: skip
            _keep([row | common for row in rows], options.results)
            for row in rows:
                print(f"V = {labels:,}, {mode}, {row['step']}, {_shown(row)}", flush=True)
    write_report(options.results)
    if options.print:
        print(*tables(options.results).values(), sep="\n\n")
    return 0


def _shown(row: Row) -> str:
    products = f"products {row['needed_ms']:.2f} ms ({row['gflop_per_s']:.0f} GFLOP/s)"
    return f"{row['name']}: {row['measured_ms']:.1f} ms, {products}, ratio {row['ratio']:.2f}"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    paragraphs = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.limits", description=paragraphs[0], epilog=paragraphs[1]
    )
    add, size = parser.add_argument, Size()
    # fmt: off
    add("--labels", type=int, nargs="+", default=[size.labels], metavar="V", help=f"default: {size.labels}")
    add("--features", type=int, default=size.features, metavar="D", help="default: %(default)s")
    add("--positions", type=int, default=size.positions, metavar="N",
        help="of a training step (default: %(default)s)")
    add("--modes", nargs="+", choices=DTYPES,
        help="default: float32, and bfloat16 where the processor has AMX")
    add("--only", nargs="+", default=list(NAMES), choices=NAMES, metavar="NAME",
        help=f"some of {', '.join(NAMES)} (default: all)")
    add("--label-smoothing", type=float, default=0.1, metavar="EPS", help="default: %(default)s")
    add("--rounds", type=int, default=11, metavar="N", help="calls of each step (default: %(default)s)")
    add("--seconds", type=float, default=3, metavar="S",
        help="no more calls of a step that has taken as long as this in three rounds (default: %(default)s)")
    add("--print", action="store_true", help="print the tables too")
    add("--results", type=Path, default=Path("docs/results/limits.jsonl"), metavar="FILE",
        help="default: %(default)s; rows of the same head, step and size are replaced")
    # fmt: on
    options = parser.parse_args(arguments)
    for name in ("features", "positions", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    if min(options.labels) < 100:
        parser.error(f"--labels must be at least 100, got {min(options.labels)}")
    return options


def has_amx() -> bool:
    """Whether the processor multiplies bfloat16 matrices in tiles; without that it is slower than float32."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())


def _keep(rows: list[Row], results: Path) -> None:
    """Puts rows into the file, in place of those that they replace."""
    new = {tuple(row[field] for field in KEY) for row in rows}
    before = [row for row in read_rows(results, KEY) if tuple(row[field] for field in KEY) not in new]
    write_rows(results, [*before, *rows])


if __name__ == "__main__":
    sys.exit(main())
