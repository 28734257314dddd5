"""Checkpoint files are written whole or not at all, and no code in them is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vision_xmc.common.errors import UsageError
from vision_xmc.engine import checkpoint


class Bomb:
    def __reduce__(self) -> Any:
        return os.system, ("touch exploded",)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"model": {"weight": torch.ones(3)}})
    with pytest.raises((AttributeError, pickle.PicklingError)):
        checkpoint.save(path, {"model": {"weight": torch.zeros(3)}, "bad": lambda: None})
    assert torch.equal(checkpoint.load(path)["model"]["weight"], torch.ones(3))


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", pickle.dumps({"model": Bomb()}), pickle.dumps({"model": {}})]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"last\.pt is not a"):
        checkpoint.load(path)
    assert not (tmp_path / "exploded").exists()


def test_code_in_a_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best.pt"
    torch.save({"format": 1, "model": {}, "extra": Bomb()}, path)
    with pytest.raises(UsageError, match=r"best\.pt is not a whole checkpoint"):
        checkpoint.load(path)
    assert not (tmp_path / "exploded").exists()


def test_a_cut_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"model": {"weight": torch.ones(1000)}})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UsageError, match=r"last\.pt is not a whole checkpoint"):
        checkpoint.load(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint at"):
        checkpoint.load(tmp_path / "none.pt")
    with pytest.raises(UsageError, match="is a folder; name a checkpoint in it"):
        checkpoint.load(tmp_path)


def test_the_optimizer_state_does_not_depend_on_the_grouping() -> None:
    def trained(groups: Any) -> tuple[nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(groups(model), lr=0.1)
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        return model, optimizer

    model, one = trained(lambda m: [{"params": list(m.parameters())}])
    other_model, two = trained(lambda m: [{"params": [m.bias]}, {"params": [m.weight], "weight_decay": 0.0}])
    stored = checkpoint.named_optimizer_state(one, model)
    checkpoint.load_named_optimizer_state(two, other_model, stored)
    for name, value in stored.items():
        found = checkpoint.named_optimizer_state(two, other_model)[name]
        assert all(torch.equal(found[key], value[key]) for key in ("exp_avg", "exp_avg_sq", "step"))
