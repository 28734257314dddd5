"""A training that is stopped and resumed ends exactly like one that runs through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.shares import one_in
from tests.user_dir.fairseq_commands import Output, fairseq_train
from tests.user_dir.trained_models import CONFIGURATIONS, parameters


def updates(output: Output) -> dict[int, tuple[str, str]]:
    """Loss and gradient norm of each update, by its number."""
    records = [record for record in output.records() if "gnorm" in record]
    return {int(record["num_updates"]): (record["loss"], record["gnorm"]) for record in records}


# Dropout is on. fairseq seeds each update anew, and so the draws of a sampling head are repeated too.
@pytest.mark.parametrize("name", one_in(2, ["product", "cascade-tied", "sampling", "cascade-digit"]))
def test_resumed_training_is_the_same_training(name: str, corpus: Path, tmp_path: Path) -> None:
    def train(folder: str, until: int) -> Output:
        return fairseq_train(corpus, tmp_path / folder, *CONFIGURATIONS[name], "--max-update", until)

    whole = train("whole", 14)
    # An epoch has about ten updates: the stop is within the first, the second begins after it.
    first, second = train("parts", 6), train("parts", 14)
    assert sorted(updates(first)) == list(range(1, 7))
    assert sorted(updates(second)) == list(range(7, 15))
    assert {**updates(first), **updates(second)} == updates(whole)
    state, expected = (
        torch.load(tmp_path / folder / "checkpoint_last.pt", weights_only=True)
        for folder in ("parts", "whole")
    )
    assert state["model"].keys() == expected["model"].keys()
    for key, value in state["model"].items():
        assert torch.equal(value, expected["model"][key]), key
    assert moments(state) == moments(expected)
    assert state["optimizer_history"][-1]["num_updates"] == 14


def moments(state: dict[str, Any]) -> list[tuple[float, ...]]:
    """Adam's state, each tensor of it summed, per parameter."""
    by_parameter = state["last_optimizer_state"]["state"]
    return [
        tuple(float(torch.as_tensor(part).sum()) for part in by_parameter[key].values())
        for key in by_parameter
    ]


def test_training_starts_from_the_parameters_of_another_run(corpus: Path, tmp_path: Path) -> None:
    """``--finetune-from-model`` takes the parameters and nothing else."""
    options = CONFIGURATIONS["cascade"]
    fairseq_train(corpus, tmp_path / "first", *options)
    start = tmp_path / "first" / "checkpoint_last.pt"
    still = ["--finetune-from-model", start, "--lr", 0.0, "--max-update", 1]
    fairseq_train(corpus, tmp_path / "second", *options, *still)
    tuned, given = parameters(tmp_path / "second" / "checkpoint_last.pt"), parameters(start)
    assert all(torch.equal(tuned[key], value) for key, value in given.items())
