"""Two processes over gloo train as one process with twice the micro-batches."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.vision_xmc.commands import DIGITS, SCRIPTS, command, environment, run, strings
from tests.vision_xmc.engine.toy_task import assert_same_weights, fit, options, records, weights
from tests.vision_xmc.engine.two_process_worker import JOBS, make_task

TORCHRUN = (SCRIPTS / "torchrun", "--standalone", "--nproc_per_node=2")


@pytest.fixture(scope="module")
def trained_in_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All jobs of the worker, done by two processes; ``resumed`` resumes a run of one process."""
    folder = tmp_path_factory.mktemp("two")
    first = {**JOBS["resumed"][1], "max_steps": 8}
    fit(make_task("resumed"), options(folder / "resumed", accumulate=2, **first))
    done = work_in_two(folder)
    # Only the first process writes and prints.
    for name in ("resumed", "broken"):
        assert done.stdout.count(f"resuming from update 8 of 13 in {folder / name}\n") == 1
    return folder


def work_in_two(folder: Path, *jobs: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        strings([*TORCHRUN, Path(__file__).with_name("two_process_worker.py"), folder, *jobs]),
        env=environment(), text=True, capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def in_one(name: str, folder: Path) -> Path:
    training = JOBS[name][1]
    twice = {**training, "accumulate": 2 * training.get("accumulate", 1)}
    fit(make_task(name), options(folder, **twice))
    return folder


def assert_close(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [r.keys() for r in found] == [r.keys() for r in expected]
    for one, other in zip(found, expected, strict=True):
        for name, value in other.items():
            assert one[name] == (
                value if isinstance(value, str) else pytest.approx(value, rel=1e-5, abs=1e-7)
            )


def test_two_jobs_as_in_one_process(tmp_path: Path) -> None:
    """Of the jobs below, one with whole weights in both processes and one with half of them in each."""
    names = ("product", "sharded")
    work_in_two(tmp_path / "two", *names)
    for name in names:
        assert_same_run(name, tmp_path / "two", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_same_losses_and_metrics(name: str, trained_in_two: Path, tmp_path: Path) -> None:
    assert_same_run(name, trained_in_two, tmp_path)


def assert_same_run(name: str, trained_in_two: Path, tmp_path: Path) -> None:
    """31 test and 25 validation examples are not divisible by two, so that any padding would show."""
    one = in_one(name, tmp_path / name)
    # The resumed run was also evaluated where it had ended first.
    kinds = ["train"] if name == "resumed" else ["train", "eval", "final"]
    for kind in kinds:
        assert_close(records(trained_in_two / name, kind), records(one, kind))
    found, expected = weights(trained_in_two / name / "last.pt"), weights(one / "last.pt")
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6, msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resumed", "sharded-adamw"])
def test_one_process_resumes_what_two_began(name: str, trained_in_two: Path, tmp_path: Path) -> None:
    longer = {**JOBS[name][1], "max_steps": 15, "accumulate": 2}
    two, one = trained_in_two / name, tmp_path / "one"
    fit(make_task(name), options(one, **longer))
    fit(make_task(name), options(two, **longer))
    losses = [[r["loss"] for r in records(folder, "train")] for folder in (two, one)]
    assert len(losses[1]) == (12 if name == "sharded-adamw" else 15)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
def test_two_processes_resume_a_head_that_remembers(trained_in_two: Path) -> None:
    """Both use the first process's counts to draw blocks."""
    whole, broken = trained_in_two / "whole", trained_in_two / "broken"
    losses = [[r["loss"] for r in records(folder, "train")] for folder in (whole, broken)]
    assert losses[0] == losses[1]
    assert_same_weights(broken / "last.pt", whole / "last.pt")
    assert weights(whole / "last.pt")["head.target_counts"].sum() > 0


@pytest.mark.slow
def test_torchrun_on_images(tmp_path: Path) -> None:
    """Batch norm sees one piece of a batch at a time, in one process and in two. Its running means are those
    of the first process, so that only training losses can be compared."""
    arguments = [*DIGITS, "--head", "product", "--radices", 10, 10, "--log-steps", 1, "--clip-norm", 1]
    done = command(*arguments, "--output", tmp_path / "two", launcher=TORCHRUN)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("processes: 2, on cpu") == 1
    assert run(*arguments, "--output", tmp_path / "one", "--accumulate", 2) == 0
    losses = [[r["loss"] for r in records(tmp_path / name, "train")] for name in ("two", "one")]
    assert len(losses[0]) == 10
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    # Evaluation counts each image once, with any number of processes.
    evaluated = command("--eval", tmp_path / "one" / "last.pt", launcher=TORCHRUN)
    assert evaluated.returncode == 0, evaluated.stderr
    final = [r for r in records(tmp_path / "one", "final") if r["weights"] == "last"]
    for line, record in zip(evaluated.stdout.splitlines(), final, strict=True):
        found = json.loads(line)
        assert found["images"] == {"valid": 1000, "test": 2000}[found["split"]]
        for name in ("nll", "top1", "top5", "digit1", "digit2"):
            assert found[name] == pytest.approx(record[name], rel=1e-5)


@pytest.mark.slow
def test_accelerate_launch(tmp_path: Path) -> None:
    """As documented, but with a random port, because tests may run at the same time."""
    launcher = (SCRIPTS / "accelerate", "launch", "--multi_gpu", "--num_processes=2", "--main_process_port=0")
    arguments = [*DIGITS, "--head", "cascade", "--max-steps", 2, "--output", tmp_path]
    done = command(*arguments, launcher=launcher)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("processes: 2, on cpu") == 1
    assert records(tmp_path, "train")[-1]["update"] == 2


@pytest.mark.slow
def test_a_mistake_is_reported_once(tmp_path: Path) -> None:
    done = command("--dataset", "cifar10", "--data-path", tmp_path / "none", launcher=TORCHRUN)
    assert done.returncode != 0
    assert done.stderr.count("none: no such folder or archive") == 1
    assert "vision_xmc/" not in done.stderr.replace("vision_xmc/image/__main__.py FAILED", "")
