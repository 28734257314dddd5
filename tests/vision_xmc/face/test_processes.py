"""Two and three processes, each with its part of the classes, train as one process with all of them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState

from tests.vision_xmc.commands import SCRIPTS, environment, strings
from tests.vision_xmc.engine.toy_task import records, weights
from tests.vision_xmc.face.shard_worker import CLASSES, JOBS, main, train
from vision_xmc.engine.sharding import own_rows

pytestmark = pytest.mark.slow


def torchrun(processes: int, *arguments: object) -> str:
    """The worker in so many processes; returns what it printed."""
    line = [SCRIPTS / "torchrun", "--standalone", f"--nproc_per_node={processes}"]
    done = subprocess.run(
        strings([*line, Path(__file__).with_name("shard_worker.py"), *arguments]),
        env=environment(), text=True, capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All jobs in this process."""
    folder = tmp_path_factory.mktemp("one")
    main(folder)
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """All jobs in two and in three processes."""
    folder = tmp_path_factory.mktemp("several")
    torchrun(request.param, folder)
    return request.param, folder


def assert_close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        close = value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-9)
        assert found[key] == close, (key, expected)


def assert_same_weights(found: Path, expected: Path) -> None:
    """In float64 to rounding, and whole: no process's part is missing."""
    whole, of_one = weights(found / "last.pt"), weights(expected / "last.pt")
    assert whole.keys() == of_one.keys()
    assert whole["head.weight"].shape == (CLASSES, 8)
    for key, value in of_one.items():
        torch.testing.assert_close(whole[key], value, rtol=1e-8, atol=1e-10, msg=key)


@pytest.mark.parametrize("name", JOBS)
def test_same_losses_metrics_and_weights(name: str, one: Path, several: tuple[int, Path]) -> None:
    _, folder = several
    expected, found = records(one / name), records(folder / name)
    assert [r["kind"] for r in found] == [r["kind"] for r in expected]
    for of_several, of_one in zip(found, expected, strict=True):
        assert_close(of_several, of_one)
    assert_same_weights(folder / name, one / name)


@pytest.mark.parametrize("name", JOBS)
def test_each_process_holds_its_rows_and_no_more(name: str, several: tuple[int, Path]) -> None:
    processes, folder = several
    tensors = 2 if "optimizer" in JOBS[name][2] else 1
    for rank in range(processes):
        start, end = own_rows(CLASSES, processes, rank)
        held = torch.load(folder / name / f"held-{rank}.pt", weights_only=True)
        assert held == {"weight": (end - start) * 8, "state": tensors * (end - start) * 8}


def test_the_classes_have_moved(one: Path) -> None:
    """Equal weights would prove little had nothing been trained."""
    for name in JOBS:
        trained = records(one / name, "train")
        assert trained[-1]["loss"] != trained[0]["loss"]
        start = weights(one / name / "last.pt")["head.weight"]
        assert float(start.std()) > 0.012, name


@pytest.mark.parametrize("name", [name for name, (_, sampling, _) in JOBS.items() if sampling])
def test_the_budget_is_kept_and_recorded(name: str, one: Path) -> None:
    sampling = JOBS[name][1]
    assert sampling is not None
    for record in records(one / name, "train"):
        assert 0 < record["used_fraction"] * CLASSES <= int(sampling["sample_fraction"] * CLASSES) + 1e-6
        assert record["over_budget"] == 0
    # Beside few targets in a small budget there is no room: then other processes have no class to score.
    blocks = [record["blocks"] for record in records(one / name, "train")]
    assert min(blocks) == 0 if name == "few-targets" else min(blocks) > 0


def test_one_process_begins_and_two_and_three_go_on(one: Path, tmp_path: Path) -> None:
    """Momentum and class weights are written whole and cut anew."""
    name = "sampled-arcface"
    train(tmp_path, name, max_steps=3, save_steps=1)
    AcceleratorState._reset_state(reset_partial_state=True)
    for processes, updates in ((2, 6), (3, 10)):
        printed = torchrun(processes, tmp_path, name, updates)
        assert (
            printed.count(f"resuming from update {updates - 3 if processes == 2 else 6} of {updates} in") == 1
        )
    found, expected = records(tmp_path / name, "train"), records(one / name, "train")
    assert len(found) == len(expected) == 10
    for of_chain, of_one in zip(found, expected, strict=True):
        assert_close(of_chain, of_one)
    assert_same_weights(tmp_path / name, one / name)
