"""Cases of the Triton grouped product: under TRITON_INTERPRET=1 on a CPU, else on CUDA.

Run by test_grouped_triton.py. The variable must be set before Triton is imported, so these cases need a
process of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt.heads import grouped_triton
from mhe_nmt.heads.grouped_triton import (
    DTYPES,
    grouped_forward,
    grouped_grad_rows,
    grouped_grad_weight,
    is_available,
    tile_bound,
)

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
#: Types of the rows, the weight and the products.
MIXES = [
    *((dtype, dtype, dtype) for dtype in DTYPES),
    (torch.float32, torch.float32, torch.bfloat16),
    (torch.bfloat16, torch.float32, torch.bfloat16),
    (torch.float32, torch.float32, torch.float16),
]
Counts = Sequence[int]


@pytest.fixture(autouse=True, scope="module")
def _bfloat16_in_the_interpreter() -> Iterator[None]:
    """The interpreter multiplies the bits of bfloat16 as integers and truncates where it should round."""
    if not INTERPRETED:
        yield
        return
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    dot, cast = InterpreterBuilder.create_dot, InterpreterBuilder.cast_impl

    def wide(handle: TensorHandle) -> TensorHandle:
        return cast(None, handle, tl.float32) if handle.dtype.scalar == tl.bfloat16 else handle

    def create_dot(self: Any, a: TensorHandle, b: TensorHandle, *others: Any) -> TensorHandle:
        return dot(self, wide(a), wide(b), *others)

    def cast_impl(self: Any, src: TensorHandle, dst_type: Any) -> TensorHandle:
        if src.dtype.scalar == tl.float32 and dst_type.scalar == tl.bfloat16:
            rounded = torch.from_numpy(src.data.copy()).bfloat16().view(torch.uint16)
            return TensorHandle(rounded.numpy(), tl.bfloat16)
        return cast(self, src, dst_type)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InterpreterBuilder, "create_dot", create_dot)
        patch.setattr(InterpreterBuilder, "cast_impl", cast_impl)
        yield


MARGIN = 4096


def poison(dtype: torch.dtype) -> float | int:
    return float("nan") if dtype.is_floating_point else torch.iinfo(dtype).max


def surrounded(shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """An uninitialised tensor and the memory around it, all poisoned."""
    size = torch.Size(shape).numel()
    memory = torch.full((size + 2 * MARGIN,), poison(dtype), dtype=dtype, device=DEVICE)
    return memory[MARGIN : MARGIN + size].view(*shape), memory


@contextmanager
def guarded() -> Iterator[None]:
    """New tensors are poisoned, so what is not written is seen, and so is what is written outside of them."""
    memories = []
    plain = Tensor.new_empty

    def new_empty(self: Tensor, *shape: Any, dtype: torch.dtype | None = None, **others: Any) -> Tensor:
        if others:  # the interpreter's own call
            return plain(self, *shape, dtype=dtype, **others)
        sizes = shape if isinstance(shape[0], int) else shape[0]
        tensor, memory = surrounded(sizes, dtype or self.dtype)
        memories.append(memory)
        return tensor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "new_empty", new_empty)
        yield
    assert memories
    for memory in memories:
        for edge in (memory[:MARGIN], memory[-MARGIN:]):
            untouched = edge.isnan() if edge.is_floating_point() else edge == poison(edge.dtype)
            assert untouched.all(), "a kernel wrote outside of its result"


def normal(shape: Sequence[int], dtype: torch.dtype, seed: int) -> Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    tensor, _ = surrounded(shape, dtype)
    return tensor.copy_(values)


def ends_of(counts: Counts) -> Tensor:
    return torch.tensor(counts, dtype=torch.int32).cumsum(0, dtype=torch.int32).to(DEVICE)


def each_branch(counts: Counts, width: int, R: int) -> Iterator[tuple[slice, slice]]:
    """Rows and weight rows of each branch."""
    start = 0
    for branch, count in enumerate(counts):
        yield slice(start, start + count), slice(branch * width, min((branch + 1) * width, R))
        start += count


def assert_near(found: Tensor, exact: Tensor, size: Tensor, terms: int) -> None:
    """Sums of ``terms`` float32 numbers of sizes that sum to ``size``, rounded once to ``found``'s type."""
    info = torch.finfo(found.dtype)
    bound = info.eps * exact.abs() + terms * 2**-23 * size + info.smallest_normal
    wrong = (found.double() - exact).abs() > bound
    assert not bool(torch.isnan(found).any()), "a place of the result was not written"
    assert not bool(wrong.any()), f"wrong by {(found.double() - exact).abs().max()}"


def check(counts: Counts, tail: int, width: int, d: int, R: int, mix: Sequence[torch.dtype]) -> None:
    """All three products against a loop over branches in float64."""
    rows_dtype, weight_dtype, dtype = mix
    N = sum(counts) + tail
    rows, weight = normal((N, d), rows_dtype, 1), normal((R, d), weight_dtype, 2)
    grad = normal((N, width), dtype, 3)
    ends = ends_of(counts)
    with guarded():
        out = grouped_forward(rows, ends, weight, width, dtype)
    with guarded():
        grad_rows = grouped_grad_rows(grad, ends, weight, width)
    with guarded():
        grad_weight = grouped_grad_weight(grad, ends, rows, width, R, weight_dtype)
    assert (out.shape, out.dtype) == ((N, width), dtype)
    assert (grad_rows.shape, grad_rows.dtype) == ((N, d), dtype)
    assert (grad_weight.shape, grad_weight.dtype) == ((R, d), weight_dtype)

    x, w, g = rows.to(dtype).double(), weight.to(dtype).double(), grad.double()
    exact = [torch.zeros_like(found, dtype=torch.float64) for found in (out, grad_rows, grad_weight)]
    sizes = [torch.zeros_like(one) for one in exact]
    for own, labels in each_branch(counts, width, R):
        columns = slice(labels.stop - labels.start)
        for change, (to_out, to_rows, to_weight) in ((lambda t: t, exact), (torch.abs, sizes)):
            a, b, c = change(x[own]), change(w[labels]), change(g[own, columns])
            to_out[own, columns] = a @ b.t()
            to_rows[own] = c @ b
            to_weight[labels] = c.t() @ a
    for found, one, size, terms in zip(
        (out, grad_rows, grad_weight), exact, sizes, (d, width, max(counts)), strict=True
    ):
        assert_near(found, one, size, terms)
    for (own, labels), count in zip(each_branch(counts, width, R), counts, strict=True):
        assert not out[own, labels.stop - labels.start :].any()
        assert count or not grad_weight[labels].any()
    assert not out[N - tail :].any()
    assert not grad_rows[N - tail :].any()


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize(
    ("counts", "tail", "width", "d", "R"),
    [
        ([5, 0, 17, 0], 3, 10, 20, 33),  # empty branches, the last one short and empty, rows behind the last
        ([0, 16, 1], 0, 16, 32, 33),  # whole blocks, a last branch of one label
        ([70, 3], 0, 90, 80, 180),  # tiles of several sizes, blocks of columns with a rest
    ],
)
def test_types(
    counts: Counts, tail: int, width: int, d: int, R: int, mix: tuple[torch.dtype, torch.dtype, torch.dtype]
) -> None:
    check(counts, tail, width, d, R, mix)


@pytest.mark.parametrize(
    ("counts", "tail", "width", "d", "R"),
    [
        ([9], 0, 7, 5, 7),  # one branch
        ([9], 4, 7, 5, 3),  # one branch, and it is short
        ([150, 140], 0, 20, 144, 35),  # tiles of 64 and 128 rows
        ([0, 0, 300], 0, 17, 9, 50),  # many tiles in one branch
        ([1, 0, 1, 1], 0, 130, 3, 400),  # fewer rows than branches
        ([0, 0], 6, 4, 4, 8),  # no branch has rows
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_shapes(counts: Counts, tail: int, width: int, d: int, R: int, dtype: torch.dtype) -> None:
    check(counts, tail, width, d, R, (dtype, dtype, dtype))


def test_more_branches_than_the_map_reads_at_once() -> None:
    counts = [0] * 1020 + [1] * 10
    rows, weight = normal((11, 3), torch.float32, 1), normal((1030, 3), torch.float32, 2)
    with guarded():
        out = grouped_forward(rows, ends_of(counts), weight, 1, torch.float32)
    torch.testing.assert_close(out[:10, 0], (rows[:10] * weight[1020:]).sum(-1))
    assert out[10] == 0


def test_no_rows() -> None:
    weight, ends = normal((10, 6), torch.float32, 0), ends_of([0, 0, 0])
    rows, grad = weight.new_empty((0, 6)), weight.new_empty((0, 4))
    assert grouped_forward(rows, ends, weight, 4, torch.float32).shape == (0, 4)
    assert grouped_grad_rows(grad, ends, weight, 4).shape == (0, 6)
    with guarded():
        grad_weight = grouped_grad_weight(grad, ends, rows, 4, 10, torch.float32)
    assert torch.equal(grad_weight, torch.zeros_like(weight))


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_shape(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.just(0) | st.integers(0, 40), min_size=1, max_size=6))
    width, d = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    R = (len(counts) - 1) * width + data.draw(st.integers(1, width))
    tail = data.draw(st.integers(0, 5))
    check(counts, tail, width, d, R, data.draw(st.sampled_from(MIXES)))


@given(st.lists(st.integers(0, 300), min_size=1), st.integers(0, 300), st.sampled_from([16, 32, 64, 128]))
def test_tiles_are_bounded(counts: Counts, tail: int, tile: int) -> None:
    needed = sum(-(-count // tile) for count in [*counts, tail])
    assert needed <= tile_bound(sum(counts) + tail, len(counts), tile)


def test_tensors_that_are_not_contiguous() -> None:
    rows, weight = normal((6, 13), torch.float32, 1).t(), normal((6, 20), torch.float32, 2).t()
    grad, ends = normal((1, 10), torch.float32, 3).expand(13, 10), ends_of([4, 9])
    calls: list[tuple[Callable[..., Tensor], tuple[Any, ...]]] = [
        (grouped_forward, (rows, ends, weight, 10, torch.float32)),
        (grouped_grad_rows, (grad, ends, weight, 10)),
        (grouped_grad_weight, (grad, ends, rows, 10, 20, torch.float32)),
    ]
    for function, arguments in calls:
        plain = [one.contiguous() if isinstance(one, Tensor) else one for one in arguments]
        assert torch.equal(function(*arguments), function(*plain))


def test_refusals() -> None:
    rows, weight, ends = normal((5, 6), torch.float32, 1), normal((8, 6), torch.float32, 2), ends_of([2, 3])
    with pytest.raises(TypeError, match=r"not torch\.float64"):
        grouped_forward(rows, ends, weight, 4, torch.float64)
    with pytest.raises(TypeError, match=r"not torch\.float64"):
        grouped_grad_rows(rows, ends, weight.double(), 6)
    with pytest.raises(TypeError, match=r"int32, not torch\.int64"):
        grouped_forward(rows, ends.long(), weight, 4, torch.float32)
    with pytest.raises(ValueError, match="2 branches of width 3 cannot own 8"):
        grouped_grad_weight(rows, ends, rows, 3, 8, torch.float32)


def test_float32_follows_torch() -> None:
    before = torch.get_float32_matmul_precision()
    precision = {}
    try:
        for setting in ("highest", "high"):
            torch.set_float32_matmul_precision(setting)
            precision[setting] = grouped_triton._arithmetic(torch.float32)[1]
    finally:
        torch.set_float32_matmul_precision(before)
    assert precision == {"highest": "ieee", "high": "tf32"}


def test_the_cpu_is_no_device_for_it() -> None:
    assert not is_available(torch.device("cpu"))
    assert is_available(torch.device("cuda")) is not INTERPRETED


class _Grouped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, ends: Tensor, weight: Tensor, width: int) -> Tensor:
        ctx.save_for_backward(rows, ends, weight)
        ctx.width = width
        return grouped_forward(rows, ends, weight, width, rows.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, ends, weight = ctx.saved_tensors
        grad_rows = grouped_grad_rows(grads[0], ends, weight, ctx.width)
        grad_weight = grouped_grad_weight(grads[0], ends, rows, ctx.width, len(weight), weight.dtype)
        return grad_rows, None, grad_weight, None


@pytest.mark.slow
def test_compiled_without_a_graph_break() -> None:
    def step(rows: Tensor, ends: Tensor, weight: Tensor) -> Tensor:
        kind = 1.0 if is_available(rows.device) else 2.0
        return (_Grouped.apply(rows * kind, ends, weight, 10).square() + 1).log().sum()

    found = []
    for function in (step, torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=True)):
        for counts in ([4, 9], [0, 6]):
            rows = normal((sum(counts), 6), torch.float32, 1).requires_grad_()
            weight = normal((17, 6), torch.float32, 2).requires_grad_()
            loss = function(rows, ends_of(counts), weight)
            loss.backward()
            found.append((loss.detach(), rows.grad, weight.grad))
    for plain, compiled in zip(found[:2], found[2:], strict=True):
        for one, other in zip(plain, compiled, strict=True):
            torch.testing.assert_close(one, other)
