"""A shared table is one parameter: in memory, in the optimiser and after loading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.user_dir.fairseq_commands import fairseq_generate, fairseq_train
from tests.user_dir.toy_corpus import SIZES
from tests.user_dir.trained_models import CONFIGURATIONS, Trained, load, parameters


def trained_parameters(checkpoint: Path) -> int:
    """How many parameters the optimiser has."""
    state = torch.load(checkpoint, weights_only=True)["last_optimizer_state"]
    return sum(len(group["params"]) for group in state["param_groups"])


def output_matrix(model: Any) -> torch.nn.Parameter:
    """The head's matrix with one row per label."""
    head = model.decoder.head
    return (getattr(head, "leaf", None) or getattr(head, "matrix", None) or head).weight


@pytest.mark.parametrize("name", ["onehot-tied", "cascade-tied", "sampling"])
def test_all_embeddings_are_one(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    model, task = run.loaded
    table = model.encoder.embed_tokens.weight
    assert model.decoder.embed_tokens.weight is table
    assert output_matrix(model) is table
    assert table.shape == (len(task.target_dictionary), 32)
    assert trained_parameters(run.checkpoint) == len(list(model.parameters()))
    stored = parameters(run.checkpoint)
    same = [key for key, value in stored.items() if value.shape == table.shape and torch.equal(value, table)]
    assert len(same) == 3


@pytest.mark.parametrize(("head", "own"), [("onehot", 0), ("sampling", 0), ("cascade", 45 + 7 * 32 + 7)])
def test_sharing_leaves_the_head_no_matrix_of_its_own(
    head: str, own: int, corpus: Path, tmp_path: Path
) -> None:
    """A tied head adds only biases and the weights of inner digits; an untied one adds the matrix too."""
    counts = {}
    for kind, sharing in (("own", []), ("tied", ["--share-decoder-input-output-embed"])):
        fairseq_train(corpus, tmp_path / kind, "--mhe-head", head, *sharing, "--max-update", 1)
        model, _ = load(tmp_path / kind / "checkpoint_last.pt")
        counts[kind] = sum(parameter.numel() for parameter in model.parameters())
        inputs = {id(parameter) for parameter in model.decoder.embed_tokens.parameters()}
        assert (id(output_matrix(model)) in inputs) == (kind == "tied")
        assert model.encoder.embed_tokens.weight is not model.decoder.embed_tokens.weight
        if kind == "tied":
            head_only = [p for p in model.decoder.head.parameters() if id(p) not in inputs]
            assert sum(parameter.numel() for parameter in head_only) == own
    assert counts["own"] - counts["tied"] == 45 * 32


@pytest.mark.parametrize("name", ["product", "cascade"])
def test_input_embeddings_alone_are_one(name: str, corpus: Path, tmp_path: Path) -> None:
    fixed = [corpus, tmp_path, *CONFIGURATIONS[name], "--mhe-share-input-embeddings"]
    fairseq_train(*fixed)
    checkpoint = tmp_path / "checkpoint_last.pt"
    stored = parameters(checkpoint)
    assert torch.equal(stored["encoder.embed_tokens.weight"], stored["decoder.embed_tokens.weight"])
    model, _ = load(checkpoint)
    table = model.encoder.embed_tokens.weight
    assert model.decoder.embed_tokens.weight is table
    assert all(parameter is not table for parameter in model.decoder.head.parameters())
    assert trained_parameters(checkpoint) == len(list(model.parameters()))
    assert sorted(fairseq_generate(corpus, checkpoint).lines("H")) == list(range(SIZES["test"]))
    # Gradients of both sides reach the one table, and it stays one table when training is resumed.
    fairseq_train(*fixed, "--max-update", 10)
    resumed = parameters(checkpoint)
    assert torch.equal(resumed["encoder.embed_tokens.weight"], resumed["decoder.embed_tokens.weight"])
    assert not torch.equal(resumed["encoder.embed_tokens.weight"], stored["encoder.embed_tokens.weight"])


def test_separate_dictionaries_train_without_sharing(separate_corpus: Path, tmp_path: Path) -> None:
    fairseq_train(separate_corpus, tmp_path, "--mhe-head", "cascade", "--share-decoder-input-output-embed")
    model, task = load(tmp_path / "checkpoint_last.pt")
    assert model.decoder.head.num_labels == len(task.target_dictionary) != len(task.source_dictionary)
    assert output_matrix(model) is model.decoder.embed_tokens.weight
    assert sorted(fairseq_generate(separate_corpus, tmp_path / "checkpoint_last.pt").lines("H")) == list(
        range(SIZES["test"])
    )
