"""The memory that training takes with each output layer: `python -m
benchmarks.translation.train_memory CORPUS`.

CORPUS is one that `python -m benchmarks.translation` has prepared. fairseq-train trains each output layer for
some updates in a process of its own, and the peak of that process is kept: once without validation and once
with it, because sampling is a full softmax in validation. Unlike in benchmarks.translation, freed memory goes
back to the kernel, so that a peak is what is held at one time. Everything runs in float32: in bfloat16 oneDNN
keeps code for every shape of batch, hundreds of megabytes with any output layer, and not all output layers
support it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.harness.process import USER_DIR, run_logged, shown, tool
from benchmarks.harness.results import Row, write_json
from benchmarks.harness.sweep import guarded
from benchmarks.translation.corpora import (
    CORPORA,
    add_prepared_corpus,
    memory_file,
    prepared_folder,
    results_of,
    train_options,
)
from benchmarks.translation.heads import data_of, make_ordered_folder


def main() -> int:
    options = _parser().parse_args()
    return guarded("benchmarks.translation.train_memory", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation.train_memory", description=__doc__.split("\n")[0]
    )
    add_prepared_corpus(parser)
    # fmt: off
    add = parser.add_argument
    add("--updates", type=int, default=30, metavar="N", help="default: %(default)s")
    add("--runs", type=Path, default=None, metavar="DIR", help="folder of the logs (default: runs/CORPUS)")
    add("--results", type=Path, default=None, metavar="FILE", help="default: docs/results/CORPUS-memory.json")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    data = (options.data or prepared_folder(options.corpus)).resolve()
    results = options.results or memory_file(results_of(options.corpus))
    runs = options.runs or Path(f"runs/{options.corpus}")
    if any(data_of(name, data) != data for name in options.only):
        make_ordered_folder(data, runs / "order.log")
    rows: list[Row] = []
    for name in options.only:
        row: Row = {"name": name, "updates": options.updates}
        flags = train_options(CORPORA[options.corpus], name, data, options.updates, bf16=False)
        for key, more in (("train_peak_bytes", ["--disable-validation"]), ("peak_bytes", [])):
            command = [
                tool("fairseq-train"), str(data_of(name, data)), "--user-dir", str(USER_DIR), "--cpu",
                "--no-save", *flags, *more,
            ]  # fmt: skip
            print(f"$ {shown(command)}", flush=True)
            row[key] = run_logged(command, runs / f"memory-{name}.log").peak_bytes
        print(f"  {row}", flush=True)
        rows.append(row)
        write_json(results, rows)


if __name__ == "__main__":
    sys.exit(main())
