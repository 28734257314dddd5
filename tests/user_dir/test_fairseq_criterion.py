"""``mhe_ce`` equals fairseq's ``label_smoothed_cross_entropy`` on dense log-probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from tests.user_dir.trained_models import Trained, batches
from user_dir.criterions.mhe_ce import MHECrossEntropyCriterion
from user_dir.errors import UsageError

#: Heads whose smoothing term is exactly the sum over the vocabulary.
EXACT = ["onehot", "onehot-tied", "product", "joint", "sampling"]


def criteria(task: Any, **changes: Any) -> tuple[Any, Any]:
    """``mhe_ce`` and fairseq's criterion with the same options."""
    options = {"sentence_avg": False, "label_smoothing": 0.1, "report_accuracy": True, **changes}
    ours = MHECrossEntropyCriterion(task, **options)
    return ours, LabelSmoothedCrossEntropyCriterion(task, **options)


@pytest.fixture(params=EXACT)
def loaded(request: pytest.FixtureRequest, trained: Callable[[str], Trained]) -> tuple[Any, Any]:
    return trained(request.param).loaded


# fmt: off
CHANGES = [
    {}, {"label_smoothing": 0.0}, {"sentence_avg": True}, {"ignore_prefix_size": 2},
    {"ignore_prefix_size": 99},
]
# fmt: on


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_sums_equal_fairseqs(loaded: tuple[Any, Any], changes: dict[str, Any]) -> None:
    model, task = loaded
    ours, theirs = criteria(task, **changes)
    for batch in batches(task, "valid"):
        loss, size, log = ours(model, batch)
        expected_loss, expected_size, expected_log = theirs(model, batch)
        torch.testing.assert_close(loss, expected_loss, rtol=1e-5, atol=1e-5)
        assert size == expected_size
        assert log.keys() == expected_log.keys()
        for name, value in expected_log.items():
            torch.testing.assert_close(
                torch.as_tensor(log[name]), torch.as_tensor(value), rtol=1e-5, atol=1e-5, check_dtype=False
            )


def test_gradients_equal_fairseqs(loaded: tuple[Any, Any]) -> None:
    model, task = loaded
    batch = batches(task, "valid")[0]
    gradients = []
    for criterion in criteria(task):
        model.zero_grad()
        criterion(model, batch)[0].backward()
        gradients.append({name: value.grad.clone() for name, value in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-4, msg=name)


@pytest.mark.parametrize("name", ["mixture", "cascade", "cascade-tied", "cascade-digit", "three-heads"])
def test_likelihood_and_accuracy_equal_fairseqs_for_heads_that_smooth_differently(
    name: str, trained: Callable[[str], Trained]
) -> None:
    model, task = trained(name).loaded
    ours, theirs = criteria(task, label_smoothing=0.0)
    smoothing, _ = criteria(task)
    for batch in batches(task, "valid"):
        loss, _, log = ours(model, batch)
        expected_loss, _, expected_log = theirs(model, batch)
        torch.testing.assert_close(loss, expected_loss, rtol=1e-5, atol=1e-5)
        assert (log["n_correct"], log["total"]) == (expected_log["n_correct"], expected_log["total"])
        smoothed, _, smoothed_log = smoothing(model, batch)
        torch.testing.assert_close(smoothed_log["nll_loss"], log["nll_loss"])
        head = model.decoder.head
        nll, smooth = head(model(**batch["net_input"], features_only=True)[0], batch["target"])
        weight = 0.1 / (head.num_labels - 1)
        expected = (1 - 0.1 - weight) * nll.sum() + weight * smooth.sum()
        torch.testing.assert_close(smoothed, expected)


def test_without_reduction_each_term_is_at_its_position(loaded: tuple[Any, Any]) -> None:
    model, task = loaded
    ours, theirs = criteria(task)
    # One batch of all sentences, so that it has padding.
    (batch,) = batches(task, "valid", size=64)
    loss, _, log = ours(model, batch, reduce=False)
    expected, _, expected_log = theirs(model, batch, reduce=False)
    assert loss.shape == batch["target"].shape
    torch.testing.assert_close(loss.flatten(), expected.flatten(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log["nll_loss"].flatten(), expected_log["nll_loss"].flatten())
    padding = batch["target"] == task.target_dictionary.pad()
    assert padding.any()
    assert not loss[padding].any()


def test_the_sample_does_not_change(trained: Callable[[str], Trained]) -> None:
    """Ignoring a prefix must not write into the batch, which gradient checkpointing reads again."""
    model, task = trained("product").loaded
    batch = batches(task, "valid")[0]
    before = batch["target"].clone()
    criteria(task, ignore_prefix_size=2)[0](model, batch)
    assert torch.equal(batch["target"], before)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(smoothing: float, trained: Callable[[str], Trained]) -> None:
    _, task = trained("product").loaded
    with pytest.raises(UsageError, match=r"--label-smoothing must be in \[0, 1\)"):
        MHECrossEntropyCriterion(task, False, smoothing)
