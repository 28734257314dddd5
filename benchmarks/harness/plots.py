"""Figures without a display, written whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mhe_nmt.files import replacing


def subplots(
    rows: int, columns: int, *, width: float, height: float, sharey: bool = False
) -> tuple[Any, Any]:
    """A figure of `rows × columns` axes, each `width × height` inches, and the 2-d array of the axes."""
    # Before the import, which reports itself where fairseq has set the log to its lowest level.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (columns * width, rows * height)
    return pyplot.subplots(rows, columns, figsize=size, sharey=sharey, constrained_layout=True, squeeze=False)


def save(figure: Any, path: Path, dpi: int = 110) -> None:
    """Writes the figure to a file and closes it."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        figure.savefig(partial, format=path.suffix[1:], dpi=dpi)
    pyplot.close(figure)
