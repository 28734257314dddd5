"""Result rows: a .jsonl file that keeps them, a table that shows them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mhe_nmt.files import replacing

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]
#: A mean and its standard error; `None` where there is one value only.
Mean = tuple[float, float | None]


def mean_of(values: Sequence[float]) -> Mean:
    """The mean, and its standard error: the standard deviation (divisor n - 1) over √n."""
    if len(values) < 2:
        return statistics.fmean(values), None
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def append_row(path: Path, row: Row) -> None:
    """Adds a row to a .jsonl file, which is replaced as a whole."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    write_whole(path, before + json.dumps(row, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a whole text file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_rows(path: Path, key: Sequence[str] = ("name", "seed")) -> list[Row]:
    """The latest row of each value of `key`, in the order in which they first came; [] without a file."""
    latest: dict[tuple[Any, ...], Row] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            latest[tuple(row[field] for field in key)] = row
    return list(latest.values())


def score_at(row: Row, length_penalty: float) -> Row | None:
    """The row's scores with one length penalty, if it has them."""
    return next((score for score in row["scores"] if score["lenpen"] == length_penalty), None)


def _scored(length_penalty: float, name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        score = score_at(row, length_penalty)
        return f"{score[name]:.2f}" if score else "–"

    return cell


def own_parameters(row: Row) -> str:
    """What the output layer adds, and what it borrows from the embedding."""
    own = f"{row['output_layer_parameters']:,}"
    shared = row["output_layer_shared_parameters"]
    return f"{own} + {shared:,} shared" if shared else own


def updates(row: Row) -> str:
    """How many the training had, by its command."""
    return f"{int(row['commands'][0].split('--max-update ')[1].split()[0]):,}"


def columns(length_penalties: Sequence[float]) -> list[Column]:
    """The columns of the table, with BLEU for each length penalty."""
    first = length_penalties[0]
    return [
        ("output layer", lambda row: row["name"]),
        ("its parameters", own_parameters),
        ("val nll (bits)", lambda row: f"{row['valid_nll_bits']:.3f}"),
        *((f"BLEU, lenpen {penalty:g}", _scored(penalty, "bleu")) for penalty in length_penalties),
        ("chrF++", _scored(first, "chrf++")),
    ]


def markdown_table(rows: Sequence[Row], shown: Sequence[Column]) -> str:
    """A pipe table, with the first column to the left and the rest to the right."""
    lines = [
        "| " + " | ".join(title for title, _ in shown) + " |",
        "|" + "|".join("---" if i == 0 else "--:" for i in range(len(shown))) + "|",
    ]
    lines += ["| " + " | ".join(cell(row) for _, cell in shown) + " |" for row in rows]
    return "\n".join(lines)


def signatures(rows: Sequence[Row]) -> list[str]:
    """Every sacrebleu signature among the rows, BLEU's first."""
    names = ("bleu_signature", "chrf++_signature")
    return list(dict.fromkeys(score[name] for name in names for row in rows for score in row["scores"]))
