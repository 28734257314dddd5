"""The plot of `benchmarks.translation`: BLEU against the output layer's parameters and against its time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .heads import EQUAL_TIME
from .plots import save, subplots
from .results import Row


def write_plot(path: Path, means: Sequence[Row], times: Sequence[Row], title: str) -> None:
    """A PNG of one point for each output layer.

    Args:
        path: the PNG.
        means: rows of means over seeds, see `translation_report.means`.
        times: rows of benchmarks.step_time; layers without one are left out of the right half.
        title: of the figure.
    """
    milliseconds = {row["name"]: row["head_ms"] for row in times}
    figure, ((left, right),) = subplots(1, 2, width=6, height=5, sharey=True)
    for number, row in enumerate(means):
        score = row["scores"][0]
        style = {
            "marker": "o", "color": f"C{number}", "capsize": 3, "label": row["name"],
            "markerfacecolor": "none" if row["output_layer_shared_parameters"] else None,
        }  # fmt: skip
        parameters = row["output_layer_parameters"] + row["output_layer_shared_parameters"]
        left.errorbar([parameters], [score["bleu"]], yerr=score["bleu_spread"], **style)
        layer = row["name"].removesuffix(EQUAL_TIME)
        if layer in milliseconds:
            right.errorbar([milliseconds[layer]], [score["bleu"]], yerr=score["bleu_spread"], **style)
    left.set(
        xlabel="parameters of the output layer (hollow: the embedding's)", ylabel="BLEU, mean over seeds"
    )
    right.set(xlabel="output layer's part of a training step, ms of processor time")
    for axes in (left, right):
        axes.set(xscale="log")
        axes.grid(True, which="both", alpha=0.3)
    left.legend(fontsize="small")
    figure.suptitle(title)
    save(figure, path, dpi=120)
