"""Activation checkpointing: the loss is computed again during the backward pass, and must be the same one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mhe_nmt import OutputHead, SamplingHead
from tests.mhe_nmt.strategies import KINDS, Case, Code, shuffled

CODE = Code(23, (4, 6), shuffled(23, 1))
SAMPLING = [kind for kind in KINDS if kind.startswith("sampling")]


def case_of(kind: str) -> Case:
    name, options = KINDS[kind]
    return Case(name, CODE, {**options, "label_smoothing": 0.1})


def run(
    kind: str, calls: int, way: str, steps: int = 1, *, sparse: bool = False
) -> tuple[OutputHead, list[Tensor]]:
    """Losses of ``calls`` calls before each backward pass, and all gradients in the end."""
    case = case_of(kind)
    head = case.build(**({"sparse": True} if sparse else {})).train()
    features = case.features((5,)).requires_grad_()
    target = case.labels((5,))
    target[2] = -100
    torch.manual_seed(4)
    losses = []
    for step in range(steps):
        total = torch.zeros((), dtype=torch.float64)
        for call in range(calls):
            labels = torch.where(target < 0, target, (target + 5 * call + step).remainder(23))
            if way == "plain":
                loss = head.loss(features, labels)
            else:
                loss = checkpoint(head.loss, features, labels, use_reentrant=way == "reentrant")
            losses.append(loss.detach().clone())
            total = total + (call + 1) * loss
        total.backward()
    return head, [*losses, features.grad, *(parameter.grad for parameter in head.parameters())]


def assert_same(kind: str, calls: int, way: str, steps: int = 1, *, sparse: bool = False) -> None:
    head, found = run(kind, calls, way, steps, sparse=sparse)
    plain, expected = run(kind, calls, "plain", steps, sparse=sparse)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        ours, theirs = (grad.to_dense() if grad.is_sparse else grad for grad in (ours, theirs))
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for key, value in plain.state_dict().items():
        assert torch.equal(head.state_dict()[key], value), f"{key} was changed by the second computation"


ways = pytest.mark.parametrize("way", ["other", "reentrant"])


@pytest.mark.parametrize("kind", KINDS)
@ways
def test_gradients_are_those_without(kind: str, way: str) -> None:
    assert_same(kind, 1, way)


@pytest.mark.parametrize("kind", ["product", "mixture", "cascade", *SAMPLING])
@ways
def test_several_calls_in_one_backward_pass(kind: str, way: str) -> None:
    """They are computed again from the last to the first, with each call's own draw."""
    assert_same(kind, 7, way)


@pytest.mark.parametrize("kind", SAMPLING)
@ways
def test_strata_change_between_calls_of_one_backward_pass(kind: str, way: str) -> None:
    """After 18 calls the strata are others than those of the first 16; and others again in the next step."""
    assert_same(kind, 18, way, steps=2)


@pytest.mark.parametrize("kind", ["cascade", "sampling"])
@ways
def test_sparse_gradients(kind: str, way: str) -> None:
    assert_same(kind, 2, way, sparse=True)


@ways
def test_targets_count_once(way: str) -> None:
    head, _ = run("sampling", 3, way, steps=2)
    assert isinstance(head, SamplingHead)
    assert int(head.target_counts.sum()) == 3 * 2 * 4
    assert head._calls == 6


def test_a_draw_that_cannot_be_repeated_is_refused() -> None:
    """Other labels would be drawn: wrong gradients, without a word."""
    case = case_of("sampling")
    head, features = case.build().train(), case.features((5,)).requires_grad_()
    loss = checkpoint(head.loss, features, case.labels((5,)), use_reentrant=False, preserve_rng_state=False)
    with pytest.raises(RuntimeError, match="cannot repeat its draw"):
        loss.backward()


def test_draws_go_on_after_a_backward_pass() -> None:
    """The second computation restores the generator, so later draws do not repeat earlier ones."""
    found = [run("sampling", 2, way, steps=3)[1][:6] for way in ("plain", "other", "reentrant")]
    assert found[0] == found[1] == found[2]
    assert len({float(loss) for loss in found[0]}) == 6
