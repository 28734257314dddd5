"""TAR at FAR and the ROC curve: options, report, sentence and plot of ``verify`` and ``eval-ijb``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mhe_nmt.options import option
from vision_xmc.common.errors import UsageError, require
from vision_xmc.engine.plots import new_figure, write_png
from vision_xmc.face.metrics.verification import roc_curve, tar_at_far


@dataclass(frozen=True)
class RocOptions:
    """Rates and curve."""

    far: tuple[float, ...] = option(
        (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), "false accept rates to report the true accept rate at"
    )
    roc: Path | None = option(None, "draw the ROC curve into this PNG file")

    def __post_init__(self) -> None:
        for rate in self.far:
            require(0 <= rate <= 1, f"--far must be in [0, 1], got {rate}")
        if self.roc is not None:
            # Now, not after the long work.
            _check_plotting(self.roc)


def tar_report(scores: Tensor, same: Tensor, rates: tuple[float, ...]) -> dict[str, Any]:
    """``tar_at_far``, by rate, and ``smallest_far``, the FAR of a single false accept.

    Args:
        scores: ``(N,)`` float.
        same: ``(N,)`` bool, whether a pair shows one person.
        rates: false accept rates.

    Raises:
        ValueError: as :func:`vision_xmc.face.metrics.verification.tar_at_far`.
    """
    shown = [f"{rate:g}" for rate in rates]
    return {
        "tar_at_far": dict(zip(shown, tar_at_far(scores, same, rates), strict=True)),
        "smallest_far": 1 / int((~same).sum()),
    }


def tar_sentence(report: Mapping[str, Any]) -> str:
    """``; TAR …`` for each rate of a :func:`tar_report`, and the rates that the pairs are too few for."""
    tar, smallest = report["tar_at_far"], report["smallest_far"]
    shown = "".join(f"; TAR {100 * value:.2f} % at FAR {rate}" for rate, value in tar.items())
    if any(float(rate) < smallest for rate in tar):
        shown += f" (rates below {smallest:.1e} allow no false accept on these pairs)"
    return shown


def plot_roc(scores: Tensor, same: Tensor, path: Path, title: str) -> None:
    """Draws TAR over FAR, on a logarithmic axis that begins at a single false accept.

    Args:
        scores: ``(N,)`` float.
        same: ``(N,)`` bool; both kinds of pairs must be there.
        path: the PNG file, written whole or not at all.
        title: shown above the curve.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    far, tar, _ = roc_curve(scores, same)
    impostors = int((~same).sum())
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    # There may be millions of pairs, but the curve has a corner only where TAR rises or is about to rise.
    corner = torch.ones(len(tar), dtype=torch.bool)
    corner[1:-1] = (tar[1:-1] != tar[:-2]) | (tar[2:] != tar[1:-1])
    # A FAR of 0 has no place on the axis; it is drawn to the left of the visible part.
    axes.plot(far[corner].clamp(min=0.1 / impostors), tar[corner], drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_xlim(min(1 / impostors, 0.5), 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("FAR")
    axes.set_ylabel("TAR")
    axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium")
    write_png(figure, path)


def _check_plotting(path: Path) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("--roc needs matplotlib, which is not installed (pip install matplotlib)") from None
    require(path.parent.is_dir(), f"--roc {path}: there is no folder {path.parent}")
