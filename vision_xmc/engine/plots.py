"""``curves.png``: the loss, the learning rate and the task's metrics over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mhe_nmt.files import replacing
from vision_xmc.engine.metrics_log import Record

Panels = Sequence[tuple[str, Sequence[str]]]


def plot_curves(records: Sequence[Record], panels: Panels, path: Path, title: str = "") -> str | None:
    """Draws the records of a ``metrics.jsonl``.

    Args:
        records: training and evaluation records.
        panels: pairs of a title and names of evaluation metrics. The loss and the learning rate have panels
            already.
        path: the PNG file.
        title: above all panels.

    Returns:
        ``None``, or the reason in one sentence if there is no plot.
    """
    try:
        figure = new_figure(4.2 * (len(panels) + 2), 3.4)
    except ImportError:
        return "no curves.png: matplotlib is not installed (pip install matplotlib)"
    training = [record for record in records if record["kind"] == "train"]
    splits = list(dict.fromkeys(record["split"] for record in records if record["kind"] == "eval"))
    axes = figure.subplots(1, len(panels) + 2)
    axes[0].plot(*_series(training, "loss"), label="train")
    axes[0].set_title("training loss (nats)")
    axes[1].plot(*_series(training, "lr"))
    axes[1].set_title("learning rate")
    for axis, (name, metrics) in zip(axes[2:], panels, strict=True):
        for metric in metrics:
            for split in splits:
                points = [r for r in records if r["kind"] == "eval" and r["split"] == split and metric in r]
                if points:
                    axis.plot(*_series(points, metric), marker=".", label=f"{split} {metric}")
        axis.set_title(name)
        axis.legend(fontsize="small")
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    figure.suptitle(title)
    write_png(figure, path)
    return None


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of that size in inches. It needs no display.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_png(figure: Any, path: Path) -> None:
    """Writes the figure whole or not at all."""
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=110)


def _series(records: Sequence[Record], name: str) -> tuple[list[float], list[float | None]]:
    return [record["epoch"] for record in records], [record[name] for record in records]
