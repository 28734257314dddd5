"""Trained networks document by document: `python -m benchmarks.xmc.pairs RUN RUN …`.

RUN is the folder of a training by `python -m vision_xmc.xmc`; the first is what the others are compared
with. Precisions are compared on the same documents, so that the error of their difference is known, and the
output layers' passes are timed in turns on the same documents in one process. Writes a row for each
(.jsonl) and a table (.md).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.process import CommandError
from benchmarks.harness.results import Column, Row, markdown_table, mean_of, write_whole
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import measured_with, surroundings
from benchmarks.xmc.worker import passes
from vision_xmc.common.options import build
from vision_xmc.xmc.data.splits import Split, XmcData
from vision_xmc.xmc.model import XmcModel, load_model
from vision_xmc.xmc.options import XmcOptions
from vision_xmc.xmc.setup import load_data

CUTOFFS = (1, 3, 5)
PARTS = {"valid": "held out", "test": "test"}


def main(arguments: Sequence[str] | None = None) -> int:
    paragraphs = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.xmc.pairs", description=paragraphs[0], epilog=paragraphs[1]
    )
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads (default: %(default)s)")
    add("--results", type=Path, metavar="FILE", default=Path("docs/results/xmc-pairs.jsonl"))
    options = parser.parse_args(arguments)
    return guarded("benchmarks.xmc.pairs", lambda: _benchmark(options))


def _benchmark(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    data, batch = _common(options.runs)
    models = [load_model(run) for run in options.runs]
    times = passes(models, data.train, batch)
    hits = {name: [_hits(model, part) for model in models] for name, part in _parts(data).items()}
    rows = []
    for number, (run, milliseconds) in enumerate(zip(options.runs, times, strict=True)):
        row: Row = {"name": run.name, "threads": options.threads, "batch_size": batch}
        row |= {"passes_ms": milliseconds, "passes_ratio": milliseconds / times[0]}
        for part, found in hits.items():
            row[part] = {f"P@{k}": difference(found[number], found[0], k) for k in CUTOFFS}
            row[part]["documents"] = len(found[0])
        rows.append(row | surroundings("torch"))
        print(json.dumps(rows[-1]), flush=True)
    write_whole(options.results, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    write_whole(options.results.with_suffix(".md"), report(rows))


def _common(runs: Sequence[Path]) -> tuple[XmcData, int]:
    """The data of all trainings, and the documents of an update."""
    given = []
    for run in runs:
        path = run / "options.json"
        if not path.exists():
            raise CommandError(f"{run} is not the folder of a training: there is no {path.name} in it")
        given.append(json.loads(path.read_text(encoding="utf-8")))
    for name in ("dataset", "data_path", "documents", "valid_size", "test_size", "data_seed", "batch_size"):
        found = [options[name] for options in given]
        if any(value != found[0] for value in found):
            shown = name.replace("_", "-")
            raise CommandError(f"the trainings have different --{shown}: {', '.join(map(str, found))}")
    return load_data(build(XmcOptions, given[0]), print), given[0]["batch_size"]


def _parts(data: XmcData) -> dict[str, Split]:
    return {name: part for name in PARTS if (part := getattr(data, name)) is not None}


def _hits(model: XmcModel, part: Split) -> np.ndarray:
    """Which of the five best labels are right: `(documents, 5)` bool."""
    _, labels = model.predict(part.documents, max(CUTOFFS))
    return np.stack([np.isin(row.numpy(), part.sets[number]) for number, row in enumerate(labels)])


def difference(hits: np.ndarray, base: np.ndarray, k: int) -> dict[str, float | None]:
    """P@k, how much above the base's it is, and that difference's standard error over documents."""
    own, other = (found[:, :k].mean(1, dtype=float) for found in (hits, base))
    mean, error = mean_of((own - other).tolist())
    return {"value": own.mean(), "difference": mean, "standard_error": error}


def _cell(row: Row, part: str, name: str) -> str:
    found = row[part][name]
    text = f"{100 * found['value']:.2f}"
    if not found["standard_error"]:
        return text
    return f"{text} ({100 * found['difference']:+.2f} ± {100 * found['standard_error']:.2f})"


def report(rows: Sequence[Row]) -> str:
    """The text of the .md file."""
    columns: list[Column] = [("training", lambda row: row["name"])]
    for part, title in PARTS.items():
        if part in rows[0]:
            columns += [
                (f"{title}, P@{k}", lambda row, part=part, k=k: _cell(row, part, f"P@{k}"))  # type: ignore[misc]
                for k in CUTOFFS
            ]
    columns.append(("passes, ms", lambda row: f"{row['passes_ms']:.1f}"))
    columns.append(("of the first's", lambda row: f"{row['passes_ratio']:.2f}"))
    counts = ", ".join(
        f"{title}: {rows[0][part]['documents']:,}" for part, title in PARTS.items() if part in rows[0]
    )
    return f"""# Extreme multi-label classifiers, document by document

{markdown_table(rows, columns)}

Precisions in per cent; in parentheses the difference to the first, with its standard error over documents
({counts}). "Passes" are the forward and backward passes of the output layer for
an update of {rows[0]["batch_size"]} documents: processor time, median, the models by turns on the same
documents in one process.

{measured_with(rows)} By `python -m benchmarks.xmc.pairs`, on the folders of the trainings.
"""


if __name__ == "__main__":
    sys.exit(main())
