"""Fixtures: the toy corpora, and one short training per configuration of the output layer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils

import user_dir
from tests.made_once import made_once
from tests.user_dir.fairseq_commands import Output, fairseq_train
from tests.user_dir.toy_corpus import make_corpus

TIED = ["--share-all-embeddings"]
#: Options after ``--arch transformer_mhe_tiny``, by the name that tests use. ``ORDER`` stands for a file of
#: ranks.
CONFIGURATIONS: dict[str, list[str]] = {
    "onehot": ["--mhe-head", "onehot"],
    "onehot-tied": ["--mhe-head", "onehot", *TIED],
    "product": ["--mhe-head", "product"],
    "mixture": ["--mhe-head", "product", "--mhe-groups", "3"],
    "joint": ["--mhe-head", "product", "--mhe-groups", "2", "--mhe-group-form", "joint"],
    "cascade": ["--mhe-head", "cascade"],
    "cascade-tied": ["--mhe-head", "cascade", *TIED],
    "cascade-digit": ["--mhe-head", "cascade", "--mhe-conditioning", "digit", "--mhe-hidden-dim", "24"],
    "three-heads": ["--mhe-head", "cascade", "--mhe-radices", "3,4,4"],
    "three-digits": ["--mhe-head", "cascade", "--mhe-conditioning", "digit", "--mhe-num-heads", "3"],
    "sampling": ["--mhe-head", "sampling", *TIED, "--mhe-label-order", "random"],
    "order-file": ["--mhe-head", "cascade", "--mhe-label-order", "ORDER"],
}
UPDATES = 30


@dataclass
class Trained:
    """A finished training."""

    name: str
    data: Path
    options: list[str]
    save_dir: Path
    output: Output

    @property
    def checkpoint(self) -> Path:
        return self.save_dir / "checkpoint_last.pt"

    @functools.cached_property
    def loaded(self) -> tuple[Any, Any]:
        """``(model, task)`` in evaluation mode; shared by tests, which must not change them."""
        return load(self.checkpoint)


def load(checkpoint: Path) -> tuple[Any, Any]:
    """``(model, task)`` as fairseq's own commands load them, with the model in evaluation mode."""
    assert user_dir.__file__, "user_dir is not the plug-in's package; reinstall the project"
    models, _, task = checkpoint_utils.load_model_ensemble_and_task([str(checkpoint)])
    return models[0].eval(), task


def parameters(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The model's state in a checkpoint."""
    return torch.load(checkpoint, weights_only=True)["model"]


def batches(task: Any, subset: str, size: int = 8) -> list[dict[str, Any]]:
    """The subset's batches in fairseq's order."""
    task.load_dataset(subset)
    iterator = task.get_batch_iterator(task.dataset(subset), max_sentences=size, max_positions=(1024, 1024))
    return [batch for batch in iterator.next_epoch_itr(shuffle=False) if batch]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with a joined dictionary of 45 symbols."""
    return made_once(tmp_path_factory, "corpus", make_corpus)[1]


@pytest.fixture(scope="session")
def separate_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with one dictionary per language."""
    return make_corpus(tmp_path_factory.mktemp("separate"), joined=False)


@pytest.fixture(scope="session")
def larger_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder whose dictionary has more symbols than that of ``corpus``."""
    return make_corpus(tmp_path_factory.mktemp("larger"), words=20)


@pytest.fixture(scope="session")
def order_file(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a comment and one rank per symbol of ``corpus``, shuffled."""
    # The dictionary's file does not list the four special symbols.
    ranks = list(range(len(corpus.joinpath("dict.yy.txt").read_text(encoding="utf-8").splitlines()) + 4))
    Random(3).shuffle(ranks)
    path = tmp_path_factory.mktemp("order") / "ranks.txt"
    path.write_text("# rank of each symbol\n" + "".join(f"{rank}\n" for rank in ranks), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(
    corpus: Path, order_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Trained]:
    """A function from a configuration's name to its training, which runs when it is first asked for.

    Tests share the trainings and must not change them.
    """
    finished: dict[str, Trained] = {}

    def of(name: str) -> Trained:
        if name not in finished:
            options = [str(order_file) if part == "ORDER" else part for part in CONFIGURATIONS[name]]
            fixed = ["--max-update", UPDATES, "--no-epoch-checkpoints"]
            save_dir, output = made_once(
                tmp_path_factory,
                f"trained-{name}",
                lambda folder: fairseq_train(corpus, folder, *options, *fixed),
            )
            finished[name] = Trained(name, corpus, options, save_dir, output)
        return finished[name]

    return of
