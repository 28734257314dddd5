"""How many prefixes beam search must open: `python -m benchmarks.decoding.certificates DATA RUN [RUN ...]`.

Each RUN is a folder with a checkpoint_best.pt, such as those that benchmarks.translation leaves. Sentences of
the test set are translated in the way of a device, by rounds that open a fixed number of a sentence's
prefixes. For several such numbers the share of sentence steps is counted that the first round completes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.decoding.models import batches
from benchmarks.decoding.trained import load
from benchmarks.harness.pages import publish
from benchmarks.harness.results import OUTPUT_LAYER, Row, markdown_table, read_json, write_json
from mhe_nmt import waiting
from mhe_nmt.heads import budget

BUDGETS = (16, 64, budget.FIRST_BUDGET)


class Counts:
    """Sentence steps, and those that a first round completes, by its number of prefixes or candidates."""

    def __init__(self) -> None:
        self.steps = 0
        self.complete: Counter[int] = Counter()
        self._round = budget._one_round

    def one_round(self, codec: Any, first: Any, expand: Any, query: Any, opened: int) -> Any:
        """In place of the search's own: tries all budgets where it is the first round."""
        if opened == budget.FIRST_BUDGET:
            self.steps += len(query.scores)
            for size in BUDGETS:
                found = self._round(codec, first, expand, query, size)
                self.complete[size] += int(found.complete.sum())
        return self._round(codec, first, expand, query, opened)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decoding.certificates", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    # fmt: off
    add("data", type=Path, metavar="DATA")
    add("runs", type=Path, nargs="+", metavar="RUN")
    add("--batches", type=int, default=4, metavar="N", help="to translate (default: %(default)s)")
    add("--sentences", type=int, default=64, metavar="N", help="per batch (default: %(default)s)")
    add("--beam", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--results", type=Path, default=Path("docs/results/decoding-certificates.json"), metavar="FILE",
        help="default: %(default)s; runs of other corpora stay in it")
    # fmt: on
    options = parser.parse_args()
    kept = read_json(options.results) if options.results.exists() else []
    rows = [measured(run, options) for run in options.runs]
    new = {(row["corpus"], row["name"]) for row in rows}
    write_json(options.results, [*(r for r in kept if (r["corpus"], r["name"]) not in new), *rows])
    publish(options.results, tables(options.results))
    print(*tables(options.results).values())


def measured(run: Path, options: argparse.Namespace) -> Row:
    """The row of one trained model."""
    model, task, candidates = load(run, options.data)
    generator = candidates.build_generator([model], argparse.Namespace(beam=options.beam))
    counts = Counts()
    as_on_a_device = mock.patch.object(waiting, "may_wait", return_value=False)
    with torch.no_grad(), as_on_a_device, mock.patch.object(budget, "_one_round", counts.one_round):
        for batch, _ in zip(batches(task, options.sentences), range(options.batches), strict=False):
            generator.generate([model], batch)
    return {
        "name": run.name,
        "corpus": options.data.name.split(".")[0],
        "labels": len(task.target_dictionary),
        "sentence_steps": counts.steps,
        "complete": {str(size): counts.complete[size] / counts.steps for size in BUDGETS},
    }


def tables(results: Path) -> dict[str, str]:
    """The table of a results file."""
    columns = [
        OUTPUT_LAYER,
        ("corpus", lambda row: row["corpus"]),
        ("V", lambda row: f"{row['labels']:,}"),
        ("sentence steps", lambda row: f"{row['sentence_steps']:,}"),
        *((f"{size} prefixes", _share(size)) for size in BUDGETS),
    ]
    return {results.stem: markdown_table(read_json(results), columns)}


def _share(size: int) -> Any:
    return lambda row: f"{100 * row['complete'][str(size)]:.1f} %"


if __name__ == "__main__":
    main()
