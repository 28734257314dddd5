"""Two processes over gloo train exactly like one process on the same batches."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.e2e import fsdp_worker
from tests.user_dir.fairseq_commands import SCRIPTS, Output, fairseq_train, one_thread, training_arguments
from tests.user_dir.trained_models import CONFIGURATIONS, Trained, batches, load, parameters

REPOSITORY = Path(__file__).parents[2]
#: Nothing random, because the two processes use the same seed on different batches. And not Adam, because it
#: magnifies the rounding noise of parameters without a gradient (the keys' biases).
EXACT = ["--dropout", 0, "--attention-dropout", 0, "--optimizer", "sgd", "--lr", 0.2, "--disable-validation"]


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def run_pair(commands: list[list[Any]], environment: dict[str, str]) -> list[str]:
    """Runs both commands at the same time to their end; returns what each printed."""
    processes = [
        subprocess.Popen(
            [str(part) for part in command],
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for command in commands
    ]  # fmt: skip
    try:
        printed = [process.communicate(timeout=200)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(printed)
    return printed


def train_pair(data: Path, save_dir: Path, *options: Any) -> Output:
    address = free_address()
    # fmt: off
    # fairseq's c10d wrapper passes a device number, which torch refuses for modules on a CPU.
    distributed = [
        "--distributed-backend", "gloo", "--distributed-world-size", 2, "--distributed-no-spawn",
        "--distributed-init-method", address, "--ddp-backend", "legacy_ddp",
    ]
    # fmt: on
    command = [SCRIPTS / "fairseq-train", *training_arguments(data, save_dir), *distributed, *EXACT, *options]
    printed = run_pair([[*command, "--distributed-rank", rank] for rank in (0, 1)], one_thread())
    return Output(printed[0])


def losses(output: Output) -> list[tuple[int, float, float]]:
    records = [record for record in output.records() if "gnorm" in record]
    return [(int(r["num_updates"]), float(r["loss"]), float(r["bsz"])) for r in records]


def assert_same_parameters(first: Path, second: Path) -> None:
    found, expected = parameters(first), parameters(second)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-5, msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["product", "cascade-tied"])
def test_two_processes_train_as_one_with_two_batches_an_update(
    name: str, corpus: Path, tmp_path: Path
) -> None:
    options = [*CONFIGURATIONS[name], "--max-update", 4]
    one = fairseq_train(corpus, tmp_path / "one", *options, *EXACT, "--update-freq", 2)
    two = train_pair(corpus, tmp_path / "two", *options)
    assert losses(two) == [pytest.approx(line, abs=2e-3) for line in losses(one)]
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"checkpoint_last.pt"}
    assert_same_parameters(tmp_path / "two" / "checkpoint_last.pt", tmp_path / "one" / "checkpoint_last.pt")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cascade-tied", "product"])
def test_two_processes_with_sparse_gradients(name: str, corpus: Path, tmp_path: Path) -> None:
    """Each process has rows that the other has not."""
    options = [*CONFIGURATIONS[name], "--max-update", 6]
    row_adam = ["--optimizer", "row_adam", "--lr", 5e-3]
    one = fairseq_train(corpus, tmp_path / "one", *options, *EXACT, "--update-freq", 2, *row_adam)
    two = train_pair(corpus, tmp_path / "two", *options, *row_adam)
    assert losses(two) == [pytest.approx(line, abs=2e-3) for line in losses(one)]
    found, expected = (parameters(tmp_path / name / "checkpoint_last.pt") for name in ("two", "one"))
    for key, value in expected.items():
        # Adam magnifies the rounding noise of parameters without a gradient.
        if not key.endswith("k_proj.bias"):
            torch.testing.assert_close(found[key], value, rtol=0, atol=5e-5, msg=key)


@pytest.mark.slow
def test_two_processes_resume(corpus: Path, tmp_path: Path) -> None:
    """Each process reads the checkpoint itself; fairseq's own broadcast fails in current torch."""
    options = CONFIGURATIONS["product"]
    fairseq_train(corpus, tmp_path / "start", *options, *EXACT, "--max-update", 2)
    # The place in the epoch is counted in batches per process, so both trainings start the epoch again.
    start = ["--restore-file", tmp_path / "start" / "checkpoint_last.pt", "--reset-dataloader"]
    one = fairseq_train(
        corpus, tmp_path / "one", *options, *EXACT, *start, "--update-freq", 2, "--max-update", 4
    )
    two = train_pair(corpus, tmp_path / "two", *options, *start, "--max-update", 4)
    assert [line[0] for line in losses(two)] == [3, 4]
    assert losses(two) == [pytest.approx(line, abs=2e-3) for line in losses(one)]
    assert_same_parameters(tmp_path / "two" / "checkpoint_last.pt", tmp_path / "one" / "checkpoint_last.pt")


def gradients_of_pair(checkpoints: list[Path], folder: Path) -> list[dict[str, torch.Tensor]]:
    """Of each checkpoint's model, the gradients of the first process under torch's DDP."""
    job = {str(checkpoint): str(folder / f"{number}.pt") for number, checkpoint in enumerate(checkpoints)}
    job_file = folder / "job.json"
    job_file.write_text(json.dumps(job), encoding="utf-8")
    address = free_address()
    worker = [sys.executable, Path(__file__).with_name("ddp_worker.py")]
    run_pair(
        [[*worker, rank, address, job_file] for rank in (0, 1)],
        {**one_thread(), "PYTHONPATH": str(REPOSITORY)},
    )
    return [torch.load(path, weights_only=True) for path in job.values()]


def assert_gradients_of_one_process(found: dict[str, torch.Tensor], checkpoint: Path) -> None:
    model, task = load(checkpoint)
    for batch in batches(task, "valid")[:2]:
        nll, smooth = model.decoder.head(model(**batch["net_input"], features_only=True)[0], batch["target"])
        # DDP takes the mean over the processes.
        ((nll.sum() + 0.01 * smooth.sum()) / 2).backward()
    for key, parameter in model.named_parameters():
        assert found[key].is_sparse == parameter.grad.is_sparse, key
        torch.testing.assert_close(
            found[key].to_dense(), parameter.grad.to_dense(), rtol=1e-4, atol=1e-4, msg=f"{checkpoint} {key}"
        )


@pytest.mark.slow
def test_gradients_under_torchs_own_ddp(trained: Callable[[str], Trained], tmp_path: Path) -> None:
    """The loss comes from one forward pass, so that DDP's hooks see every parameter."""
    names = ["onehot-tied", "product", "mixture", "cascade-tied", "cascade-digit", "sampling"]
    checkpoints = [trained(name).checkpoint for name in names]
    for found, checkpoint in zip(gradients_of_pair(checkpoints, tmp_path), checkpoints, strict=True):
        assert_gradients_of_one_process(found, checkpoint)


@pytest.mark.slow
def test_sparse_gradients_under_torchs_own_ddp(corpus: Path, tmp_path: Path) -> None:
    """DDP is told to leave them to the optimizer, which averages them."""
    checkpoints = []
    for name in ("cascade-tied", "cascade", "product"):
        options = [*CONFIGURATIONS[name], "--optimizer", "row_adam", "--max-update", 1]
        fairseq_train(corpus, tmp_path / name, *options)
        checkpoints.append(tmp_path / name / "checkpoint_last.pt")
    for found, checkpoint in zip(gradients_of_pair(checkpoints, tmp_path), checkpoints, strict=True):
        assert found["encoder.embed_tokens.weight"].is_sparse
        assert_gradients_of_one_process(found, checkpoint)


@pytest.mark.slow
def test_rows_that_one_process_lacks_are_averaged() -> None:
    address = free_address()
    worker = [sys.executable, Path(__file__).with_name("rows_worker.py")]
    environment = {**one_thread(), "PYTHONPATH": str(REPOSITORY)}
    for printed in run_pair([[*worker, rank, address] for rank in (0, 1)], environment):
        assert printed.endswith("averaged\n")


@pytest.mark.slow
def test_sharded_heads() -> None:
    """FSDP2 gathers the parameters for every verb, not for ``forward`` alone."""
    address = free_address()
    worker = [sys.executable, Path(__file__).with_name("fsdp_worker.py")]
    outputs = run_pair(
        [[*worker, rank, address] for rank in (0, 1)], {**one_thread(), "PYTHONPATH": str(REPOSITORY)}
    )
    for output in outputs:
        assert [line for line in output.splitlines() if line in fsdp_worker.HEADS] == list(fsdp_worker.HEADS)
