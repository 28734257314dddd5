"""Tables and plot of `benchmarks.decoding`: a row per output layer, a column per vocabulary size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.decoding.models import OUTPUT_LAYERS, PEERS
from benchmarks.harness.names import TIED_SOFTMAX, in_words
from benchmarks.harness.pages import publish
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.recipe import script
from benchmarks.harness.results import OUTPUT_LAYER, Column, Row, markdown_table, measured_with, read_rows

KEY = ("name", "labels")


def write_report(results: Path) -> None:
    """Writes the tables, the commands and the plot of a results file."""
    rows = read_rows(results, KEY)
    titled = [(f"{in_words(row['name'])}, V = {row['labels']:,}", row) for row in rows]
    publish(results, tables(results), script(titled))
    if len({row["labels"] for row in rows}) > 1:
        plot(rows, results.with_suffix(".png"))


def tables(results: Path) -> dict[str, str]:
    """Milliseconds and memory per step, sentences per second, and parameters; with the setting below one."""
    rows = read_rows(results, KEY)
    setting = (
        f"Models have a mean entropy of {rows[0]['nats']:g} nats. {rows[0]['sentences']} sentences × beam "
        f"{rows[0]['beam']}, translations of {rows[0]['length']} tokens. {measured_with(rows)}"
    )
    named = {
        "step": _by_size(
            rows, lambda row, base: _with_ratio(row["step_ms"], base["step_ms"] / row["step_ms"])
        ),
        "memory": _by_size(rows, lambda row, base: f"{row['step_peak_mb']:,.0f}"),
        "speed": _by_size(
            rows,
            lambda row, base: _with_ratio(
                row["sentences_per_s"], row["sentences_per_s"] / base["sentences_per_s"]
            ),
        ),
        "parameters": _by_size(rows, lambda row, base: f"{row['output_parameters']:,}"),
        "setting": setting,
    }
    return {f"{results.stem}-{name}": text for name, text in named.items()}


def _with_ratio(value: float, ratio: float) -> str:
    shown = f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"
    return f"{shown} ({ratio:,.0f}×)" if ratio >= 100 else f"{shown} ({ratio:.1f}×)"


def _by_size(rows: Sequence[Row], shown: Callable[[Row, Row], str]) -> str:
    """A table with a cell for each row, made from it and from the full softmax's over as many labels."""
    cells = {(row["name"], row["labels"]): row for row in rows}

    def column(size: int) -> Column:
        def cell(row: Row) -> str:
            measured, base = cells.get((row["name"], size)), cells.get((TIED_SOFTMAX, size))
            return shown(measured, base) if measured and base else "–"

        return f"V = {size:,}", cell

    names = [{"name": name} for name in OUTPUT_LAYERS if any(row["name"] == name for row in rows)]
    return markdown_table(names, [OUTPUT_LAYER, *map(column, sorted({row["labels"] for row in rows}))])


def plot(rows: Sequence[Row], path: Path) -> None:
    """Time of the output layer and speed of the whole command against V."""
    figure, ((left, right),) = subplots(1, 2, width=6, height=5)
    for name in OUTPUT_LAYERS:
        layer_rows = sorted((row for row in rows if row["name"] == name), key=lambda row: row["labels"])
        if not layer_rows:
            continue
        sizes = [row["labels"] for row in layer_rows]
        style = {"marker": "o", "label": in_words(name), "linestyle": "--" if name in PEERS else "-"}
        left.plot(sizes, [row["step_ms"] for row in layer_rows], **style)
        right.plot(sizes, [row["sentences_per_s"] for row in layer_rows], **style)
    for axes, title in ((left, "output layer, ms per step"), (right, "fairseq-generate, sentences/s")):
        axes.set(xscale="log", yscale="log", xlabel="vocabulary size V", title=title)
        axes.grid(True, which="both", alpha=0.3)
    left.legend()
    save(figure, path, dpi=120)
