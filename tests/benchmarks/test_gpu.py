"""`python -m benchmarks.gpu` at tiny sizes on the CPU: what the command writes, resumes and reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import correct, device, layers, measures, plan, report
from benchmarks.gpu.device import Budget, Device
from benchmarks.gpu.layers import LAYERS, OURS, PEERS, PLAIN
from benchmarks.harness.process import ROOT
from benchmarks.harness.results import write_rows

TABLES = ("setting", "correct", "waits", "training", "memory", "decoding", "autocast", "notes", "plot")

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="the command would not be tiny")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(path: Path, *arguments: str) -> int:
    return command.main(["--tiny", "--results", str(path), *arguments])


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heads to be checked, and four layers to be timed, at one size."""
    monkeypatch.setattr(plan, "_TINY_TIMES", plan._TINY_TIMES[1:])
    names = ("product", "cascade by digit")
    all_heads = correct.heads
    monkeypatch.setattr(correct, "heads", lambda labels: {name: all_heads(labels)[name] for name in names})
    for layered, kept in ((OURS, ("product", "cascade-table")), (PEERS, (PLAIN, "liger"))):
        for name in set(layered) - set(kept):
            monkeypatch.delitem(layered, name)
            monkeypatch.delitem(LAYERS, name)


@needs_no_gpu
@pytest.mark.usefixtures("few")
def test_command_measures_resumes_and_makes_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    assert run(path) == 0
    rows = rows_of(path)
    assert [part for part, _ in Counter(row["part"] for row in rows).items()] == list(plan.PARTS)
    assert Counter(row["part"] for row in rows) == {"correct": 2 * 4, "waits": 2 * 3 + 2, "times": 2 * 4}
    assert all(row["torch"] == torch.__version__ and row["tiny"] for row in rows)
    timed = [row for row in rows if row["part"] == "times" and row["name"] != "liger"]
    assert all(min(row["train_ms"], row["decode_ms"], row["parameters"]) > 0 for row in timed)
    assert "nothing wrong in 24 rows" in capsys.readouterr().out
    text = path.with_suffix(".md").read_text()
    assert [name for name in TABLES if f"## rows-{name}\n" in text] == list(TABLES)
    assert "Sizes are tiny: times mean nothing. All 24 rows are right." in text
    assert "- Not measured: Liger: fused linear cross entropy: liger_kernel is not installed" in text
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    before = path.read_bytes()
    monkeypatch.setattr(report, "plot", lambda *arguments: None)
    assert run(path) == 0
    assert path.read_bytes() == before, "nothing is measured twice"
    monkeypatch.setattr(device, "code", lambda: "changed")
    assert run(path, "--parts", "correct") == 0
    assert len(rows_of(path)) == 24 + 8, "what other code gave is measured again"


@needs_no_gpu
@pytest.mark.usefixtures("few")
def test_a_failure_is_one_line_and_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"

    def broken(name: str, mode: str, *rest: Any) -> dict[str, Any]:
        if (name, mode) == ("product", "bfloat16"):
            raise IndexError("no such block\nand more")
        return {"errors": {"loss": 0.0, "gradient of weights": 0.0}, "wrong": []}

    with monkeypatch.context() as patch:
        patch.setattr(correct, "check", broken)
        assert run(path, "--parts", "correct") == 1
    assert capsys.readouterr().err == (
        "benchmarks.gpu: error: correct: product, bfloat16: IndexError: no such block\n"
    )
    assert "| product | 0e+00, 0e+00 | wrong |" in path.with_suffix(".md").read_text()
    assert "- Wrong: correct, product, bfloat16: IndexError" in path.with_suffix(".md").read_text()
    assert run(path, "--parts", "correct") == 0
    assert len(rows_of(path)) == 9


@needs_no_gpu
@pytest.mark.usefixtures("few")
def test_failures_of_peers_and_lack_of_memory_are_no_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, *rest: Any) -> dict[str, Any]:
        if name == PLAIN:
            raise RuntimeError("peer")
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setattr(measures, "times", broken)
    path = tmp_path / "rows.jsonl"
    monkeypatch.setattr(report, "plot", lambda *arguments: None)
    assert run(path, "--parts", "times") == 0
    text = path.with_suffix(".md").read_text()
    assert "| product | out of memory |" in text
    assert "failed: RuntimeError: peer" in text


@needs_no_gpu
def test_budget_leaves_rows_for_the_next_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    assert run(path, "--budget", "0.001", "--parts", "times") == 0
    assert not path.exists()
    assert "36 rows did not fit into 0.001 seconds" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(path, "--budget", "0")


def test_tiny_rows_stay_out_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ROOT / "docs" / "results" / "gpu.jsonl") == 2
    assert "choose another folder" in capsys.readouterr().err


def test_most_important_rows_come_first() -> None:
    cells = list(plan.cells(Device(), Budget(1), tiny=False))
    assert [cell.key["part"] for cell in cells] == sorted(
        (cell.key["part"] for cell in cells), key=plan.PARTS.index
    )
    times = [cell.key for cell in cells if cell.key["part"] == "times"]
    assert (times[0]["labels"], times[0]["features"], times[0]["name"]) == (32_000, 512, PLAIN)
    assert {key["labels"] for key in times} == {32_000, 128_000, 256_000, 1_000_000}
    assert {key["features"] for key in times} == {512, 1024, 4096}
    assert [key["name"] for key in times[: len(LAYERS)]].count("compiled") == 1
    keys = [tuple(cell.key.values()) for cell in cells]
    assert len(keys) == len(set(keys))


def test_tables_without_rows_say_so(tmp_path: Path) -> None:
    assert set(report.tables(tmp_path / "gpu.jsonl").values()) == {report.NOT_YET}


def test_tables_of_a_card(tmp_path: Path) -> None:
    common = {
        "mode": "bfloat16", "labels": 32_000, "features": 512, "positions": 8192, "device": "Card",
        "torch": "2.13", "code": "c", "tiny": False, "cuda": "13.0", "memory_gb": 80, "wrong": [],
    }  # fmt: skip
    figures = {"train_ms": 4.0, "train_peak_mb": 1234.5, "decode_ms": 0.5}
    fast = {"train_ms": 0.5, "train_peak_mb": 20.0, "decode_ms": 0.25}
    path = tmp_path / "rows.jsonl"
    write_rows(
        path,
        [
            {"part": "times", "name": PLAIN, **common, "device": "Old card"},
            {"part": "times", "name": PLAIN, **common, **figures},
            {"part": "times", "name": "product", **common, **fast},
            {
                "part": "waits", "name": "product", **common, "train_waits": 0, "train_launches": 70,
                "decode_waits": 1, "decode_launches": None,
            },
        ],
    )  # fmt: skip
    tables = report.tables(path)
    assert (
        "Measured on Card (80 GB, CUDA 13.0) with torch 2.13. All 3 rows are right." in tables["rows-setting"]
    )
    assert "| product | 0.50 (8.0×) |" in tables["rows-training"]
    assert "| product | 0.25 (2.0×) |" in tables["rows-decoding"]
    assert "| product | 20 |" in tables["rows-memory"]
    assert "| product | 0, 70 | – | – | 1, – | – | – |" in tables["rows-waits"]


#: Runs the folder as a script where only torch and numpy are installed; the rest of this project is away too.
_ALONE = """
import runpy, sys

sys.modules.update(dict.fromkeys(sys.argv[1:]))
sys.argv = ["benchmarks/gpu", "--tiny", "--results", "rows.jsonl", "--parts", "correct", "times"]
runpy.run_path("benchmarks/gpu", run_name="__main__")
"""


@needs_no_gpu
@pytest.mark.slow
def test_runs_as_a_folder_without_optional_packages(tmp_path: Path) -> None:
    for name in ("mhe_nmt", "benchmarks/gpu", "benchmarks/harness"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    missing = [
        "fairseq", "matplotlib", "pandas", "scipy", "sklearn", "accelerate", "transformers", "sacrebleu",
        "tqdm", "omegaconf", "user_dir", "data_prep", "vision_xmc", "tests",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, *missing],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing wrong" in done.stdout
    assert not (tmp_path / "rows.png").exists()
    assert "| cascade by digit |" in (tmp_path / "rows.md").read_text()


def test_our_full_softmax_is_timed_against_torchs() -> None:
    weight, bias = torch.randn(30, 8), torch.randn(30)
    peer: Any = layers.FullSoftmax(8, 30)
    peer.linear.load_state_dict({"weight": weight, "bias": bias})
    features, target = torch.randn(5, 8), torch.randint(30, (5,))
    peer.label_smoothing = 0.1
    expected = F.cross_entropy(features @ weight.T + bias, target, label_smoothing=0.1)
    torch.testing.assert_close(peer.loss(features, target), expected)
