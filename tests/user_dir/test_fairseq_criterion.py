"""``mhe_ce`` equals fairseq's ``label_smoothed_cross_entropy`` on dense log-probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from torch.utils._python_dispatch import TorchDispatchMode

from mhe_nmt.heads import chunked
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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sums_are_those_of_the_positions(smoothing: float, loaded: tuple[Any, Any]) -> None:
    model, task = loaded
    (batch,) = batches(task, "valid", size=64)
    ours, _ = criteria(task, label_smoothing=smoothing)
    loss, _, log = ours(model, batch)
    by_position, _, log_by_position = ours(model, batch, reduce=False)
    torch.testing.assert_close(loss, by_position.sum(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log["nll_loss"], log_by_position["nll_loss"].sum(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_smoothing_term_is_computed_only_where_it_counts(
    smoothing: float, reduce: bool, trained: Callable[[str], Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = trained("product").loaded
    head, asked = model.decoder.head, []
    terms = head._forward

    def recorded(features: Any, target: Any, keep: Any, smooth: bool) -> Any:
        asked.append(smooth)
        return terms(features, target, keep, smooth)

    monkeypatch.setattr(head, "_forward", recorded)
    criteria(task, label_smoothing=smoothing)[0](model, batches(task, "valid")[0], reduce=reduce)
    assert asked == [smoothing > 0]


@pytest.mark.parametrize("name", ["onehot", "onehot-tied"])
def test_training_holds_no_logits_of_all_positions(
    name: str, trained: Callable[[str], Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not forward, not backward; the gradients are still fairseq's."""
    model, task = trained(name).loaded
    (batch,) = batches(task, "valid", size=64)
    positions, labels = int((batch["target"] != task.target_dictionary.pad()).sum()), len(task.tgt_dict)
    for limit in ("CPU_LOGITS", "FEWEST_ROWS"):
        monkeypatch.setattr(chunked, limit, 8)
    # Accuracy needs the best labels, and a full softmax finds them among all scores.
    ours, theirs = criteria(task, report_accuracy=False)
    model.zero_grad()
    with Wide(labels) as watch:
        ours(model, batch)[0].backward()
    assert 0 < max(watch.rows) <= 8 < positions, sorted(set(watch.rows))
    found = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()
    with Wide(labels) as watch:
        theirs(model, batch)[0].backward()
    assert max(watch.rows) >= positions, "the watch sees all logits of fairseq's criterion"
    for key, value in model.named_parameters():
        torch.testing.assert_close(found[key], value.grad, rtol=1e-4, atol=1e-4, msg=key)


class Wide(TorchDispatchMode):
    """Keeps the number of rows of every tensor whose last dimension is the labels."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.labels, self.rows = labels, [0]

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if (
            isinstance(out, torch.Tensor)
            and not func.is_view
            and out.dim() > 1
            and out.size(-1) == self.labels
        ):
            self.rows.append(out.numel() // self.labels)
        return out
