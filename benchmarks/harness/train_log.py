"""Reads what `fairseq-train --log-format json` says about its epochs."""

from __future__ import annotations

import json
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RECORD = re.compile(r"\| INFO \| (train_inner|train|valid) \| (\{.*\})\s*$")


def parse_line(line: str) -> tuple[str, dict[str, Any]] | None:
    """("train" | "valid" | "train_inner", record), numbers as numbers; None for any other line."""
    match = _RECORD.search(line)
    if not match:
        return None
    try:
        record = json.loads(match[2])
    except json.JSONDecodeError:
        return None
    return match[1], {name: _number(value) for name, value in record.items()}


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


@dataclass(frozen=True)
class TrainLog:
    """The records at the ends of the epochs, in order; the later one if an epoch was trained twice."""

    train: list[dict[str, Any]]
    valid: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> TrainLog:
        """Raises ValueError if the log has no finished epoch."""
        records_of: dict[str, dict[float, dict[str, Any]]] = {"train": {}, "valid": {}, "train_inner": {}}
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if parsed := parse_line(line):
                    kind, record = parsed
                    key = f"{kind}_num_updates" if kind != "train_inner" else "num_updates"
                    records_of[kind][record.get(key, 0)] = record
        if not records_of["train"] or not records_of["valid"]:
            raise ValueError(f"{path} has no finished epoch with a validation")
        return cls(
            *(
                [records[key] for key in sorted(records)]
                for records in (records_of["train"], records_of["valid"])
            )
        )

    @property
    def best(self) -> dict[str, Any]:
        """The validation that `checkpoint_best.pt` comes from."""
        return min(self.valid, key=lambda record: record["valid_loss"])

    def typical(self, name: str) -> float:
        """Median of a training figure over the epochs; the first, which warms up, counts only if alone."""
        values = [record[name] for record in self.train]
        return statistics.median(values[1:] or values)

    def figures(self) -> dict[str, Any]:
        """The part of a result row about the training."""
        last = self.train[-1]
        return {
            "epochs": int(last["epoch"]),
            "updates": int(last["train_num_updates"]),
            "train_words_per_second": self.typical("train_wps"),
            "step_ms": 1000 / self.typical("train_ups"),
            "train_wall_seconds": last["train_wall"],
            # A criterion without label smoothing has one figure for both.
            "valid_nll_bits": self.best.get("valid_nll_loss", self.best["valid_loss"]),
            "valid_loss": self.best["valid_loss"],
        }
