"""One sentence each for checkpoints that cannot be read, must not be read, or hold another model."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq_cli import generate, train, validate

from tests.shares import one_in
from tests.user_dir.fairseq_commands import (
    decoding_arguments,
    fairseq_generate,
    fairseq_train,
    refusal,
    training_arguments,
)
from tests.user_dir.trained_models import CONFIGURATIONS, Trained, load, parameters
from user_dir.errors import UsageError


class Foreign:
    """Unpickling an instance creates the file ``marker``."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.marker, "w")


def generate_refusal(data: Path, checkpoint: Path, *options: Any) -> str:
    """The sentence with which translation is refused; the checkpoint does not change."""
    before = checkpoint.read_bytes() if checkpoint.is_file() else None
    sentence = refusal(generate.cli_main, *decoding_arguments(data, checkpoint), *options)
    assert (checkpoint.read_bytes() if checkpoint.is_file() else None) == before
    return sentence


def resume_refusal(data: Path, save_dir: Path, *options: Any) -> str:
    """The sentence with which resuming is refused; the run folder does not change."""
    before = {path.name: path.read_bytes() for path in save_dir.iterdir()}
    sentence = refusal(train.cli_main, *training_arguments(data, save_dir), *options)
    assert {path.name: path.read_bytes() for path in save_dir.iterdir()} == before
    return sentence


def foreign_states(marker: Path) -> dict[str, Any]:
    return {
        "in the options": {"args": Foreign(marker), "model": {}},
        "next to the parameters": {"args": None, "cfg": None, "model": {}, "extra_state": [Foreign(marker)]},
        "on its own": Foreign(marker),
    }


@pytest.mark.parametrize("place", ["in the options", "next to the parameters", "on its own"])
def test_a_foreign_object_is_refused_and_its_code_not_run(place: str, corpus: Path, tmp_path: Path) -> None:
    marker, save_dir = tmp_path / "ran", tmp_path / "run"
    save_dir.mkdir()
    checkpoint = save_dir / "checkpoint_last.pt"
    torch.save(foreign_states(marker)[place], checkpoint)
    for sentence in (generate_refusal(corpus, checkpoint), resume_refusal(corpus, save_dir)):
        assert sentence.startswith(f"{checkpoint} holds a pickled ")
        assert "open" in sentence
        assert "foreign code" in sentence
    assert not marker.exists()


def test_a_plain_pickle_is_refused(corpus: Path, tmp_path: Path) -> None:
    marker, checkpoint = tmp_path / "ran", tmp_path / "model.pt"
    checkpoint.write_bytes(pickle.dumps({"args": Foreign(marker)}))
    assert str(checkpoint) in generate_refusal(corpus, checkpoint)
    assert not marker.exists()


DAMAGE = {
    "half": lambda whole: whole[: len(whole) // 2],
    "start": lambda whole: whole[:100],
    "empty": lambda whole: b"",
    "bytes": lambda whole: bytes(range(256)) * 40,
    "text": lambda whole: "keine Datei für torch\n".encode() * 9,
    "zip": lambda whole: b"PK\x03\x04" + b"\0" * 500,
    "list": lambda whole: pickle.dumps([1, 2]),
    "dict": lambda whole: pickle.dumps({}),
    "no options": lambda whole: pickle.dumps({"args": None, "model": {}}),
}


@pytest.mark.parametrize("content", one_in(2, DAMAGE.values()), ids=DAMAGE)
def test_a_damaged_file_is_named(
    content: Callable[[bytes], bytes], trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    run = trained("product")
    checkpoint = tmp_path / "checkpoint_last.pt"
    checkpoint.write_bytes(content(run.checkpoint.read_bytes()))
    assert str(checkpoint) in generate_refusal(run.data, checkpoint)
    assert str(checkpoint) in resume_refusal(run.data, tmp_path, *run.options)


# fmt: off
NO_CHECKPOINTS = [[1, 2], {}, {"model": {}}, {"args": None, "cfg": None, "model": {}}]
# fmt: on


@pytest.mark.parametrize("state", NO_CHECKPOINTS, ids=str)
def test_a_file_written_by_torch_that_is_no_checkpoint_is_named(
    state: Any, corpus: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint_last.pt"
    torch.save(state, checkpoint)
    assert str(checkpoint) in generate_refusal(corpus, checkpoint)


def test_a_missing_checkpoint_is_named(corpus: Path, tmp_path: Path) -> None:
    assert str(tmp_path / "none.pt") in generate_refusal(corpus, tmp_path / "none.pt")
    assert str(tmp_path) in generate_refusal(corpus, tmp_path)
    path = tmp_path / "none.pt"
    arguments = [corpus, *decoding_arguments(corpus, path)[1:-2], "--task", "translation", "--batch-size", 8]
    assert str(path) in refusal(validate.cli_main, *arguments)


@pytest.mark.parametrize("name", one_in(3, ["onehot", "product", "cascade-tied"]))
def test_another_vocabulary_is_refused(
    name: str, larger_corpus: Path, trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    run = trained(name)
    sentence = generate_refusal(larger_corpus, run.checkpoint)
    assert "trained with 45 source symbols, but the dictionary has 49" in sentence
    shutil.copy(run.checkpoint, tmp_path)
    assert "45 source symbols" in resume_refusal(larger_corpus, tmp_path, *run.options)


# fmt: off
OTHER_HEADS = [
    ("product", ["--mhe-head", "product", "--mhe-radices", "5,9"],
     r"radices \[7, 7\] are not this model's \[5, 9\]"),
    ("cascade", ["--mhe-head", "cascade", "--mhe-radices", "9,5"], r"radices \[7, 7\]"),
    ("product", ["--mhe-head", "product", "--mhe-label-order", "random"], "label order is not this model's"),
    ("sampling", [*CONFIGURATIONS["sampling"], "--mhe-order-seed", "2"], "label order is not this model's"),
    ("product", ["--mhe-head", "cascade"], "does not fit this model, whose output layer is CascadeHead"),
    ("onehot", ["--mhe-head", "product"], "does not fit this model, whose output layer is ProductHead"),
    ("cascade", ["--mhe-head", "sampling"], "does not fit this model, whose output layer is SamplingHead"),
    ("product", CONFIGURATIONS["mixture"], "does not fit this model"),
    ("mixture", CONFIGURATIONS["joint"], "does not fit this model"),
    ("cascade", CONFIGURATIONS["cascade-digit"], "does not fit this model"),
    ("cascade", CONFIGURATIONS["three-heads"], r"radices \[7, 7\] are not this model's \[3, 4, 4\]"),
    ("product", ["--mhe-head", "product", "--decoder-embed-dim", "48"], "does not fit this model"),
]
# fmt: on


@pytest.mark.parametrize(("name", "changed", "reason"), one_in(2, OTHER_HEADS), ids=str)
def test_resuming_with_another_head_is_refused(
    name: str, changed: list[str], reason: str, trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    run = trained(name)
    shutil.copy(run.checkpoint, tmp_path)
    sentence = resume_refusal(run.data, tmp_path, *changed)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(sentence)


# The shapes are the same, but the rows of an unshared matrix are in the order of ranks, and those of an
# embedding in the dictionary's order. Without the refusal one would silently be read as the other.
@pytest.mark.parametrize("head", one_in(3, ["cascade", "onehot", "sampling"]))
def test_a_shared_matrix_does_not_load_as_an_unshared_one_nor_the_reverse(
    head: str, corpus: Path, tmp_path: Path
) -> None:
    order = [] if head == "onehot" else ["--mhe-label-order", "random"]
    models, states = [], []
    for sharing in ([], ["--share-all-embeddings"]):
        save_dir = tmp_path / f"run{len(sharing)}"
        fairseq_train(corpus, save_dir, "--mhe-head", head, *order, *sharing, "--max-update", 1)
        models.append(load(save_dir / "checkpoint_last.pt")[0])
        states.append(parameters(save_dir / "checkpoint_last.pt"))
    for model, state in zip(models, reversed(states), strict=True):
        with pytest.raises(UsageError, match="share"):
            model.load_state_dict(state, strict=True)


def test_a_label_order_file_may_be_deleted_after_training(
    corpus: Path, order_file: Path, tmp_path: Path
) -> None:
    ranks = tmp_path / "ranks.txt"
    shutil.copy(order_file, ranks)
    save_dir = tmp_path / "run"
    options = ["--mhe-head", "product", "--mhe-label-order", ranks]
    fairseq_train(corpus, save_dir, *options)
    checkpoint = save_dir / "checkpoint_last.pt"
    before = fairseq_generate(corpus, checkpoint)
    assert parameters(checkpoint)["decoder.head.codec.order"].tolist() != list(range(45))
    ranks.unlink()
    after = fairseq_generate(corpus, checkpoint)
    assert after.lines("H") == before.lines("H")
    assert after.lines("P") == before.lines("P")
    # Another file in its place contradicts the checkpoint.
    ranks.write_text("".join(f"{rank}\n" for rank in range(45)), encoding="utf-8")
    assert "label order is not this model's" in generate_refusal(corpus, checkpoint)
