"""``metrics.jsonl``: one JSON object a line. Nothing of the clock: equal runs write equal files."""

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
        position: where to go on, in bytes: what :attr:`position` was when the checkpoint was written that is
            resumed from. What stands after it comes from updates that will be made again, and is cut off.
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
        """Adds a record; floats are kept to 7 significant digits, values that are not finite become null."""
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
                # A run that was killed may leave half a line.
                continue
    return records


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None
