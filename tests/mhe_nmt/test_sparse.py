"""Sparse gradients of the V×d matrix: the same numbers, only of the rows that were read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mhe_nmt import OutputHead, build_head
from tests.mhe_nmt.strategies import Case, Code, shuffled

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "cascade": ("cascade", {}),
    "cascade-nobias": ("cascade", {"bias": False}),
    "cascade-projection": ("cascade", {"projection": True, "prototypes": 2}),
    "sampling": ("sampling", {}),
    "sampling-nobias": ("sampling", {"bias": False, "sample_fraction": 0.5, "draw_by": "uniform"}),
    "sampling-blocks": ("sampling", {"positives": "block", "unit": "block"}),
    "sampling-blocks-of-targets": ("sampling", {"positives": "targets", "unit": "block"}),
}
CODES = {
    "short last block": Code(23, (4, 6)),
    "order": Code(23, (4, 6), shuffled(23, 1)),
    "full": Code(24, (4, 6), shuffled(24, 1)),
    "three digits": Code(23, (2, 3, 4), shuffled(23, 2)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_code = pytest.mark.parametrize("code", CODES.values(), ids=CODES)


def matrix_weight(head: OutputHead) -> Tensor:
    return (head.leaf if hasattr(head, "leaf") else head.matrix).weight


def run(
    kind: str, code: Code, sparse: bool, tied: bool, target: Tensor, steps: int = 1
) -> tuple[OutputHead, Tensor, Tensor]:
    """Head after ``steps`` backward passes, the last loss and the gradient of the features."""
    name, options = KINDS[kind]
    case = Case(name, code, {**options, "sparse": sparse, "label_smoothing": 0.1})
    head = case.build().train()
    if tied:
        generator = torch.Generator().manual_seed(7)
        weight = torch.randn(code.num_labels, 5, dtype=torch.float64, generator=generator)
        head.tie_weight(nn.Parameter(weight))
    features = case.features((len(target),)).requires_grad_()
    torch.manual_seed(3)
    for _ in range(steps):
        loss = head.loss(features, target)
        loss.backward()
    assert features.grad is not None
    return head, loss.detach(), features.grad


@every_kind
@every_code
@pytest.mark.parametrize("tied", [False, True])
def test_loss_and_gradients_are_those_of_the_dense_head(kind: str, code: Code, tied: bool) -> None:
    """Targets repeat, one is in the last block, one is ignored; gradients of two calls add up."""
    last = code.num_labels - 1 if code.order is None else code.order.index(code.num_labels - 1)
    target = torch.tensor([3, 3, last, -100, 11])
    found = run(kind, code, True, tied, target, 2)
    expected = run(kind, code, False, tied, target, 2)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[2], expected[2], rtol=1e-12, atol=1e-12)
    assert matrix_weight(found[0]).grad.is_sparse
    theirs = dict(expected[0].named_parameters())
    for name, parameter in found[0].named_parameters():
        assert parameter.grad is not None
        ours = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
        torch.testing.assert_close(ours, theirs[name].grad, rtol=1e-12, atol=1e-12, msg=name)


@pytest.mark.parametrize("order", [None, shuffled(600, 1)])
@pytest.mark.parametrize("kind", ["cascade", "sampling"])
def test_the_gradient_holds_few_rows(kind: str, order: tuple[int, ...] | None) -> None:
    """Of 600 rows the block of 20 of one target, or the draw of 30 and the target."""
    name, _ = KINDS[kind]
    options = {"sample_fraction": 0.05} if name == "sampling" else {}
    head = Case(name, Code(600, (30, 20), order), {**options, "sparse": True}).build().train()
    head.loss(torch.randn(4, 5, dtype=torch.float64), torch.full((4,), 17)).backward()
    grad = matrix_weight(head).grad.coalesce()
    assert len(grad.indices()[0]) == (20 if name == "cascade" else 31)


@every_kind
def test_without_gradients_nothing_differs(kind: str) -> None:
    code = CODES["order"]
    name, options = KINDS[kind]
    case = Case(name, code, options)
    sparse, dense = case.build(sparse=True), case.build()
    features, target = case.features(), case.labels()
    with torch.no_grad():
        assert torch.equal(sparse(features, target).nll, dense(features, target).nll)
        assert torch.equal(sparse.log_prob(features), dense.log_prob(features))
        assert torch.equal(sparse.topk(features, 4)[1], dense.topk(features, 4)[1])
    assert sparse.state_dict().keys() == dense.state_dict().keys()


@pytest.mark.parametrize("kind", ["cascade", "sampling"])
@pytest.mark.parametrize("tied", [False, True])
def test_sparse_adam_takes_it(kind: str, tied: bool) -> None:
    """Rows that were not read stay as they are, bit for bit."""
    code = CODES["order"]
    head, _, _ = run(kind, code, True, tied, torch.tensor([3, 3]))
    weight = matrix_weight(head)
    before, read = weight.detach().clone(), weight.grad.coalesce().indices()[0]
    torch.optim.SparseAdam([weight], lr=0.1).step()
    changed = (weight.detach() != before).any(-1).nonzero()[:, 0]
    assert 0 < len(changed) < code.num_labels
    assert set(changed.tolist()) <= set(read.tolist())


def test_digits_refuse_it() -> None:
    with pytest.raises(ValueError, match="sparse is for conditioning 'table' only"):
        build_head("cascade", 4, 24, conditioning="digit", sparse=True)
