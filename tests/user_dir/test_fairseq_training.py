"""Every configuration of the output layer trains with fairseq's own command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mhe_nmt import HEADS
from tests.user_dir.fairseq_commands import Output, fairseq_train, fairseq_validate
from tests.user_dir.trained_models import CONFIGURATIONS, UPDATES, Trained, parameters


def losses(output: Output, name: str = "loss") -> list[float]:
    """The training loss of each update."""
    return [float(record[name]) for record in output.records() if name in record]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_loss_falls_and_a_checkpoint_is_written(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    training = losses(run.output)
    assert len(training) == UPDATES
    # By one bit per token, far more than batches differ from each other.
    assert sum(training[-5:]) / 5 < sum(training[:3]) / 3 - 1
    assert {path.name for path in run.save_dir.iterdir()} == {"checkpoint_best.pt", "checkpoint_last.pt"}
    state = parameters(run.checkpoint)
    assert not any("output_projection" in key for key in state)
    assert all(value.isfinite().all() for value in state.values())


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_checkpoint_holds_the_head_that_was_asked_for(
    name: str, trained: Callable[[str], Trained]
) -> None:
    model, task = trained(name).loaded
    head, options = model.decoder.head, CONFIGURATIONS[name]
    assert type(head) is HEADS[options[options.index("--mhe-head") + 1]]
    assert head.num_labels == len(task.target_dictionary)
    assert head.ignore_index == task.target_dictionary.pad()
    expected = {"three-heads": [3, 4, 4], "three-digits": [3, 4, 4], "onehot": None, "onehot-tied": None}
    radices = list(head.codec.radix_list) if hasattr(head, "codec") else None
    assert radices == expected.get(name, [7, 7])


@pytest.mark.parametrize("name", ["product", "sampling", "cascade-tied"])
def test_every_trained_parameter_moves(
    name: str, corpus: Path, trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    run = trained(name)
    fairseq_train(corpus, tmp_path, *run.options, "--max-update", 1, "--lr", 0.0)
    untrained, after = parameters(tmp_path / "checkpoint_last.pt"), parameters(run.checkpoint)
    still = [key for key, value in after.items() if torch.equal(value, untrained[key])]
    assert [key for key in still if after[key].is_floating_point() and "version" not in key] == []
    assert [key for key in untrained if "codec" in key] == [key for key in still if "codec" in key]


def test_training_logs_the_validation_figures_of_fairseq_validate(
    corpus: Path, trained: Callable[[str], Trained]
) -> None:
    run = trained("cascade")
    logged = [record for record in run.output.records() if "valid_nll_loss" in record][-1]
    found = fairseq_validate(corpus, run.checkpoint)
    for name in ("loss", "nll_loss", "ppl"):
        assert found[name] == pytest.approx(float(logged[f"valid_{name}"]), abs=2e-3), name


def test_the_full_softmax_trains_like_fairseqs_own_transformer(corpus: Path, tmp_path: Path) -> None:
    """With the same seed each update has the same loss, so that runs can be compared."""
    # Not Adam: it magnifies the rounding noise of parameters without a gradient (the keys' biases).
    tied = ["--share-all-embeddings", "--report-accuracy", "--optimizer", "sgd", "--lr", 0.2]
    ours = fairseq_train(corpus, tmp_path / "ours", "--mhe-head", "onehot", *tied)
    plain = ["--arch", "transformer_tiny", "--criterion", "label_smoothed_cross_entropy"]
    theirs = fairseq_train(corpus, tmp_path / "theirs", *plain, *tied)
    for name in ("loss", "nll_loss", "gnorm", "valid_loss", "valid_nll_loss", "valid_accuracy"):
        assert losses(ours, name) == pytest.approx(losses(theirs, name), abs=2e-3), name
    state, expected = (parameters(tmp_path / side / "checkpoint_last.pt") for side in ("ours", "theirs"))
    for key, value in state.items():
        if key != "decoder.head.weight":
            torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-5, msg=key)
