"""The page of `benchmarks.vocabulary`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.results import Column, Row, markdown_table, write_whole
from benchmarks.vocabulary.layers import BASELINE, LAYERS, MANY_LABELS
from benchmarks.vocabulary.measure import RATE
from benchmarks.vocabulary.models import FEATURES, HIDDEN, MOST_LOGITS
from benchmarks.vocabulary.orders import DIMENSIONS
from benchmarks.vocabulary.plot import plot


def write_report(rows: Sequence[Row], page: Path, results: Path) -> None:
    """Writes `page`, and the plot beside `results`."""
    if not rows:
        return
    picture = results.with_suffix(".png")
    plot(rows, picture)
    write_whole(page, report(rows, *(os.path.relpath(path, page.parent) for path in (picture, results))))


def report(rows: Sequence[Row], picture: str, results: str) -> str:
    """The text of the page; `picture` and `results` as it names them."""
    by_size = [
        [row for row in rows if row["labels"] == size] for size in sorted({row["labels"] for row in rows})
    ]
    first = rows[0]
    machines = "; ".join(dict.fromkeys(f"{row['processor']}, {row['threads']} thread" for row in rows))
    total = sum(row["cpu_seconds"] for row in rows) / 60
    updates = "; ".join(
        f"{own[0]['updates_of_most']:,} of {own[0]['batch']:,} positions for V = {own[0]['labels']:,}"
        for own in by_size
    )
    tables = "\n\n".join(_section(own) for own in by_size)
    return f"""# Large vocabularies

Written by `python -m benchmarks.vocabulary` from [{os.path.basename(results)}]({results}), which has the
command of every row. {machines}, beside other work; torch {first["versions"]["torch"]}, float32. All rows
together: {total:.0f} minutes of processor time.

The text is generated: a word of `V` after two context words, by a source whose distribution is known, so
that what a model gives away is known too. Word frequencies follow Zipf's law. Each word belongs to one of
512 cells (topic × form), whatever its frequency, and the context asks for "this topic in this form, or that
topic in that form"; `benchmarks/vocabulary/source.py` has the formula. The network below is
the same for all (two embeddings, one hidden layer of {HIDDEN}, {FEATURES} features), and so are the
batches, in which every position is new: updates are {updates}. Adam, one learning rate for all ({RATE:g}),
seed {first["seed"]}.

{_best(by_size)}

![excess against parameters and against time of training]({picture})

- *excess*: bits a word above the source's own likelihood of the same {first["held_out"]:,} held-out words
  (± standard error); the source itself has 0. One seed: differences of two or three standard errors are
  none.
- Label orders: by frequency, as in a dictionary, where nothing is said; *clustered*: balanced clusters
  learned from the training text as `python -m data_prep order` learns them (PPMI-SVD, {DIMENSIONS}
  dimensions), words that it lacks at random; *cells*: by the source's own cells, which no real corpus gives
  away, the best case.
- *sampling*: in training a softmax over the batch's own words and 5 % of the others, drawn in blocks; a full
  softmax in prediction. *8 prototypes*: as many weight vectors for each first digit.
- *peaks*: by how much the process grows in training (weights, gradients, Adam's two moments, activations),
  and in finding the best words of {first["predict_positions"]} positions.
- *update*, *prediction*: medians in milliseconds of processor time, of a whole update with forward pass,
  backward pass and Adam, and of the best words of {first["predict_positions"]} positions; in brackets the
  part of the full softmax's.
- The full softmax is torch's linear layer and cross entropy, the adaptive softmax torch's
  `AdaptiveLogSoftmaxWithLoss` with the cutoffs 10·√V and the geometric mean of that and V, four times
  smaller features a cluster. Where a batch has more than {MOST_LOGITS:,} logits, the full softmax takes it
  in parts; above {MANY_LABELS:,} labels it gets a few updates only, for its time and memory.

{tables}
"""


def _best(by_size: Sequence[Sequence[Row]]) -> str:
    """What each vocabulary size has to offer; orders that no corpus gives away are left out."""
    found = [_offer(own) for own in by_size if any(row["name"] == BASELINE for row in own)]
    titles = {
        "V": "V", "full": BASELINE, "least": "least excess", "small": "least with a tenth of its parameters",
        "fast": "fastest update at its excess (+ 3 standard errors)",
    }  # fmt: skip
    return markdown_table(found, [(title, lambda row, key=key: row[key]) for key, title in titles.items()])


def _offer(rows: Sequence[Row]) -> Row:
    base = next(row for row in rows if row["name"] == BASELINE)
    real = [row for row in rows if LAYERS[row["name"]].order != "cells" and _is_trained(row)]
    small = [row for row in real if 10 * row["parameters"] <= base["parameters"]]
    level = base["excess_bits"] + 3 * base["excess_error_bits"]
    kept = [row for row in real if row["excess_bits"] <= level] if _is_trained(base) else []
    cost = f"{_short(base['parameters'] / 1e6)} M parameters, {_short(base['step_ms'])} ms"
    excess = f"{base['excess_bits']:.2f} bits" if _is_trained(base) else "not trained"

    def least(among: Sequence[Row], key: str) -> str:
        return _told(min(among, key=lambda row: row[key]), base) if among else "–"

    return {
        "V": f"{base['labels']:,}", "full": f"{excess}, {cost}", "least": least(real, "excess_bits"),
        "small": least(small, "excess_bits"), "fast": least(kept, "step_ms"),
    }  # fmt: skip


def _is_trained(row: Row) -> bool:
    return bool(row["updates"] == row["updates_of_most"])


def _told(row: Row, base: Row) -> str:
    if row is base:
        return f"{row['name']}"
    parts = [_short(row[key] / base[key]) + "×" for key in ("parameters", "step_ms")]
    return f"{row['name']}: {row['excess_bits']:.2f} bits, parameters {parts[0]}, time {parts[1]}"


def _section(rows: Sequence[Row]) -> str:
    rows = sorted(rows, key=lambda row: list(LAYERS).index(row["name"]))
    first = rows[0]
    return f"""## V = {first["labels"]:,}

Entropy {first["entropy_bits"]:.3f} bits a word ({first["source_bits"]:.3f} of the held-out words), best
possible accuracy {100 * first["best_accuracy"]:.1f} %; the true frequencies without any context have an
excess of {first["unigram_excess_bits"]:.3f} bits, and the least excess below is {_share(rows)} of that.
{first["types_seen"]:,} different words occur in the
{first["updates_of_most"] * first["batch"]:,} positions of training.

{markdown_table(rows, _columns(rows))}"""


def _share(rows: Sequence[Row]) -> str:
    least = min(row["excess_bits"] for row in rows)
    return f"{100 * least / rows[0]['unigram_excess_bits']:.0f} %"


def _columns(rows: Sequence[Row]) -> list[Column]:
    base = next((row for row in rows if row["name"] == BASELINE), None)

    def time(field: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            ratio = f" ({_short(row[field] / base[field])}×)" if base else ""
            return f"{_short(row[field])}{ratio}"

        return cell

    return [
        ("output layer", _name),
        ("excess, bits", _excess),
        ("accuracy, %", lambda row: f"{100 * row['accuracy']:.1f}" if _is_trained(row) else "–"),
        ("parameters", lambda row: f"{row['parameters']:,}"),
        ("peak in training, MB", lambda row: _short(row["peak_mb"])),
        ("in prediction, MB", lambda row: _short(row["predict_peak_mb"])),
        ("update, ms", time("step_ms")),
        ("prediction, ms", time("predict_ms")),
    ]


def _excess(row: Row) -> str:
    return f"{row['excess_bits']:.3f} ± {row['excess_error_bits']:.3f}" if _is_trained(row) else "–"


def _name(row: Row) -> str:
    return row["name"] if _is_trained(row) else f"{row['name']}, {row['updates']} updates"


def _short(value: float) -> str:
    """Three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
