"""Losses as one graph, searches without a break, exported programs: the same numbers as without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mhe_nmt import OutputHead
from tests.mhe_nmt.strategies import Case, Code, shuffled

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "full softmax": ("onehot", {}),
    "product": ("product", {}),
    "product, groups": ("product", {"groups": 2}),
    "cascade by table": ("cascade", {}),
    "cascade by digit": ("cascade", {"conditioning": "digit"}),
}
#: Both with unused codes, the first with a short last block.
CODES = {"order": Code(23, (4, 6), shuffled(23, 1)), "three digits": Code(23, (2, 3, 4))}
CLOSE = {"rtol": 1e-10, "atol": 1e-10}
every_kind = pytest.mark.parametrize("kind", KINDS)
#: "eager" shows that there is one graph and that it is right, the others that it can be compiled.
graphs = pytest.mark.parametrize(
    "backend", ["eager", *(pytest.param(name, marks=pytest.mark.slow) for name in ("aot_eager", "inductor"))]
)


@pytest.fixture(autouse=True)
def forget_graphs() -> Iterator[None]:
    """No test sees the graphs of another."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def case_of(kind: str, code: Code) -> Case:
    name, options = KINDS[kind]
    return Case(name, code, options, in_features=8)


def with_gradients(
    head: OutputHead, loss: Callable[..., Tensor], features: Tensor, *more: Any
) -> list[Tensor]:
    features = features.clone().requires_grad_()
    value = loss(features, *more)
    grads = torch.autograd.grad(value.sum(), [features, *head.parameters()])
    return [value.detach(), *grads]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


@every_kind
@pytest.mark.parametrize("smoothing", [pytest.param(0.0, marks=pytest.mark.slow), 0.1])
@graphs
def test_the_loss_is_one_graph(kind: str, smoothing: float, backend: str) -> None:
    """Whatever is ignored: the shape of nothing depends on it."""
    case = case_of(kind, CODES["order" if smoothing else "three digits"])
    head = case.build(label_smoothing=smoothing).train()
    compiled = torch.compile(head.loss, fullgraph=True, backend=backend, dynamic=False)
    target = case.labels((7,))
    for ignored in ([], [2, 5]):
        target[ignored] = -100
        features = case.features((7,))
        expected = with_gradients(head, head.loss, features, target)
        assert_same(with_gradients(head, compiled, features, target), expected)


@pytest.mark.slow
@every_kind
@graphs
def test_the_loss_of_any_number_of_positions_is_one_graph(kind: str, backend: str) -> None:
    case = case_of(kind, CODES["order"])
    head = case.build(label_smoothing=0.1).train()
    compiled = torch.compile(head.loss, fullgraph=True, backend=backend, dynamic=True)
    for positions in (7, 12, 5):
        features, target = case.features((positions,)), case.labels((positions,))
        expected = with_gradients(head, head.loss, features, target)
        assert_same(with_gradients(head, compiled, features, target), expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full softmax", "cascade by table"])
@graphs
def test_the_loss_of_a_tied_head_is_one_graph(kind: str, backend: str) -> None:
    case = case_of(kind, CODES["order"])
    head = case.build(label_smoothing=0.1).train()
    head.tie_weight(nn.Parameter(torch.randn(23, 8, dtype=torch.float64)))
    compiled = torch.compile(head.loss, fullgraph=True, backend=backend)
    features, target = case.features((7,)), case.labels((7,))
    expected = with_gradients(head, head.loss, features, target)
    assert_same(with_gradients(head, compiled, features, target), expected)


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_terms_are_one_graph(kind: str, reduction: str) -> None:
    """Both terms of each position, with gradients, and what a criterion asks for."""
    case = case_of(kind, CODES["order"])
    head = case.build(label_smoothing=0.1).train()
    features, target = case.features((7,)), case.labels((7,))
    target[3] = -100

    def terms(features: Tensor, target: Tensor) -> Tensor:
        if reduction == "none":
            nll, smooth = head(features, target)
            return nll + 0.01 * smooth
        return head.total(features, target, 0.9, 0.01).loss

    compiled = torch.compile(terms, fullgraph=True, backend="aot_eager")
    expected = with_gradients(head, terms, features, target)
    assert_same(with_gradients(head, compiled, features, target), expected)


@pytest.mark.slow
@every_kind
def test_autocast_in_a_graph(kind: str) -> None:
    case = case_of(kind, CODES["order"])
    head = case.build(label_smoothing=0.1, dtype=torch.float32, scale=0.4).train()
    features, target = case.features((7,), torch.float32), case.labels((7,))

    def loss(features: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return head.loss(features, target)

    expected = with_gradients(head, loss, features)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(with_gradients(head, compiled, features), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.02)


@pytest.mark.slow
def test_a_head_with_sampling_compiles_with_breaks() -> None:
    """A draw asks the host, so it is no part of a graph; but nothing may go wrong."""
    case = Case("sampling", CODES["order"], {"label_smoothing": 0.1}, in_features=8)
    head = case.build().train()
    features, target = case.features((7,)), case.labels((7,))
    compiled = torch.compile(head.loss, backend="aot_eager")
    for seed in range(3):
        head.reset_parameters()
        torch.manual_seed(seed)
        expected = with_gradients(head, head.loss, features, target)
        counts = head.target_counts.clone()
        head.target_counts.zero_()
        head._restart_draws()
        torch.manual_seed(seed)
        assert_same(with_gradients(head, compiled, features, target), expected)
        assert torch.equal(head.target_counts, counts)


@pytest.mark.parametrize("kind", ["full softmax", "product"])
@graphs
def test_a_search_without_a_break(kind: str, backend: str) -> None:
    case = case_of(kind, CODES["order"])
    head, features = case.build(), case.features((5,))
    compiled = torch.compile(head.topk, fullgraph=True, backend=backend)
    values, labels = compiled(features, 4)
    expected = head.topk(features, 4)
    torch.testing.assert_close(values, expected[0], **CLOSE)
    assert torch.equal(labels, expected[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["product, groups", "cascade by table", "cascade by digit"])
def test_breaks_of_a_search_cost_nothing_but_time(kind: str) -> None:
    case = case_of(kind, CODES["order"])
    head, features = case.build(), case.features((5,))
    values, labels = torch.compile(head.topk, backend="aot_eager")(features, 4)
    expected = head.topk(features, 4)
    torch.testing.assert_close(values, expected[0], **CLOSE)
    assert torch.equal(labels, expected[1])


class _LogProb(nn.Module):
    def __init__(self, head: OutputHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return self.head.log_prob(features)


class _TopK(_LogProb):
    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return self.head.topk(features, 4)


def exported(module: nn.Module, features: Tensor) -> nn.Module:
    """A program for any number of rows."""
    rows = torch.export.Dim("rows", min=2, max=64)
    return torch.export.export(module, (features,), dynamic_shapes=({0: rows},)).module()


@pytest.mark.slow
@every_kind
def test_dense_scores_are_exported(kind: str) -> None:
    case = case_of(kind, CODES["order"])
    head = case.build()
    program = exported(_LogProb(head), case.features((5,)))
    for positions in (5, 9):
        features = case.features((positions,))
        torch.testing.assert_close(program(features), head.log_prob(features), **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full softmax", "product"])
def test_a_search_is_exported(kind: str) -> None:
    case = case_of(kind, CODES["order"])
    head = case.build()
    program = exported(_TopK(head), case.features((5,)))
    for positions in (5, 9):
        features = case.features((positions,))
        values, labels = program(features)
        torch.testing.assert_close(values, head.topk(features, 4)[0], **CLOSE)
        assert torch.equal(labels, head.topk(features, 4)[1])
