"""`python -m benchmarks.translation.train_memory` with fairseq's own commands on a tiny corpus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.process import ROOT, tool


@pytest.mark.slow
def test_peaks_with_and_without_validation(tmp_path: Path) -> None:
    words = " ".join(f"w{n}" for n in range(50))
    for split, lines in (("train", 40), ("valid", 2)):
        for side in ("de", "en"):
            (tmp_path / f"{split}.{side}").write_text(f"{words}\n" * lines, encoding="utf-8")
    data = tmp_path / "data"
    subprocess.run(
        [
            tool("fairseq-preprocess"), "-s", "de", "-t", "en", "--joined-dictionary", "--destdir", data,
            "--trainpref", tmp_path / "train", "--validpref", tmp_path / "valid",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    results = tmp_path / "memory.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.translation.train_memory", "multi30k", "--data", data,
            "--runs", tmp_path,
            "--only", "sampling-tied", "--updates", "2", "--results", results,
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(results.read_text(encoding="utf-8"))
    assert row["name"] == "sampling-tied"
    # torch alone takes more than the one; nothing here is as large as the other.
    assert 2e8 < row["train_peak_bytes"] < 4e9
    assert 2e8 < row["peak_bytes"] < 4e9
    log = (tmp_path / "memory-sampling-tied.log").read_text(encoding="utf-8")
    assert log.count("done training") == 2
    assert log.count("valid on 'valid' subset") == 1
    assert not list(tmp_path.glob("**/*.pt"))
