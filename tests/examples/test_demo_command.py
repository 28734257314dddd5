"""The demo's command on a small text of the user's own, and its mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.demo", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_own_text(tmp_path: Path) -> None:
    words = ["eins", "zwei", "drei", "vier", "sieben"]
    lines = [f"{a} {b} {c} und {a}" for a in words for b in words for c in words for _ in range(2)]
    for side, conjunction in (("de", "und"), ("en", "and")):
        text = "".join(f"{line.replace('und', conjunction)} {n}\n" for n, line in enumerate(lines))
        (tmp_path / side).write_text(text, encoding="utf-8")
    arguments = ["--src", tmp_path / "de", "--tgt", tmp_path / "en", "--heads", "onehot,cascade-digit",
                 "--vocab-size", 48, "--max-update", 2, "--out", tmp_path / "out"]  # fmt: skip
    for _ in range(2):
        done = demo(*arguments)
        assert done.returncode == 0, done.stderr
        for name in ("onehot", "cascade-digit"):
            assert f"| {name} |" in done.stdout
    # The cascade has a learned order of the labels; the second call found everything done.
    assert (tmp_path / "out" / "data" / "order.txt").exists()
    assert "fairseq-train" not in done.stdout


def test_unknown_output_layer(tmp_path: Path) -> None:
    done = demo("--heads", "onehot,adaptive-softmax", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "examples.demo: error: --heads 'onehot,adaptive-softmax': give different names"
    )
    assert not (tmp_path / "out").exists()
