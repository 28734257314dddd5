"""A run that was interrupted resumes as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.shares import one_in
from tests.vision_xmc.engine.toy_task import PointTask, assert_same_weights, fit, options, records
from vision_xmc.common.errors import UsageError


class BrokenOffError(Exception):
    """Stands for a power cut."""


class Failing(PointTask):
    """Fails at a call of its loss."""

    fails_at = 0

    def loss(self, batch: Any) -> Any:
        if self.losses_seen == self.fails_at:
            raise BrokenOffError
        return super().loss(batch)


#: Everything that has state: dropout, a head that draws, averages, optimizers, micro-batches, open records.
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sgd": ({}, {}),
    "dropout": ({"dropout": 0.4}, {"clip_norm": 1.0, "log_steps": 7}),
    "sampling": ({"head": "sampling", "sample_fraction": 0.3}, {"accumulate": 2}),
    "adamw-ema": ({"dropout": 0.2, "head": "cascade"}, {"optimizer": "adamw", "average": "ema", "lr": 0.01}),
    "swa": ({"head": "onehot"}, {"average": "swa", "swa_start": 0.2, "schedule": "step", "nesterov": True}),
    "bf16": ({"head": "product", "groups": 2}, {"precision": "bf16", "warmup_epochs": 1.5}),
}


def broken_run(folder: Path, task: dict[str, Any], training: dict[str, Any], update: int) -> None:
    """Trains until ``update``, counted from the start of the run, and fails there."""
    run = Failing(**task)
    run.fails_at = update * training.get("accumulate", 1)
    with pytest.raises(BrokenOffError):
        fit(run, options(folder, save_steps=3, **training))


@pytest.mark.parametrize("name", one_in(2, RUNS))
def test_resuming_twice_is_one_run(name: str, tmp_path: Path) -> None:
    """Checkpoints are at updates 3, 5, 6, 9, 10 …: a run that fails at 8 resumes from 6, and so on."""
    task, training = RUNS[name]
    whole = fit(PointTask(**task), options(tmp_path / "whole", save_steps=3, **training))
    broken = tmp_path / "broken"
    broken_run(broken, task, training, 8)
    assert torch.load(broken / "last.pt", weights_only=True)["progress"]["update"] == 6
    # The second process starts from update 6 and fails five updates later.
    run = Failing(**task)
    run.fails_at = 5 * training.get("accumulate", 1)
    with pytest.raises(BrokenOffError):
        fit(run, options(broken, save_steps=3, **training))
    result = fit(PointTask(**task), options(broken, save_steps=3, **training))
    assert (broken / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for checkpoint in ("last.pt", "best.pt"):
        assert_same_weights(broken / checkpoint, tmp_path / "whole" / checkpoint)
    timeless = [{k: v for k, v in r.items() if k != "train_seconds"} for r in (whole, result)]
    assert timeless[0] == timeless[1]


def test_the_resumed_part_is_not_trained_again(tmp_path: Path) -> None:
    broken_run(tmp_path, {}, {}, 8)
    task = PointTask()
    fit(task, options(tmp_path, save_steps=3))
    assert task.losses_seen == 15 - 6


def test_interrupted_before_the_first_checkpoint(tmp_path: Path) -> None:
    broken_run(tmp_path / "broken", {}, {}, 2)
    fit(PointTask(), options(tmp_path / "broken"))
    fit(PointTask(), options(tmp_path / "whole"))
    assert (tmp_path / "broken" / "metrics.jsonl").read_bytes() == (
        tmp_path / "whole" / "metrics.jsonl"
    ).read_bytes()


def test_half_a_record_and_half_a_checkpoint_are_left_behind(tmp_path: Path) -> None:
    broken_run(tmp_path, {}, {}, 8)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "upd')
    (tmp_path / ".last.pt.part").write_bytes(b"half a checkpoint")
    fit(PointTask(), options(tmp_path, save_steps=3))
    assert [record["update"] for record in records(tmp_path, "train")] == list(range(1, 16))
    assert not (tmp_path / ".last.pt.part").exists()


def test_more_epochs(tmp_path: Path) -> None:
    fit(PointTask(), options(tmp_path, epochs=2, schedule="constant"))
    fit(PointTask(), options(tmp_path, epochs=3, schedule="constant"))
    assert [record["update"] for record in records(tmp_path, "train")] == list(range(1, 16))


def test_other_micro_batches(tmp_path: Path) -> None:
    """The batches stay the same. The runs differ by rounding only."""
    fit(PointTask(), options(tmp_path / "whole"))
    broken_run(tmp_path / "broken", {}, {}, 8)
    fit(PointTask(), options(tmp_path / "broken", accumulate=4))
    losses = [[r["loss"] for r in records(tmp_path / name, "train")] for name in ("whole", "broken")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_other_options_are_refused_and_restart_starts_from_the_beginning(tmp_path: Path) -> None:
    fit(PointTask(), options(tmp_path, seed=1))
    with pytest.raises(
        UsageError, match=r"other options \(then: lr 0.2; now: lr 0.3\); give another --output"
    ):
        fit(PointTask(), options(tmp_path, seed=1, lr=0.3))
    fit(PointTask(), options(tmp_path, seed=1, lr=0.3, restart=True))
    fit(PointTask(), options(tmp_path / "other", seed=1, lr=0.3))
    assert (tmp_path / "metrics.jsonl").read_bytes() == (tmp_path / "other" / "metrics.jsonl").read_bytes()


def test_another_training_set_is_refused(tmp_path: Path) -> None:
    fit(PointTask(45), options(tmp_path))
    with pytest.raises(UsageError, match="a run over 45 training examples, but now there are 44; give"):
        fit(PointTask(44), options(tmp_path))


def test_best_weights_cannot_be_resumed(tmp_path: Path) -> None:
    fit(PointTask(), options(tmp_path))
    (tmp_path / "best.pt").rename(tmp_path / "last.pt")
    with pytest.raises(UsageError, match=r"holds weights only; a training resumes from last\.pt"):
        fit(PointTask(), options(tmp_path))


def test_another_model_is_refused(tmp_path: Path) -> None:
    fit(PointTask(radices=(3, 4)), options(tmp_path))
    with pytest.raises(UsageError, match=r"last.pt does not fit this model: .*radices \[3, 4\]"):
        fit(PointTask(radices=(4, 3)), options(tmp_path))
    with pytest.raises(UsageError, match=r"last\.pt does not fit this model"):
        fit(PointTask(head="onehot"), options(tmp_path))
