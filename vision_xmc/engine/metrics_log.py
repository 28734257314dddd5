"""``metrics.jsonl``: one JSON object per line. It holds no times, so that equal runs write equal files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class MetricsLog:
    """Appends records to ``path``.

    Args:
        path: the file.
        position: length of the part to keep, in bytes: the :attr:`position` when the checkpoint that the run
            is resumed from was written. Later records are cut off, because their updates will be repeated.
    """

    def __init__(self, path: Path, position: int = 0) -> None:
        self.path = path
        path.touch()
        with path.open("r+b") as file:
            file.truncate(min(position, path.stat().st_size))

    @property
    def position(self) -> int:
        """Size of the file in bytes."""
        return self.path.stat().st_size

    def write(self, record: Record) -> None:
        """Adds a record; floats keep 7 significant digits, infinite and undefined ones become null."""
        line = json.dumps({name: _rounded(value) for name, value in record.items()}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read(path: Path) -> list[Record]:
    """All whole records of a file; [] if there is none."""
    records = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                # A killed run may leave half a line.
                continue
    return records


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None
