"""The ROC curve as a PNG file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vision_xmc.plots import new_figure, write_png


def plot_roc(far: Tensor, tar: Tensor, impostors: int, path: Path, title: str = "") -> None:
    """Draws TAR over FAR, whose axis is logarithmic and begins at one false accept.

    Args:
        far, tar: ``(D,)`` rates of falling thresholds, from
            :func:`vision_xmc.metrics.verification.roc_curve`.
        impostors: number of pairs of two people.
        path: the PNG file, written whole or not at all.
        title: above the curve.

    Raises:
        ImportError: if matplotlib is not there.
    """
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    # Millions of pairs, but the curve has a corner only where TAR rises or is about to.
    corner = torch.ones(len(tar), dtype=torch.bool)
    corner[1:-1] = (tar[1:-1] != tar[:-2]) | (tar[2:] != tar[1:-1])
    # No false accept at all has no place on the axis; it is drawn to the left of its end.
    axes.plot(far[corner].clamp(min=0.1 / impostors), tar[corner], drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_xlim(min(1 / impostors, 0.5), 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("FAR")
    axes.set_ylabel("TAR")
    axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium")
    write_png(figure, path)
