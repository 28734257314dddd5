"""Two and three processes, each with a part of the classes, train as one process with all classes does."""

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
    """Runs the worker in that many processes; returns what they printed."""
    line = [SCRIPTS / "torchrun", "--standalone", f"--nproc_per_node={processes}"]
    done = subprocess.run(
        strings([*line, Path(__file__).with_name("shard_worker.py"), *arguments]),
        env=environment(), text=True, capture_output=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all jobs, trained in this process."""
    folder = tmp_path_factory.mktemp("one")
    main(folder)
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """Number of processes, two or three, and the folder of all jobs that they trained."""
    folder = tmp_path_factory.mktemp("several")
    torchrun(request.param, folder)
    return request.param, folder


def assert_close(actual: dict[str, Any], expected: dict[str, Any]) -> None:
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        close = value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-9)
        assert actual[key] == close, (key, expected)


def assert_same_weights(actual: Path, expected: Path) -> None:
    """The weights are float64 and differ by rounding only; no process's part is missing."""
    whole, of_one = weights(actual / "last.pt"), weights(expected / "last.pt")
    assert whole.keys() == of_one.keys()
    assert whole["head.weight"].shape == (CLASSES, 8)
    for key, value in of_one.items():
        torch.testing.assert_close(whole[key], value, rtol=1e-8, atol=1e-10, msg=key)


@pytest.mark.parametrize("name", JOBS)
def test_same_losses_metrics_and_weights(name: str, one: Path, several: tuple[int, Path]) -> None:
    _, folder = several
    expected, actual = records(one / name), records(folder / name)
    assert [r["kind"] for r in actual] == [r["kind"] for r in expected]
    for of_several, of_one in zip(actual, expected, strict=True):
        assert_close(of_several, of_one)
    assert_same_weights(folder / name, one / name)


@pytest.mark.parametrize("name", JOBS)
def test_each_process_holds_only_its_rows(name: str, several: tuple[int, Path]) -> None:
    processes, folder = several
    tensors = 2 if "optimizer" in JOBS[name][2] else 1
    for rank in range(processes):
        start, end = own_rows(CLASSES, processes, rank)
        held = torch.load(folder / name / f"held-{rank}.pt", weights_only=True)
        assert held == {"weight": (end - start) * 8, "state": tensors * (end - start) * 8}


def test_the_classes_have_moved(one: Path) -> None:
    """Otherwise equal weights would prove little."""
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
    # A small budget may have no room for a block; then some processes have no class to score.
    blocks = [record["blocks"] for record in records(one / name, "train")]
    assert min(blocks) == 0 if name == "few-targets" else min(blocks) > 0


def test_two_and_three_processes_resume_the_run_of_one(one: Path, tmp_path: Path) -> None:
    """Momentum and class weights are stored whole, and divided anew."""
    name = "sampled-arcface"
    train(tmp_path, name, max_steps=3, save_steps=1)
    AcceleratorState._reset_state(reset_partial_state=True)
    for processes, updates in ((2, 6), (3, 10)):
        printed = torchrun(processes, tmp_path, name, updates)
        assert (
            printed.count(f"resuming from update {updates - 3 if processes == 2 else 6} of {updates} in") == 1
        )
    actual, expected = records(tmp_path / name, "train"), records(one / name, "train")
    assert len(actual) == len(expected) == 10
    for of_chain, of_one in zip(actual, expected, strict=True):
        assert_close(of_chain, of_one)
    assert_same_weights(tmp_path / name, one / name)
