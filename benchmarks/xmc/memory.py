"""Memory and time of an update as the label space grows: `python -m benchmarks.xmc.memory`.

It generates bags of words with up to three million labels, on which `python -m vision_xmc.xmc` trains for
some updates. The largest resident set of that process is the memory it needed, including data and
checkpoint. Rows go to the results file (.jsonl), from which a table and a plot are made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.harness.pages import publish
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.process import ROOT, CommandError, peak_bytes, shown
from benchmarks.harness.recipe import recipe, script
from benchmarks.harness.results import Column, Row, append_row, markdown_table, read_rows
from benchmarks.harness.runner import processor_name
from benchmarks.harness.trainings import folder_of

LABELS = (10_000, 100_000, 1_000_000, 3_000_000)
TERMS = 20_000
PER_DOCUMENT = 5
HEADS = {
    "MHC": "--sparse-labels --candidates-topk 8",
    "MHC, dense gradients": "--candidates-topk 8",
    "one-vs-all": "--num-groups 0",
}


def main(arguments: Sequence[str] | None = None) -> int:
    paragraphs = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.xmc.memory", description=paragraphs[0], epilog=paragraphs[1]
    )
    # fmt: off
    add = parser.add_argument
    add("--labels", type=int, nargs="+", default=LABELS, metavar="V", help="default: %(default)s")
    add("--heads", nargs="+", choices=list(HEADS), default=list(HEADS), metavar="HEAD",
        help=f"some of {', '.join(HEADS)}")
    add("--features", type=int, default=64, metavar="D", help="numbers per label (default: %(default)s)")
    add("--batch-size", type=int, default=64, metavar="N", help="default: %(default)s")
    add("--updates", type=int, default=30, metavar="N", help="default: %(default)s")
    add("--threads", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--runs", type=Path, default=Path("runs/xmc-memory"), metavar="DIR", help="default: %(default)s")
    add("--results", type=Path, default=Path("docs/results/xmc-memory.jsonl"), metavar="FILE",
        help="default: %(default)s")
    # fmt: on
    options = parser.parse_args(arguments)
    try:
        for labels in options.labels:
            for head in options.heads:
                row = _measured(options, head, labels)
                append_row(options.results, row)
                write_report(options.results)
                print(f"{head}, {labels:,} labels: {row['peak_bytes'] / 2**30:.2f} GiB", flush=True)
    except CommandError as error:
        print(f"benchmarks.xmc.memory: error: {error}", file=sys.stderr)
        return 1
    return 0


def generate(path: Path, labels: int, seed: int = 1) -> None:
    """Writes ``path.X.npz`` and ``path.Y.npz``; each label has a document, shared with its neighbours."""
    documents = max(2000, -(-labels // PER_DOCUMENT))
    random = np.random.default_rng(seed)
    true_labels = np.arange(documents * PER_DOCUMENT) % labels
    offsets = np.arange(documents + 1) * PER_DOCUMENT
    y = sparse.csr_array(
        (np.ones(len(true_labels), dtype=np.float32), true_labels, offsets), shape=(documents, labels)
    )
    # Half of a document's terms belong to its first label's neighbourhood, the others are random.
    near = (true_labels[::PER_DOCUMENT, None] // 50 * 7 + np.arange(10)) % TERMS
    terms = np.concatenate((near, random.integers(0, TERMS, (documents, 10))), axis=1)
    ones = np.ones(terms.size, dtype=np.float32)
    x = sparse.csr_array((ones, terms.ravel(), np.arange(documents + 1) * 20), shape=(documents, TERMS))
    x.sum_duplicates()
    path.parent.mkdir(parents=True, exist_ok=True)
    for letter, matrix in (("X", x), ("Y", y)):
        sparse.save_npz(path.with_name(f"{path.name}.{letter}.npz"), matrix, compressed=False)


def _measured(options: argparse.Namespace, head: str, labels: int) -> Row:
    data = (options.runs / f"labels-{labels}").resolve()
    if not data.with_name(f"{data.name}.Y.npz").exists():
        generate(data, labels)
    output = data.with_name(f"{data.name}-{folder_of(head)}")
    command = [
        sys.executable, "-m", "vision_xmc.xmc", "--dataset", str(data), "--valid-size", "0", "--test-size",
        "64", "--label-order", "given", "--bow-features", str(options.features), "--batch-size",
        str(options.batch_size), "--eval-batch-size", "64", "--max-steps", str(options.updates),
        *HEADS[head].split(), "--cache-dir", str(data.parent / "cache"), "--no-progress", "--restart",
        "--output", str(output),
    ]  # fmt: skip
    print(f"$ {shown(command)}", flush=True)
    output.mkdir(parents=True, exist_ok=True)
    threads = str(options.threads)
    with (output / "log.txt").open("w") as log:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        peak = 0
        while child.poll() is None:
            # It only grows, so only the growth of the last twentieth of a second may be missed.
            peak = max(peak, peak_bytes(child.pid))
            time.sleep(0.05)
    if child.returncode:
        raise CommandError(f"the training failed (log: {shown([str(output / 'log.txt')])})")
    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    (output / "last.pt").unlink()
    return {
        "name": head,
        "seed": labels,
        "labels": labels,
        "peak_bytes": peak,
        "parameters": result["parameters"],
        "seconds": result["train_seconds"] / result["updates"],
        "batch_size": options.batch_size,
        "features": options.features,
        "threads": options.threads,
        **recipe([command]),
        "processor": processor_name(),
    }


COLUMNS: list[Column] = [
    ("output layer", lambda row: row["name"]),
    ("labels", lambda row: f"{row['labels']:,}"),
    ("parameters", lambda row: f"{row['parameters']:,}"),
    ("peak memory", lambda row: f"{row['peak_bytes'] / 2**30:.2f} GiB"),
    ("per update", lambda row: f"{1000 * row['seconds']:,.0f} ms"),
]


def write_report(results: Path) -> None:
    """Writes the table, the commands and the plot of a results file."""
    rows = _ordered(results)
    titled = [(f"{row['name']}, {row['labels']:,} labels", row) for row in rows]
    publish(results, tables(results), script(titled))
    panels = (("largest resident set (GiB)", "peak_bytes", 2**30), ("an update (s)", "seconds", 1))
    figure, (axes,) = subplots(1, 2, width=4.5, height=3.6)
    for axis, (title, key, unit) in zip(axes, panels, strict=True):
        for head in HEADS:
            points = [row for row in rows if row["name"] == head]
            if points:
                values = [row[key] / unit for row in points]
                axis.loglog([row["labels"] for row in points], values, marker="o", label=head)
        axis.set_xlabel("labels")
        axis.set_title(title)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    save(figure, results.with_suffix(".png"))


def tables(results: Path) -> dict[str, str]:
    """The table of a results file, and its setting."""
    rows = _ordered(results)
    some = rows[-1]
    setting = (
        f"{some['features']} features, batches of {some['batch_size']}, on {some['processor']}, "
        f"{some['threads']} thread(s)."
    )
    return {results.stem: f"{markdown_table(rows, COLUMNS)}\n\n{setting}"}


def _ordered(results: Path) -> list[Row]:
    return sorted(read_rows(results), key=lambda row: (list(HEADS).index(row["name"]), row["labels"]))


if __name__ == "__main__":
    sys.exit(main())
