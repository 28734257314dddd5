"""`python -m benchmarks.translation.growth` at small sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.harness.process import ROOT
from benchmarks.translation.growth import table
from benchmarks.translation.growth_step import batch


def test_growth_is_told_against_the_smallest_vocabulary() -> None:
    common = {"name": "table", "optimizer": "adam", "tokens": 1200, "peak_bytes": 1.5e9}
    rows = [common | {"labels": labels, "step_ms": time} for labels, time in ((100, 50.0), (1000, 75.0))]
    rows.append(rows[1] | {"name": "sampling"})
    lines = table(rows).splitlines()
    assert lines[0] == (
        "| output layer | optimizer | step at V = 100, ms; peak | step at V = 1,000, ms; peak |"
    )
    assert lines[2] == "| cascade by table | `adam` | 50, 1.5 GB | 75 (1.50×), 1.5 GB |"
    assert lines[3] == "| sampling | `adam` | – | 75, 1.5 GB |"


def test_batches_follow_zipfs_law() -> None:
    sample = batch(1000, 1200, torch.Generator().manual_seed(1))
    words = sample["target"][:, :-1]
    assert sample["ntokens"] == sample["target"].numel() == 38 * 31
    assert (sample["target"][:, -1] == 2).all()
    assert (sample["net_input"]["prev_output_tokens"][:, 0] == 2).all()
    assert words.min() == 4
    assert words.max() < 1000
    # Ten words in a thousand are more than a quarter of all.
    assert 0.25 < (words < 14).double().mean() < 0.4


@pytest.mark.slow
def test_rows_and_table(tmp_path: Path) -> None:
    results = tmp_path / "rows.jsonl"
    command = [
        sys.executable, "-m", "benchmarks.translation.growth", "--sizes", "200", "400", "--only", "table-3",
        "--optimizers", "row_adam", "--steps", "1", "--tokens", "62", "--profile", "--results", results,
        "--log", tmp_path / "log",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2
    for row in rows:
        assert {"forward", "backward", "clip-grads", "optimizer"} <= row["phases_ms"].keys()
        assert row["step_ms"] > 0
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.stdout.count("\n") == 3, "nothing is measured again"
    assert results.with_suffix(".md").read_text(encoding="utf-8") == again.stdout
