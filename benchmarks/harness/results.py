"""Result rows: a .jsonl file that keeps them, a table that shows them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.names import in_words
from mhe_nmt.files import replacing

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]
#: A mean and its standard error; `None` where there is only one value.
Mean = tuple[float, float | None]

OUTPUT_LAYER: Column = ("output layer", lambda row: in_words(row["name"]))


def mean_of(values: Sequence[float]) -> Mean:
    """The mean, and its standard error: the standard deviation (divisor n - 1) over √n."""
    if len(values) < 2:
        return statistics.fmean(values), None
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def append_row(path: Path, row: Row) -> None:
    """Adds a row to a .jsonl file; an interruption leaves the file as it was."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    write_whole(path, before + json.dumps(row, ensure_ascii=False) + "\n")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Writes a .jsonl file from the start."""
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_json(path: Path, content: Any) -> None:
    """Writes a whole .json file or none."""
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


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


def read_json(path: Path) -> list[Row]:
    """The rows of a .json file; [] without a file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def score_at(row: Row, length_penalty: float) -> Row | None:
    """The row's scores with one length penalty, if it has them."""
    return next((score for score in row["scores"] if score["lenpen"] == length_penalty), None)


def scored(name: str, length_penalty: float = 1.0) -> Callable[[Row], str]:
    """The cell of a score."""

    def cell(row: Row) -> str:
        score = score_at(row, length_penalty)
        return f"{score[name]:.2f}" if score else "–"

    return cell


def own_parameters(row: Row) -> str:
    """The output layer's own parameters, and those it shares with the embedding."""
    unshared = f"{row['output_layer_parameters']:,}"
    shared = row["output_layer_shared_parameters"]
    return f"{unshared} + {shared:,} shared" if shared else unshared


def percent(share: float) -> str:
    """`0.9532` as `95.3%`, and 1 as `100%` only if it is exactly that."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}%"
    return f"{100 * share:.1f}%" if 0.001 <= share <= 0.999 else f"{100 * share:.2f}%"


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


def measured_with(rows: Sequence[Row]) -> str:
    """A sentence about versions and machines."""
    numbers = ", ".join(f"{package} {number}" for package, number in rows[-1]["versions"].items())
    threads = dict.fromkeys((row["processor"], row["threads"]) for row in rows)
    machines = "; ".join(f"{name}, {count} thread{'s' * (count > 1)}" for name, count in threads)
    return f"Measured with {numbers}, on {machines}."
