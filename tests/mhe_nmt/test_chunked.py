"""The chunked loss of the full softmax equals the plain one: values, gradients, memory, low precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from mhe_nmt import build_head, waiting
from mhe_nmt.heads import chunked
from mhe_nmt.heads.chunked import chunked_terms, chunked_total

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
EPS = 0.1

#: Whether the code runs that devices and compiled graphs take; on a CPU it gives the same numbers.
WAYS = pytest.mark.parametrize("as_device", [False, True], ids=["cpu", "device"])


@contextmanager
def chunks_of(rows: int, as_device: bool = False) -> Iterator[None]:
    """At most so many positions in a chunk."""
    limits = {"CPU_LOGITS": 1, "DEVICE_LOGITS": 1, "FEWEST_ROWS": rows}
    way = mock.patch.object(waiting, "may_wait", return_value=False) if as_device else nullcontext()
    with mock.patch.multiple(chunked, **limits), way:
        yield


def plain(features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> tuple[Tensor, Tensor]:
    """The two loss terms of each position, from torch's own loss with either of the two targets."""
    logits = F.linear(features, weight, bias)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits, target, reduction="none"), -logits.log_softmax(-1).sum(-1)


def problem(
    rows: int = 11, labels: int = 23, width: int = 4, dtype: torch.dtype = torch.float64, seed: int = 0
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Features, weight and bias, with gradients, then targets and which positions count."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(rows, width), (labels, width), (labels,)]
    inputs = [torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    target = torch.randint(labels, (rows,), generator=generator)
    keep = torch.rand(rows, generator=generator) < 0.7
    return [value.requires_grad_() for value in inputs], target, keep


def assert_all_close(found: Any, expected: Any, **tolerance: float) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **(tolerance or CLOSE))


@WAYS
@given(
    rows=st.integers(0, 13),
    labels=st.integers(2, 40),
    chunk=st.integers(2, 14),
    weights=st.sampled_from([(1.0, 0.0), (0.9, 0.1 / 23), (0.0, 1.0), (-2.0, 0.3)]),
    has_bias=st.booleans(),
    has_keep=st.booleans(),
    seed=st.integers(0, 99),
)
def test_total_is_the_plain_loss(
    as_device: bool,
    rows: int,
    labels: int,
    chunk: int,
    weights: tuple[float, float],
    has_bias: bool,
    has_keep: bool,
    seed: int,
) -> None:
    (features, weight, bias), target, keep = problem(rows, labels, seed=seed)
    inputs = [features, weight, bias] if has_bias else [features, weight]
    given_bias = bias if has_bias else None
    with chunks_of(chunk, as_device):
        loss, nll = chunked_total(features, weight, given_bias, target, ~keep if has_keep else None, *weights)
        found = torch.autograd.grad(3.0 * loss, inputs)
    terms = plain(features, weight, given_bias, target)
    sums = [(term * keep if has_keep else term).sum() for term in terms]
    expected = weights[0] * sums[0] + weights[1] * sums[1]
    assert_all_close([loss, nll], [expected, sums[0]])
    assert_all_close(found, torch.autograd.grad(3.0 * expected, inputs))
    assert not nll.requires_grad


@WAYS
@given(
    rows=st.integers(0, 13),
    labels=st.integers(2, 40),
    chunk=st.integers(1, 14),
    smooth=st.booleans(),
    has_bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_terms_are_the_plain_terms(
    as_device: bool, rows: int, labels: int, chunk: int, smooth: bool, has_bias: bool, seed: int
) -> None:
    """Each position's, with any gradient from above."""
    (features, weight, bias), target, _ = problem(rows, labels, seed=seed)
    inputs = [features, weight, bias] if has_bias else [features, weight]
    given_bias = bias if has_bias else None
    upstream = torch.randn(2, rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with chunks_of(chunk, as_device):
        found = chunked_terms(features, weight, given_bias, target, smooth)
        assert (found[1] is None) != smooth
        terms = [term for term in found if term is not None]
        expected = plain(features, weight, given_bias, target)[: len(terms)]
        assert_all_close(terms, expected)
        gradients = [
            torch.autograd.grad(sum((g * t).sum() for g, t in zip(upstream, of, strict=False)), inputs)
            for of in (terms, expected)
        ]
    assert_all_close(*gradients)


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="torch has it from 2.13 on")
def test_without_smoothing_it_equals_torchs_chunked_loss() -> None:
    inputs, target, _ = problem(40, 300, 8)
    options = nn.LinearCrossEntropyOptions()
    theirs = F.linear_cross_entropy(
        inputs[0], inputs[1], target, linear_bias=inputs[2], reduction="sum", options=options
    )
    with chunks_of(7):
        ours, _ = chunked_total(*inputs, target, None, 1.0, 0.0)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    assert_all_close(torch.autograd.grad(ours, inputs), torch.autograd.grad(theirs, inputs))


def test_gradcheck_of_terms() -> None:
    inputs, target, _ = problem(5, 6, 2)
    with chunks_of(2):
        assert torch.autograd.gradcheck(lambda *args: chunked_terms(*args, target, True), inputs)


def errors(chunk: int, dtype: torch.dtype, autocast: bool, as_device: bool) -> list[float]:
    """How far each gradient is from float64's, relative to its size."""
    inputs, target, keep = problem(300, 50, 16, dtype=torch.float32)
    inputs = [value.detach().to(dtype).requires_grad_() for value in inputs]
    with chunks_of(chunk, as_device), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss, _ = chunked_total(*inputs, target, ~keep, 0.9, 0.1 / 50)
    assert loss.dtype == torch.float32
    found = torch.autograd.grad(loss / 300, inputs)
    assert [value.dtype for value in found] == [dtype] * 3
    exact = [value.detach().double().requires_grad_() for value in inputs]
    terms = [(term * keep).sum() for term in plain(*exact, target)]
    truth = torch.autograd.grad((0.9 * terms[0] + 0.1 / 50 * terms[1]) / 300, exact)
    expected = 0.9 * terms[0] + 0.1 / 50 * terms[1]
    torch.testing.assert_close(loss.double(), expected, rtol=0.01, atol=0)
    return [float((a.double() - b).norm() / b.norm()) for a, b in zip(found, truth, strict=True)]


@WAYS
@pytest.mark.parametrize(
    ("dtype", "autocast", "most"),
    [
        (torch.bfloat16, False, 0.01),
        (torch.float16, False, 0.002),
        (torch.float32, True, 0.01),
        (torch.float32, False, 1e-5),
    ],
)
def test_many_chunks_are_as_exact_as_one(
    dtype: torch.dtype, autocast: bool, most: float, as_device: bool
) -> None:
    one, many = (errors(chunk, dtype, autocast, as_device) for chunk in (300, 2))
    assert max(one) < most
    for of_one, of_many in zip(one, many, strict=True):
        assert of_many < 1.5 * of_one + 1e-6


@pytest.mark.parametrize("rows", [4, 64])
def test_a_loss_scale_keeps_float16_gradients_from_vanishing(rows: int) -> None:
    """1e-9 is nothing in float16, but it is something once a loss scale of 65,536 has multiplied it."""
    weight = torch.zeros(1000, 8)
    weight[1:] = 2.0
    features = torch.ones(64, 8)
    target = torch.arange(1, 65)
    inputs = [value.half().requires_grad_() for value in (features, weight)]
    with chunks_of(rows):
        loss, _ = chunked_total(*inputs, None, target, None, 1.0, 0.0)
        (ours,) = torch.autograd.grad(loss / 64 * 65536.0, inputs[1])
    logits = F.linear(*inputs).float()
    (theirs,) = torch.autograd.grad(F.cross_entropy(logits, target) * 65536.0, inputs[1])
    assert theirs[0].count_nonzero() == 8, "the example shows what it should"
    assert float(theirs[0].max()) / 65536 < 2**-25, "half of what float16 can hold"
    torch.testing.assert_close(ours, theirs, rtol=0.01, atol=1e-7)


class Products(TorchDispatchMode):
    """Counts matrix products and new tensors of at least so many elements."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.products, self.large = limit, 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.products += func._schema.name in ("aten::mm", "aten::addmm", "aten::addmm_")
        if isinstance(out, Tensor) and not any(out is value for value in args) and not func.is_view:
            self.large += out.numel() >= self.limit
        return out


def of_loss(head: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda features, target: head.loss(features, target)  # type: ignore[operator]


def of_none(head: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda features, target: head.loss(features, target, "none").mean()  # type: ignore[operator]


@WAYS
@pytest.mark.parametrize("form", [of_loss, of_none])
@pytest.mark.parametrize("kind", ["onehot", "sampling"])
def test_no_tensor_is_positions_times_labels(kind: str, form: Any, as_device: bool) -> None:
    head = build_head(kind, 4, 200, label_smoothing=EPS).eval()
    features, target = torch.randn(64, 4, requires_grad=True), torch.randint(200, (64,))
    loss = form(head)
    with chunks_of(16, as_device), Products(17 * 200) as watch:
        loss(features, target).backward()
    if kind == "onehot" or form is of_none:
        assert watch.large == 0
    with chunks_of(64, as_device), Products(64 * 200) as watch:
        loss(features, target).backward()
    assert watch.large > 0, "the watch sees what it watches for"


def test_the_backward_pass_makes_no_second_gradient() -> None:
    inputs, target, _ = problem(12, 40, 8, dtype=torch.float32)
    with chunks_of(5):
        loss, _ = chunked_total(*inputs, target, None, 0.9, 0.01)
    with Products(40 * 8) as watch:
        (loss / 12).backward()
    assert watch.large == 0
    assert watch.products == 0


def test_only_what_is_needed_is_computed() -> None:
    """Three products for all gradients, two where one is frozen, one where none is wanted."""
    for frozen, products in (((), 3), ((0,), 2), ((1,), 2), ((0, 1), 1), ((0, 1, 2), 1)):
        inputs, target, _ = problem()
        for place in frozen:
            inputs[place].requires_grad_(False)
        with chunks_of(99), Products(1) as watch:
            loss, _ = chunked_total(*inputs, target, None, 0.9, 0.01)
        assert watch.products == products
        assert loss.requires_grad == (len(frozen) < 3)
        if loss.requires_grad:
            loss.backward()
        assert [value.grad is None for value in inputs] == [place in frozen for place in range(3)]
    inputs, target, _ = problem()
    with torch.no_grad(), chunks_of(99), Products(1) as watch:
        chunked_total(*inputs, target, None, 0.9, 0.01)
    assert watch.products == 1


def test_a_graph_that_is_kept_gives_the_same_gradients_again() -> None:
    inputs, target, keep = problem(dtype=torch.float32)
    with chunks_of(3):
        loss, _ = chunked_total(*inputs, target, ~keep, 0.9, 0.01)
    first = [g.clone() for g in torch.autograd.grad(2 * loss, inputs, retain_graph=True)]
    second = torch.autograd.grad(2 * loss, inputs, retain_graph=True)
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, first, torch.autograd.grad(2 * loss, inputs)))


@pytest.mark.parametrize("terms", [False, True])
def test_a_second_derivative_is_refused(terms: bool) -> None:
    inputs, target, _ = problem()
    with chunks_of(3):
        loss = (
            chunked_terms(*inputs, target, True)[0].sum()
            if terms
            else chunked_total(*inputs, target, None, 1.0, 0.0)[0]
        )
        with pytest.raises(
            RuntimeError, match="cannot be differentiated again, so its backward pass takes no"
        ):
            torch.autograd.grad(loss, inputs, create_graph=True)


def test_dtypes_that_differ_are_refused() -> None:
    head = build_head("onehot", 4, 9)
    with pytest.raises(ValueError, match=r"features are torch.float64 and the weight is torch.float32"):
        head.loss(torch.randn(3, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.int64))


def test_tied_and_projected_weights_get_the_gradient_of_both_uses() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(30, 4, dtype=torch.float64)
    head = build_head("onehot", 4, 30, projection=True, label_smoothing=EPS, dtype=torch.float64)
    head.tie_weight(table.weight)
    nn.init.normal_(head.projection.weight)
    words, target = torch.randint(30, (12,)), torch.randint(30, (12,))
    features = table(words)
    projected = features + F.linear(features, head.projection.weight)
    reference = F.cross_entropy(F.linear(projected, table.weight, head.bias), target, label_smoothing=EPS)
    parameters = [table.weight, head.bias, head.projection.weight]
    expected = torch.autograd.grad(reference, parameters)
    with chunks_of(5):
        loss = head.loss(table(words), target)
    torch.testing.assert_close(loss, reference, **CLOSE)
    assert_all_close(torch.autograd.grad(loss, parameters), expected)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("form", [of_loss, of_none])
def test_checkpointing_changes_nothing(form: Any, reentrant: bool) -> None:
    head = build_head("onehot", 4, 30, label_smoothing=EPS)
    target = torch.randint(30, (12,))
    found = []
    for recompute in (False, True):
        features = torch.linspace(-1, 1, 48).view(12, 4).requires_grad_()
        head.zero_grad()
        with chunks_of(5):
            loss = (
                checkpoint(form(head), features, target, use_reentrant=reentrant)
                if recompute
                else form(head)(features, target)
            )
            loss.backward()
        found.append([loss.detach(), features.grad, *(p.grad.clone() for p in head.parameters())])
    assert all(map(torch.equal, *found))


def check_compiled(backend: str, form: Any, autocast: bool, rows: int) -> None:
    torch._dynamo.reset()
    head = build_head("onehot", 8, 50, label_smoothing=EPS, ignore_index=1)
    features, target = torch.randn(12, 8, requires_grad=True), torch.randint(2, 50, (12,))
    target[3] = 1
    inputs, results = [features, *head.parameters()], []
    for run in (form(head), torch.compile(form(head), fullgraph=True, backend=backend)):
        with chunks_of(rows), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = run(features, target)
        results.append([loss.detach(), *torch.autograd.grad(loss, inputs)])
    near = {"rtol": 0.03, "atol": 0.002} if autocast else {"rtol": 1e-4, "atol": 1e-6}
    assert_all_close(*results, **near)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("form", [of_loss, of_none])
@pytest.mark.parametrize("autocast", [False, True])
def test_compiled_in_one_graph(backend: str, form: Any, autocast: bool) -> None:
    check_compiled(backend, form, autocast, 5)


@pytest.mark.slow
@pytest.mark.parametrize("form", [of_loss, of_none])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("rows", [5, 99])
def test_compiled_by_inductor(form: Any, autocast: bool, rows: int) -> None:
    check_compiled("inductor", form, autocast, rows)


def test_a_meta_head_has_a_meta_loss() -> None:
    head = build_head("onehot", 4, 30, label_smoothing=EPS, device="meta")
    features = torch.empty(6, 4, device="meta", requires_grad=True)
    loss = head.loss(features, torch.empty(6, dtype=torch.int64, device="meta"))
    loss.backward()
    assert loss.shape == ()
    assert features.grad is not None
    assert head.weight.grad.shape == (30, 4)
