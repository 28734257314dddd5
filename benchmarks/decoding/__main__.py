"""Times decoding through every output layer and vocabulary size: `python -m benchmarks.decoding WORK_DIR`.

For each vocabulary size and output layer it measures the output layer's part of a decoding step (in this
process) and `fairseq-generate` as a whole (in a process of its own). Rows that are in the results file are
not measured again. Tables and a plot are made from that file.
"""

from __future__ import annotations

import argparse
import gc
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.decoding.models import OUTPUT_LAYERS, batches, build, make_data
from benchmarks.decoding.report import KEY, write_report
from benchmarks.decoding.step import measure
from benchmarks.harness.process import USER_DIR, CommandError, run_logged, tool
from benchmarks.harness.recipe import recipe
from benchmarks.harness.results import Row, append_row, read_rows
from benchmarks.harness.trainings import surroundings

SIZES = (8_192, 32_768, 131_072, 524_288, 1_048_576)
_TRANSLATED = re.compile(r"Translated [\d,]+ sentences \([\d,]+ tokens\) in ([\d.]+)s \(([\d.]+) sentences/s")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decoding",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[1],
    )
    add = parser.add_argument
    # fmt: off
    add("work_dir", type=Path, metavar="WORK_DIR", help="for data and checkpoints, up to 6 GB at a time")
    add("--sizes", default=",".join(map(str, SIZES)), metavar="V,V,...", help="default: %(default)s")
    add("--layers", nargs="+", default=list(OUTPUT_LAYERS), choices=OUTPUT_LAYERS, metavar="NAME",
        help=f"some of {', '.join(OUTPUT_LAYERS)} (default: all)")
    add("--sentences", type=int, default=64, metavar="N", help="per batch (default: %(default)s)")
    add("--beam", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--length", type=int, default=20, metavar="N", help="of every translation (default: %(default)s)")
    add("--repeats", type=int, default=9, metavar="N", help="of every step (default: %(default)s)")
    add("--nats", type=float, default=2.4, metavar="H",
        help="mean entropy of the models' distributions (default: %(default)s, as in trained models)")
    add("--threads", type=int, default=torch.get_num_threads(), metavar="N", help="default: %(default)s")
    add("--results", type=Path, default=Path("docs/results/decoding.jsonl"), metavar="FILE",
        help="default: %(default)s; tables and a plot are written next to it")
    # fmt: on
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        for size in (int(part) for part in options.sizes.split(",")):
            for name in options.layers:
                done = read_rows(options.results, KEY)
                if any(row["name"] == name and row["labels"] == size for row in done):
                    continue
                row = measured(name, size, options)
                append_row(options.results, row)
                print(
                    f"{size} {name}: {row['step_ms']:.1f} ms, {row['sentences_per_s']} sentences/s",
                    flush=True,
                )
        write_report(options.results)
    except CommandError as error:
        sys.exit(f"error: {error}")


def measured(name: str, size: int, options: argparse.Namespace) -> Row:
    """One row: the output layer ``name`` over ``size`` labels."""
    folder = options.work_dir / str(size)
    data = make_data(folder, size, 2 * options.sentences)
    built = build(name, data, size, options.nats)
    batch = next(batches(built.task, options.sentences))
    row = {
        "name": name,
        "labels": size,
        "output_parameters": built.output_parameters,
        **measure(built.model, built.task, batch, options.beam, options.repeats),
    }
    checkpoint = folder / "checkpoint.pt"
    built.save(checkpoint)
    task = built.task_name
    del built, batch
    gc.collect()
    row.update(generate(data, checkpoint, task, options))
    checkpoint.unlink()
    if name == list(OUTPUT_LAYERS)[-1]:
        shutil.rmtree(folder)
    row.update(
        sentences=options.sentences, beam=options.beam, length=options.length, nats=options.nats,
        threads=options.threads,
    )  # fmt: skip
    return row | surroundings("torch")


def generate(data: Path, checkpoint: Path, task: str, options: argparse.Namespace) -> dict[str, Any]:
    """Runs fairseq-generate; all translations have one length, so that all output layers do equal work."""
    length = str(options.length)
    command = [
        tool("fairseq-generate"), str(data), "--user-dir", str(USER_DIR), "--task", task,
        "--source-lang", "xx", "--target-lang", "yy", "--path", str(checkpoint), "--cpu",
        "--beam", str(options.beam), "--batch-size", str(options.sentences),
        "--min-len", length, "--max-len-a", "0", "--max-len-b", length, "--no-progress-bar",
    ]  # fmt: skip
    reported: list[tuple[str, ...]] = []

    def look(line: str) -> None:
        match = _TRANSLATED.search(line)
        if match:
            reported.append(match.groups())

    took = run_logged(command, data.parent / "generate.log", threads=options.threads, on_line=look)
    if not reported:
        raise CommandError(f"fairseq-generate did not report its speed (log: {data.parent / 'generate.log'})")
    seconds, speed = map(float, reported[-1])
    return {
        "generate_s": seconds,
        "sentences_per_s": speed,
        "generate_wall_s": took.seconds,
        **recipe([command]),
    }


if __name__ == "__main__":
    main()
