"""Only micro-batches that are too small for batch norm are refused, and before the training starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.vision_xmc.engine.toy_task import PointTask, fit, options, records, weights
from vision_xmc.common.errors import UsageError


class Reshaped(nn.Module):
    """``(n, channels · pixels)`` to ``(n, channels, pixels)``."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, values: Tensor) -> Tensor:
        return values.view(len(values), -1, self.pixels)


class NormTask(PointTask):
    """The points' network with a batch norm over 16 values, or over fewer channels of several pixels."""

    def __init__(self, train: int, pixels: int = 1, **options: Any) -> None:
        super().__init__(train, **options)
        norm = nn.BatchNorm1d(16 // pixels)
        body = self.model.body
        self.model.body = nn.Sequential(body[0], Reshaped(pixels), norm, nn.Flatten(), nn.GELU(), body[3])


#: Training examples, options, and what the message says about the batch and the way out.
REFUSED: dict[str, tuple[int, dict[str, Any], str]] = {
    "the last batch": (
        41,
        {},
        "the last batch of each epoch has 1 example for 1 micro-batch; give --drop-last, another "
        "--batch-size or a smaller --accumulate",
    ),
    "the last batch in pieces": (
        45,
        {"accumulate": 3},
        "the last batch of each epoch has 5 examples for 3 micro-batches; give --drop-last, another",
    ),
    # Micro-batches without an example get one as a stand-in.
    "a stand-in": (42, {"accumulate": 4}, "the last batch of each epoch has 2 examples for 4 micro-batches"),
    "every batch": (
        40,
        {"accumulate": 6},
        "a batch has 10 examples for 6 micro-batches; give a larger --batch-size or a smaller --accumulate",
    ),
    "whole batches, without the last": (
        41,
        {"batch_size": 1, "drop_last": True},
        "a batch has 1 example for 1 micro-batch; give a larger --batch-size",
    ),
    "a single batch": (
        5,
        {"accumulate": 3, "drop_last": True},
        "a batch has 5 examples for 3 micro-batches; give a larger --batch-size",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    train, changes, sentence = REFUSED[name]
    expected = "batch norm cannot train on a micro-batch of one example, and " + sentence
    with pytest.raises(UsageError, match=re.escape(expected)):
        fit(NormTask(train), options(tmp_path, **changes))
    assert not records(tmp_path)
    assert not (tmp_path / "last.pt").exists()


@pytest.mark.parametrize("name", REFUSED)
def test_torch_would_stop_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, changes, _ = REFUSED[name]
    monkeypatch.setattr("vision_xmc.engine.loop.check_batch_norm", lambda *_: None)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        fit(NormTask(train), options(tmp_path, **changes))


@pytest.mark.parametrize(
    ("train", "changes"),
    [
        (41, {"drop_last": True}),
        (42, {}),
        (44, {"accumulate": 2}),
        (40, {"accumulate": 5}),
        # The small batch at the end of the epoch is never reached.
        (41, {"max_steps": 4}),
    ],
)
def test_large_enough(train: int, changes: dict[str, Any], tmp_path: Path) -> None:
    fit(NormTask(train), options(tmp_path, **changes))
    assert records(tmp_path, "train")


def test_several_pixels_are_enough_and_the_check_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(NormTask(41, pixels=4, dropout=0.3), options(tmp_path / "checked"))
    monkeypatch.setattr("vision_xmc.engine.loop.check_batch_norm", lambda *_: None)
    fit(NormTask(41, pixels=4, dropout=0.3), options(tmp_path / "unchecked"))
    checked, unchecked = (tmp_path / name / "metrics.jsonl" for name in ("checked", "unchecked"))
    assert checked.read_bytes() == unchecked.read_bytes()
    found, expected = (weights(tmp_path / name / "last.pt") for name in ("checked", "unchecked"))
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert int(found["body.2.num_batches_tracked"]) == 15


def test_a_network_without_batch_norm_is_not_run(tmp_path: Path) -> None:
    task = PointTask(41)
    fit(task, options(tmp_path))
    assert task.losses_seen == 15


def test_a_finished_run_is_not_refused(tmp_path: Path) -> None:
    fit(NormTask(41), options(tmp_path, max_steps=4))
    assert fit(NormTask(41), options(tmp_path, max_steps=4))["updates"] == 4
    with pytest.raises(UsageError, match="the last batch of each epoch has 1 example"):
        fit(NormTask(41), options(tmp_path, max_steps=5))
