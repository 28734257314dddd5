"""The loop against a training written in a few lines, and the files that it writes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from tests.vision_xmc.engine.toy_task import PointTask, fit, options, records, weights
from vision_xmc.common.errors import UsageError
from vision_xmc.engine.batches import BatchPlan
from vision_xmc.engine.optim import learning_rate


def plain_training(task: PointTask, chosen: Any) -> list[float]:
    """The same training written as a plain loop: whole batches, mean loss, one process."""
    plan = BatchPlan(len(task.train_data), chosen.batch_size, seed=chosen.seed)
    parameters = list(task.model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=chosen.lr, momentum=chosen.momentum)
    losses = []
    total = chosen.epochs * plan.updates_per_epoch
    task.model.train()
    for epoch in range(chosen.epochs):
        order = plan.order(epoch)
        for start in range(0, len(order), chosen.batch_size):
            indices = order[start : start + chosen.batch_size]
            points, labels = default_collate([task.train_data[(epoch, int(index))] for index in indices])
            loss = task.model.head.loss(task.model(points), labels)
            optimizer.zero_grad()
            loss.backward()
            if chosen.clip_norm:
                torch.nn.utils.clip_grad_norm_(parameters, chosen.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(len(losses), peak=chosen.lr, total=total)
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("accumulate", [1, 3, 11])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_it_is_the_plain_training(tmp_path: Path, accumulate: int, clip_norm: float | None) -> None:
    """45 examples in batches of 10 end with a batch of 5. Of 11 micro-batches, some have no example."""
    chosen = options(tmp_path, accumulate=accumulate, clip_norm=clip_norm)
    oracle = PointTask()
    expected = plain_training(oracle, chosen)
    task = PointTask()
    fit(task, chosen)
    assert [record["loss"] for record in records(tmp_path, "train")] == pytest.approx(expected, rel=1e-5)
    assert task.losses_seen == 15 * accumulate
    for name, value in oracle.model.state_dict().items():
        torch.testing.assert_close(weights(tmp_path / "last.pt")[name], value, rtol=1e-4, atol=1e-5)


def test_records(tmp_path: Path) -> None:
    result = fit(PointTask(), options(tmp_path, log_steps=2, clip_norm=1.0))
    train = records(tmp_path, "train")
    # 5 updates per epoch. Records follow updates 2 and 4, the end of the epoch (5), and so on.
    assert [r["update"] for r in train] == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    assert {"loss", "square", "grad_norm", "lr", "epoch", "kind", "update"} == set(train[0])
    assert [(r["update"], r["split"]) for r in records(tmp_path, "eval")] == [
        (5, "valid"),
        (10, "valid"),
        (15, "valid"),
    ]
    finals = [(r["weights"], r["split"]) for r in records(tmp_path, "final")]
    assert finals == [("last", "valid"), ("last", "test"), ("best", "valid"), ("best", "test")]
    assert result["last"]["valid"]["accuracy"] == pytest.approx(records(tmp_path, "eval")[-1]["accuracy"])
    best = max(r["accuracy"] for r in records(tmp_path, "eval"))
    assert result["best"]["valid"]["accuracy"] == pytest.approx(best)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock", "best.pt", "last.pt", "curves.png", "metrics.jsonl", "options.json", "result.json"
    }  # fmt: skip
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_equal_seeds_write_equal_files_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(PointTask(dropout=0.3), options(tmp_path / name, seed=seed))
    first, second, other = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in "abc")
    assert first == second != other


def test_the_test_set_is_evaluated_but_chooses_nothing(tmp_path: Path) -> None:
    result = fit(PointTask(valid=0), options(tmp_path))
    assert [r["split"] for r in records(tmp_path, "eval")] == ["test"] * 3
    assert "best" not in result
    assert not (tmp_path / "best.pt").exists()


def test_early_stopping(tmp_path: Path) -> None:
    result = fit(PointTask(), options(tmp_path, epochs=50, patience=3, lr=0.5))
    scores = [r["accuracy"] for r in records(tmp_path, "eval")]
    best = scores.index(max(scores))
    assert len(scores) == best + 1 + 3 < 50
    assert result["best_update"] == (best + 1) * 5
    # The same command, given again, has nothing left to do.
    before = (tmp_path / "metrics.jsonl").read_bytes()
    assert fit(PointTask(), options(tmp_path, epochs=50, patience=3, lr=0.5))["updates"] == result["updates"]
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_patience_needs_a_validation_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--patience needs a validation set"):
        fit(PointTask(valid=0), options(tmp_path, patience=1))


def test_a_diverging_training_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    class Exploding(PointTask):
        def loss(self, batch: Any) -> Any:
            sums = super().loss(batch)
            return {"loss": sums["loss"] * (math.inf if self.losses_seen > 7 else 1)}

    with pytest.raises(UsageError, match="no longer finite at update 8; lower --lr"):
        fit(Exploding(), options(tmp_path))
    assert all(value.isfinite().all() for value in weights(tmp_path / "last.pt").values())


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_averages_are_evaluated_and_kept(tmp_path: Path, average: str) -> None:
    fit(PointTask(), options(tmp_path, average=average, swa_start=0.3, ema_decay=0.9))
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    assert last["average"]["count"] == {"ema": 15, "swa": 3}[average]
    task = PointTask()
    task.model.load_state_dict(last["model"] | last["average"]["values"])
    task.model.eval()
    points, labels = default_collate([task.valid_data[index] for index in range(25)])
    expected = float((task.model.head.predict(task.model(points)) == labels).float().mean())
    assert records(tmp_path, "eval")[-1]["accuracy"] == pytest.approx(expected)
    assert any(
        not torch.equal(last["model"][name], value) for name, value in last["average"]["values"].items()
    )


def test_bf16(tmp_path: Path) -> None:
    task, dtypes = PointTask(), set()
    task.model.body[0].register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
    fit(task, options(tmp_path / "bf16", precision="bf16"))
    fit(PointTask(), options(tmp_path / "fp32"))
    assert dtypes == {torch.bfloat16}
    half, full = ([r["loss"] for r in records(tmp_path / name, "train")] for name in ("bf16", "fp32"))
    assert half != full
    assert half == pytest.approx(full, rel=0.05)
    assert {value.dtype for value in weights(tmp_path / "bf16" / "last.pt").values()} == {
        torch.float32,
        torch.int64,
    }


def test_adamw_and_max_steps_and_tensorboard(tmp_path: Path) -> None:
    chosen = options(tmp_path, optimizer="adamw", lr=0.01, max_steps=7, tensorboard=True, eval_steps=3)
    assert fit(PointTask(), chosen)["updates"] == 7
    assert [r["update"] for r in records(tmp_path, "eval")] == [3, 5, 6, 7]
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    logged = [event.value for event in events.Scalars("train/loss")]
    assert logged == pytest.approx([r["loss"] for r in records(tmp_path, "train")], rel=1e-5)


def test_fp16_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        fit(PointTask(), options(tmp_path, precision="fp16", device="cpu"))
