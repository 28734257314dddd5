"""Trained networks document by document: `python -m benchmarks.xmc.pairs RUN RUN …`.

RUN is the folder of a training by `python -m vision_xmc.xmc`; the others are compared with the first.
Precisions are compared on the same documents, so that the error of their difference is known. The output
layers' passes are timed in turns on the same documents in one process. Rows go to the results file
(.jsonl), from which tables are made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.pages import publish
from benchmarks.harness.process import CommandError
from benchmarks.harness.results import (
    Column,
    Row,
    markdown_table,
    mean_of,
    measured_with,
    read_rows,
    write_rows,
)
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import surroundings
from benchmarks.xmc.worker import passes
from mhe_nmt.options import build
from vision_xmc.xmc.data.splits import Split, XmcData
from vision_xmc.xmc.model import XmcModel, load_model
from vision_xmc.xmc.options import XmcOptions
from vision_xmc.xmc.setup import load_data

CUTOFFS = (1, 3, 5)
PARTS = ("valid", "test")


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
        for part, of_models in hits.items():
            row[part] = {f"P@{k}": difference(of_models[number], of_models[0], k) for k in CUTOFFS}
            row[part]["documents"] = len(of_models[0])
        rows.append(row | surroundings("torch"))
        print(json.dumps(rows[-1]), flush=True)
    write_rows(options.results, rows)
    publish(options.results, tables(options.results))


def _common(runs: Sequence[Path]) -> tuple[XmcData, int]:
    """The data of all trainings, and the number of documents per update."""
    given = []
    for run in runs:
        path = run / "options.json"
        if not path.exists():
            raise CommandError(f"{run} is not the folder of a training: there is no {path.name} in it")
        given.append(json.loads(path.read_text(encoding="utf-8")))
    for name in ("dataset", "data_path", "documents", "valid_size", "test_size", "data_seed", "batch_size"):
        values = [options[name] for options in given]
        if any(value != values[0] for value in values):
            shown = name.replace("_", "-")
            raise CommandError(f"the trainings have different --{shown}: {', '.join(map(str, values))}")
    return load_data(build(XmcOptions, given[0]), print), given[0]["batch_size"]


def _parts(data: XmcData) -> dict[str, Split]:
    return {name: part for name in PARTS if (part := getattr(data, name)) is not None}


def _hits(model: XmcModel, part: Split) -> np.ndarray:
    """Whether each of the five best labels is right, `(documents, 5)` bool."""
    _, labels = model.predict(part.documents, max(CUTOFFS))
    return np.stack([np.isin(row.numpy(), part.sets[number]) for number, row in enumerate(labels)])


def difference(hits: np.ndarray, base: np.ndarray, k: int) -> dict[str, float | None]:
    """P@k, its difference to the base's, and the standard error of the difference over documents."""
    precision, base_precision = (right[:, :k].mean(1, dtype=float) for right in (hits, base))
    mean, error = mean_of((precision - base_precision).tolist())
    return {"value": precision.mean(), "difference": mean, "standard_error": error}


def _cell(row: Row, part: str, name: str) -> str:
    score = row[part][name]
    text = f"{100 * score['value']:.2f}"
    if not score["standard_error"]:
        return text
    return f"{text} ({100 * score['difference']:+.2f} ± {100 * score['standard_error']:.2f})"


def tables(results: Path) -> dict[str, str]:
    """A table for each part of the documents, and one of the passes."""
    rows = read_rows(results, ("name",))
    name: Column = ("training", lambda row: row["name"])
    named = {}
    for part in PARTS:
        if part in rows[0]:
            columns: list[Column] = [
                (f"P@{k}, %", lambda row, part=part, k=k: _cell(row, part, f"P@{k}"))  # type: ignore[misc]
                for k in CUTOFFS
            ]
            table = markdown_table(rows, [name, *columns])
            named[part] = f"{table}\n\n{rows[0][part]['documents']:,} documents."
    passes: list[Column] = [
        ("passes, ms", lambda row: f"{row['passes_ms']:.1f}"),
        ("to the first", lambda row: f"{row['passes_ratio']:.2f}"),
    ]
    setting = f"{rows[0]['batch_size']} documents per update. {measured_with(rows)}"
    named["passes"] = f"{markdown_table(rows, [name, *passes])}\n\n{setting}"
    return {f"{results.stem}-{key}": text for key, text in named.items()}


if __name__ == "__main__":
    sys.exit(main())
