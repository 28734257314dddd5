"""The README's picture and table: `python -m benchmarks.translation.picture`.

The picture shows BLEU against training time for the full softmax and the heads on three corpora; the table
sums up the largest vocabulary. Both are made from rows that other benchmarks measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.harness.names import ADAPTIVE, EQUAL_TIME, TIED_SOFTMAX, in_words, without_equal_time
from benchmarks.harness.pages import RESULTS, publish
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import (
    OUTPUT_LAYER,
    Column,
    Row,
    markdown_table,
    own_parameters,
    read_json,
    read_rows,
    score_at,
)
from benchmarks.translation.corpora import CORPORA, memory_file, step_times_file
from benchmarks.translation.heads import finds_candidates
from benchmarks.translation.report import means

LARGEST = "tatoeba-64k"
SUMMED_UP = (TIED_SOFTMAX, ADAPTIVE, "sampling-tied", "cascade-table-tied", "cascade-digit")
_STYLES = {
    TIED_SOFTMAX: ("black", "*"), ADAPTIVE: ("tab:gray", "D"), "sampling-tied": ("tab:purple", "o"),
    "cascade-table-tied": ("tab:blue", "^"), "cascade-digit": ("tab:green", "v"),
    "product-8-groups": ("tab:orange", "s"), "product": ("tab:red", "P"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation.picture",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[1],
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: docs/results")
    options = parser.parse_args()
    write(options.results)


def write(folder: Path) -> None:
    """Writes the picture and the table, from the rows in a folder."""
    publish(folder / f"{LARGEST}.jsonl", tables(folder))
    draw(folder, folder / "plots" / "quality-against-time.png")


def tables(folder: Path) -> dict[str, str]:
    """The table of five output layers with the largest vocabulary."""
    return {"results-in-short": markdown_table(_summary(folder), _SUMMARY)}


def _summary(folder: Path) -> list[Row]:
    """One row per output layer, its figures from the files of all benchmarks."""
    results = folder / f"{LARGEST}.jsonl"
    trained = {row["name"]: row for row in means(read_rows(results))}
    steps, peaks, decoding = (
        {row["name"]: row for row in read_json(file)}
        for file in (
            step_times_file(results, bf16=True),
            memory_file(results),
            results.with_name(f"{LARGEST}-decoding.json"),
        )
    )
    updates = trained[TIED_SOFTMAX]["recipe"]["updates"]
    summary = []
    for name in SUMMED_UP:
        row = trained.get(name + EQUAL_TIME, trained[name])
        is_equal_time = name == TIED_SOFTMAX or row["name"] != name
        summary.append(
            {
                **row,
                "name": name,
                "bleu": score_at(row, 1.0)["bleu"],  # type: ignore[index]
                "mark": "" if is_equal_time else f" (after {updates:,} updates)",
                "peak_bytes": peaks[name]["train_peak_bytes"],
                "train_step_ms": steps[name]["step_ms"],
                "decoding": decoding.get(name),
            }
        )
    return summary


def _decoding_step(row: Row) -> str:
    if row["decoding"] is None:
        return "as full softmax"
    way = "candidates" if finds_candidates(row["name"]) else "dense"
    return f"{row['decoding'][f'{way}_step_ms']:.0f}"


_SUMMARY: list[Column] = [
    OUTPUT_LAYER,
    ("BLEU in equal time", lambda row: f"{row['bleu']:.1f}{row['mark']}"),
    ("its parameters", own_parameters),
    ("peak of training, GiB", lambda row: f"{row['peak_bytes'] / 2**30:.2f}"),
    ("training step, ms", lambda row: f"{row['train_step_ms']:.0f}"),
    ("decoding step, ms", _decoding_step),
]


def draw(folder: Path, path: Path) -> None:
    """BLEU against processor time of training, a panel per corpus; lines lead to more updates."""
    figure, (panels,) = subplots(1, len(CORPORA), width=4.2, height=3.8)
    for axes, (name, corpus) in zip(panels, CORPORA.items(), strict=True):
        minutes = _panel(axes, folder / f"{name}.jsonl")
        axes.set(title=corpus.title, xlabel=f"training time, % of the full softmax's {minutes:.0f} minutes")
    panels[0].set_ylabel("BLEU")
    handles = [
        panels[0].plot([], [], color=colour, marker=marker, linestyle="", label=in_words(name))[0]
        for name, (colour, marker) in _STYLES.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9)
    save(figure, path, dpi=120)


def _panel(axes: Any, results: Path) -> float:
    """Draws one corpus; returns the full softmax's minutes of training."""
    float32, bfloat16 = (
        {row["name"]: row["step_ms"] for row in read_json(step_times_file(results, bf16=bf16))}
        for bf16 in (False, True)
    )
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for row in means(read_rows(results)):
        layer = without_equal_time(row["name"])
        if layer in _STYLES:
            score = score_at(row, 1.0) or row["scores"][0]
            # The file of bfloat16 also has output layers that know float32 only.
            first, second = (float32, bfloat16) if row["recipe"]["precision"] == "float32" else (bfloat16, {})
            step = first[layer] if layer in first else second[layer]
            minutes = row["recipe"]["updates"] * step / 60_000
            lines.setdefault(layer, []).append((minutes, score["bleu"], score["bleu_spread"] or 0.0))
    whole = lines[TIED_SOFTMAX][0][0]
    for layer, points in lines.items():
        colour, marker = _STYLES[layer]
        minutes, bleu, spread = zip(*sorted(points), strict=True)
        share = [100 * part / whole for part in minutes]
        size = 13 if layer == TIED_SOFTMAX else 7
        axes.errorbar(share, bleu, yerr=spread, color=colour, marker=marker, markersize=size, capsize=3)
    axes.axvline(100, color="black", linestyle=":", linewidth=1, zorder=0)
    axes.set_xlim(0, 115)
    axes.margins(y=0.1)
    axes.grid(True, alpha=0.3)
    return whole


if __name__ == "__main__":
    main()
