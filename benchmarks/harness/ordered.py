"""Data folders whose dictionary is in a learned order, next to the folder that they were made from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SUFFIX = re.compile(r"-ordered(-\d+)?$")


def ordered_folder(data: Path, cluster_size: int | None = None) -> Path:
    """The folder like `data` in a learned order; `cluster_size`: of another order than the usual one."""
    return data.with_name(f"{data.name}-ordered{f'-{cluster_size}' if cluster_size else ''}")


def folder_like(trained_on: str | Path, data: Path) -> Path:
    """Of `data` and the ordered folders next to it, the one that is ordered as `trained_on` is.

    A model that was trained on an ordered folder would take the numbers of another one for other words.
    """
    suffix = _SUFFIX.search(Path(trained_on).name)
    name = _SUFFIX.sub("", data.name) + (suffix[0] if suffix else "")
    return data if name == data.name else data.with_name(name)


def reorder_command(data: Path, cluster_size: int | None = None) -> list[str]:
    """Makes `ordered_folder(data, cluster_size)`."""
    command = [sys.executable, "-m", "data_prep", "reorder", "--data", str(data)]
    command += ["--destdir", str(ordered_folder(data, cluster_size))]
    return command + (["--cluster-size", str(cluster_size)] if cluster_size else [])
