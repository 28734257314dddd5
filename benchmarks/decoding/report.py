"""Table and plot of the benchmark's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.decoding.models import BASELINE, OUTPUT_LAYERS
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import markdown_table, write_whole

Row = dict[str, Any]


def write_report(results: Path, rows: Sequence[Row], command: str) -> None:
    """Writes ``results`` with the suffixes .md and .png."""
    rows = sorted(rows, key=lambda row: (row["labels"], list(OUTPUT_LAYERS).index(row["name"])))
    if not rows:
        return
    text = "\n".join([*_preamble(rows[0], command), "", table(rows), "", f"![plot]({results.stem}.png)", ""])
    write_whole(results.with_suffix(".md"), text)
    plot(rows, results.with_suffix(".png"))


def _preamble(row: Row, command: str) -> list[str]:
    return [
        "# Decoding speed",
        "",
        f"Written by `{command}`. {row['machine']}, {row['threads']} threads, torch {row['torch']}, float32.",
        f"Transformer of 6 + 6 layers, d = 512 (iwslt size), random weights, {row['sentences']} sentences × "
        f"beam {row['beam']}, translations of {row['length']} tokens.",
        f"Output layers are scaled to a mean entropy of {row['nats']:g} nats, as trained models have; with",
        "flat distributions a cascade would expand every branch.",
        "",
        "*Output layer*: median time from the decoder's features to the continuations that the search",
        "chooses, over the steps of a real search, and by how much the process grows in it at most.",
        "*fairseq-generate*: sentences a second as it reports them. Ratios are to fairseq's full softmax,",
        "tied to the embedding.",
    ]


def table(rows: Sequence[Row]) -> str:
    base = {row["labels"]: row for row in rows if row["name"] == BASELINE}

    def ratio(field: str, inverse: bool) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            if row["labels"] not in base:
                return "–"
            peer = base[row["labels"]][field]
            return f"{peer / row[field] if inverse else row[field] / peer:.1f}×"

        return cell

    return markdown_table(
        rows,
        [
            ("V", lambda row: f"{row['labels']:,}"),
            ("output layer", lambda row: row["name"]),
            ("its parameters", lambda row: f"{row['output_parameters']:,}"),
            ("ms a step", lambda row: f"{row['step_ms']:.1f}"),
            ("faster by", ratio("step_ms", True)),
            ("peak MB a step", lambda row: f"{row['step_peak_mb']:.0f}"),
            ("fairseq-generate, sentences/s", lambda row: f"{row['sentences_per_s']:.2f}"),
            ("faster by ", ratio("sentences_per_s", False)),
        ],
    )


def plot(rows: Sequence[Row], path: Path) -> None:
    """Time of the output layer and speed of the whole command against V."""
    figure, ((left, right),) = subplots(1, 2, width=6, height=5)
    for name in OUTPUT_LAYERS:
        own = [row for row in rows if row["name"] == name]
        if not own:
            continue
        sizes = [row["labels"] for row in own]
        style = {"marker": "o", "label": name, "linestyle": "--" if "softmax" in name else "-"}
        left.plot(sizes, [row["step_ms"] for row in own], **style)
        right.plot(sizes, [row["sentences_per_s"] for row in own], **style)
    for axes, title in ((left, "output layer, ms a step"), (right, "fairseq-generate, sentences/s")):
        axes.set(xscale="log", yscale="log", xlabel="vocabulary size V", title=title)
        axes.grid(True, which="both", alpha=0.3)
    left.legend()
    save(figure, path, dpi=120)
