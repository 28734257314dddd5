"""``python -m user_dir.average_checkpoints``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.user_dir.fairseq_commands import fairseq_generate, fairseq_train, refusal, run
from tests.user_dir.toy_corpus import SIZES
from tests.user_dir.trained_models import parameters
from user_dir import average_checkpoints

# Two updates an epoch.
BRIEF = ["--max-tokens", 1000, "--save-interval-updates", 1]


@pytest.fixture(scope="module")
def run_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of three epochs with a checkpoint for each, and for each update."""
    folder = tmp_path_factory.mktemp("epochs")
    fairseq_train(corpus, folder, "--mhe-head", "product", *BRIEF, "--max-epoch", 3, "--max-update", 99)
    assert {f"checkpoint{epoch}.pt" for epoch in (1, 2, 3)} < {path.name for path in folder.iterdir()}
    return folder


def mean(paths: list[Path]) -> dict[str, torch.Tensor]:
    states = [parameters(path) for path in paths]
    return {
        key: torch.stack([state[key].double() for state in states]).mean(0).to(value.dtype)
        for key, value in states[0].items()
    }


def average(output: Path, *options: Any) -> dict[str, torch.Tensor]:
    run(average_checkpoints.main, *options, "--output", output)
    return parameters(output)


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-7, msg=key)


def test_mean_of_files(run_folder: Path, tmp_path: Path) -> None:
    paths = [run_folder / f"checkpoint{epoch}.pt" for epoch in (1, 3)]
    before = [path.read_bytes() for path in paths]
    # The command makes the output's folder.
    found = average(tmp_path / "new" / "average.pt", "--inputs", *paths)
    assert_same(found, mean(paths))
    assert not torch.equal(found["decoder.head.weight"], parameters(paths[0])["decoder.head.weight"])
    assert [path.read_bytes() for path in paths] == before
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["average.pt"]


# fmt: off
LAST_EPOCHS = [
    (["--num-epoch-checkpoints", 2], [2, 3]),
    (["--num-epoch-checkpoints", 1], [3]),
    (["--num-epoch-checkpoints", 2, "--checkpoint-upper-bound", 2], [1, 2]),
]
# fmt: on


@pytest.mark.parametrize(("options", "epochs"), LAST_EPOCHS, ids=str)
def test_the_last_epochs(options: list[Any], epochs: list[int], run_folder: Path, tmp_path: Path) -> None:
    found = average(tmp_path / "average.pt", "--inputs", run_folder, *options)
    assert_same(found, mean([run_folder / f"checkpoint{epoch}.pt" for epoch in epochs]))


def test_the_last_updates(run_folder: Path, tmp_path: Path) -> None:
    by_update = {int(path.stem.rsplit("_", 1)[-1]): path for path in run_folder.glob("checkpoint_*_*.pt")}
    newest = [by_update[update] for update in sorted(by_update)]
    fixed = ["--inputs", run_folder, "--num-update-checkpoints", 2]
    assert_same(average(tmp_path / "a.pt", *fixed), mean(newest[-2:]))
    bound = ["--checkpoint-upper-bound", sorted(by_update)[-2]]
    assert_same(average(tmp_path / "b.pt", *fixed, *bound), mean(newest[-3:-1]))


def test_the_average_translates_and_is_trained_further(
    corpus: Path, run_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "average.pt"
    found = average(path, "--inputs", run_folder, "--num-epoch-checkpoints", 3)
    assert sorted(fairseq_generate(corpus, path).lines("H")) == list(range(SIZES["test"]))
    fresh = ["--reset-optimizer", "--reset-dataloader", "--reset-meters", "--reset-lr-scheduler"]
    still = ["--lr", 0.0, "--max-update", 1]
    fixed = ["--mhe-head", "product", "--restore-file", path]
    fairseq_train(corpus, tmp_path / "further", *fixed, *fresh, *still)
    assert_same(parameters(tmp_path / "further" / "checkpoint_last.pt"), found)


@pytest.mark.parametrize("other", [
    # 5 + 9 rows are as many as 7 + 7, so only the codes differ.
    ["--mhe-radices", "5,9"], ["--mhe-label-order", "random"],
], ids=" ".join)  # fmt: skip
def test_other_codes_are_refused(other: list[str], corpus: Path, run_folder: Path, tmp_path: Path) -> None:
    fairseq_train(corpus, tmp_path / "other", "--mhe-head", "product", *other, "--max-update", 1)
    paths = [run_folder / "checkpoint1.pt", tmp_path / "other" / "checkpoint_last.pt"]
    sentence = average_refusal(tmp_path, "--inputs", *paths)
    assert "use different codes" in sentence
    assert str(paths[0]) in sentence
    assert str(paths[1]) in sentence


# fmt: off
OTHER_MODELS = [
    (["--mhe-head", "cascade"], "only one of them has decoder.head"),
    (["--mhe-head", "product", "--mhe-groups", "2", "--mhe-group-form", "joint"], "has shape"),
]
# fmt: on


@pytest.mark.parametrize(("other", "reason"), OTHER_MODELS, ids=str)
def test_other_models_are_refused(
    other: list[str], reason: str, corpus: Path, run_folder: Path, tmp_path: Path
) -> None:
    fairseq_train(corpus, tmp_path / "other", *other, "--max-update", 1)
    paths = [run_folder / "checkpoint1.pt", tmp_path / "other" / "checkpoint_last.pt"]
    assert reason in average_refusal(tmp_path, "--inputs", *paths)


def test_inputs_that_are_not_there_are_refused(run_folder: Path, tmp_path: Path) -> None:
    assert "no checkpoint at" in average_refusal(tmp_path, "--inputs", run_folder / "checkpoint77.pt")
    many = ["--num-epoch-checkpoints", 4]
    assert "holds 3 checkpoints" in average_refusal(tmp_path, "--inputs", run_folder, *many)
    file = run_folder / "checkpoint1.pt"
    assert "take one run folder" in average_refusal(tmp_path, "--inputs", file, *many)
    sentence = average_refusal(tmp_path, "--inputs", file, "--checkpoint-upper-bound", 2)
    assert "--checkpoint-upper-bound" in sentence


def average_refusal(folder: Path, *options: Any) -> str:
    output = folder / "average.pt"
    sentence = refusal(average_checkpoints.main, *options, "--output", output)
    assert not output.exists()
    return sentence
