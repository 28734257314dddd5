"""Grouped products against one plain loop in float64: the way of a CPU and ``grouped_mm`` by name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt.heads import grouped_products as products
from mhe_nmt.heads.grouped import Grouping, grouped_linear
from mhe_nmt.heads.label_matrix import LabelMatrix
from tests.mhe_nmt.strategies import Case, Code, shuffled

NEAR = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 0.02, "atol": 0.05},
}


class Problem:
    """Rows sorted by branch and a weight whose last block may be short."""

    def __init__(
        self,
        counts: list[int],
        width: int,
        short_by: int,
        d: int,
        dtype: torch.dtype,
        seed: int = 0,
        weight_dtype: torch.dtype | None = None,
        is_permuted: bool = False,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        size = len(counts) * width - short_by
        self.width = width
        self.branches = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        self.ends = torch.tensor(counts).cumsum(0).to(torch.int32)
        self.rows, self.grad = draw(len(self.branches), d), draw(len(self.branches), width)
        self.weight = draw(size, d, dtype=weight_dtype or dtype)
        self.row_index = torch.randperm(size, generator=generator) if is_permuted else None
        # Nothing depends on the outputs behind a short last block, so no gradient comes from there.
        self.places = self.branches.unsqueeze(-1) * width + torch.arange(width)
        self.grad[self.places >= size] = 0.0

    def expected(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row by row."""
        rows, grad, weight = self.rows.double(), self.grad.double(), self.weight.to(self.rows.dtype).double()
        out, of_rows, of_weight = torch.zeros_like(grad), torch.zeros_like(rows), torch.zeros_like(weight)
        for n, places in enumerate(self.places):
            block = places[places < len(weight)]
            labels = block if self.row_index is None else self.row_index[block]
            out[n, : len(block)] = weight[labels] @ rows[n]
            of_rows[n] = grad[n, : len(block)] @ weight[labels]
            of_weight[labels] += grad[n, : len(block)].outer(rows[n])
        return out, of_rows, of_weight


def assert_near(found: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    scale = expected.abs().max().clamp(min=1.0) if expected.numel() else 1.0
    torch.testing.assert_close(found.double() / scale, expected / scale, **NEAR[dtype])


numbers_of_rows = st.lists(st.sampled_from([0, 0, 1, 2, 7]), min_size=1, max_size=5)


@given(
    numbers_of_rows,
    st.integers(1, 9),
    st.integers(0, 8),
    st.integers(1, 6),
    st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
    st.sampled_from([None, torch.float32]),
    st.booleans(),
    st.integers(0, 99),
)
def test_branch_by_branch(
    counts: list[int],
    width: int,
    short_by: int,
    d: int,
    dtype: torch.dtype,
    weight_dtype: torch.dtype | None,
    is_permuted: bool,
    seed: int,
) -> None:
    """What a CPU does: any shape, any order of the weight's rows, a weight of another dtype."""
    case = Problem(counts, width, min(short_by, width - 1), d, dtype, seed, weight_dtype, is_permuted)
    out, of_rows, of_weight = case.expected()
    found = products.product(case.rows, case.ends, case.weight, width, case.row_index)
    assert found.dtype == dtype
    assert_near(found, out, dtype)
    found = products.grad_of_rows(case.grad, case.ends, case.weight, width, case.row_index)
    assert found.dtype == dtype
    assert_near(found, of_rows, dtype)
    found = products.grad_of_weight(case.grad, case.ends, case.rows, width, case.weight, case.row_index)
    assert found.dtype == case.weight.dtype
    assert found.shape == case.weight.shape
    assert_near(found, of_weight, dtype if dtype == torch.bfloat16 else weight_dtype or dtype)


needs_grouped_mm = pytest.mark.skipif(
    not hasattr(F, "grouped_mm"), reason="torch.nn.functional.grouped_mm is public from torch 2.10 on"
)


@needs_grouped_mm
@given(
    numbers_of_rows,
    st.sampled_from([8, 16, 24]),
    st.integers(0, 23),
    st.sampled_from([8, 16]),
    st.sampled_from([torch.float32, torch.bfloat16]),
    st.booleans(),
    st.integers(0, 99),
)
def test_grouped_mm(
    counts: list[int], width: int, short_by: int, d: int, dtype: torch.dtype, is_padded: bool, seed: int
) -> None:
    """What a device with a fast kernel does, by the names of its functions; the storage padded and not."""
    case = Problem(counts, width, min(short_by, width - 1), d, dtype, seed)
    assert products.grouped_mm_accepts(case.rows, d, width)
    weight = case.weight
    if is_padded:
        weight = products.padded_storage(weight, len(counts) * width - len(weight))
    out, of_rows, of_weight = case.expected()
    assert_near(products.grouped_mm_product(case.rows, case.ends, weight, width), out, dtype)
    assert_near(products.grouped_mm_grad_of_rows(case.grad, case.ends, weight, width), of_rows, dtype)
    found = products.grouped_mm_grad_of_weight(case.grad, case.ends, case.rows, width)
    assert len(found) == len(counts) * width
    assert_near(found[: len(weight)], of_weight, dtype)
    assert (found[len(weight) :] == 0).all()


@needs_grouped_mm
def test_gradients_of_branches_without_rows_are_zero_whatever_the_kernel_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some devices do not write them (pytorch/pytorch#172439)."""
    case = Problem([0, 3, 0, 2, 0], 8, 0, 8, torch.float32)
    real = F.grouped_mm

    def leaves_garbage(left: Tensor, right: Tensor, *, offs: Tensor) -> Tensor:
        found = real(left, right, offs=offs)
        if left.dim() == right.dim() == 2:
            found[[0, 2, 4]] = torch.nan
        return found

    monkeypatch.setattr(F, "grouped_mm", leaves_garbage)
    found = products.grouped_mm_grad_of_weight(case.grad, case.ends, case.rows, 8)
    assert_near(found, case.expected()[2], torch.float32)


def test_what_grouped_mm_accepts() -> None:
    """Rows of blocks and of features start at multiples of 16 bytes, and float64 has no kernel."""
    for dtype, unit in ((torch.float32, 4), (torch.bfloat16, 8), (torch.float16, 8)):
        rows = torch.zeros(2, 2 * unit, dtype=dtype)
        assert products.grouped_mm_accepts(rows, 2 * unit, unit) == hasattr(F, "grouped_mm")
        assert not products.grouped_mm_accepts(rows, 2 * unit, unit + 1)
        assert not products.grouped_mm_accepts(rows, 2 * unit + 1, unit)
    assert not products.grouped_mm_accepts(torch.zeros(2, 8, dtype=torch.float64), 8, 8)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5))
def test_padded_storage(size: int, width: int, d: int) -> None:
    """Equal to the weight, its blocks a view of it; the rows behind are zeros."""
    weight = torch.randn(size, d)
    missing = -size % width
    padded = products.padded_storage(weight, missing)
    assert torch.equal(padded, weight)
    assert products.storage_is_padded(padded, missing)
    assert products.storage_is_padded(weight, missing) == (missing == 0)
    for either in (weight, padded):
        blocks = products._blocks(either, -(-size // width), width)
        assert torch.equal(blocks.flatten(0, 1)[:size], weight)
        assert (blocks.flatten(0, 1)[size:] == 0).all()
    assert products._blocks(padded, -(-size // width), width).data_ptr() == padded.data_ptr()


def test_the_matrix_stays_padded_wherever_it_goes() -> None:
    """Casts, copies, loading and ties: the next product needs no copy of it."""
    head = Case("cascade", Code(23, (4, 6), shuffled(23, 1))).build()
    matrix = head.leaf
    assert isinstance(matrix, LabelMatrix)

    def is_padded() -> bool:
        return products.storage_is_padded(matrix.weight, 1)

    assert is_padded()
    head.float()
    assert is_padded()
    head.load_state_dict(head.state_dict())
    assert is_padded()
    head.load_state_dict({key: value.clone() for key, value in head.state_dict().items()}, assign=True)
    assert is_padded()
    embedding = torch.nn.Embedding(23, 5)
    head.tie_weight(embedding.weight)
    assert is_padded()
    assert matrix.weight is embedding.weight
    model = torch.nn.ModuleDict({"embedding": embedding, "head": head}).double()
    assert is_padded()
    assert model["head"].leaf.weight is embedding.weight
    assert products.storage_is_padded(embedding.weight, 1)


@given(
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 12),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_linear_of_rows_in_any_order(
    branches: int, width: int, short_by: int, rows: int, has_bias: bool, is_permuted: bool, seed: int
) -> None:
    """Sorting, bias and autograd around the products, against indexing; gradients by the same."""
    generator = torch.Generator().manual_seed(seed)
    size = branches * width - min(short_by, width - 1)
    inputs = torch.randn(rows, 3, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(size, 3, generator=generator, dtype=torch.float64).requires_grad_()
    bias = torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_() if has_bias else None
    row_index = torch.randperm(size, generator=generator) if is_permuted else None
    of_row = torch.randint(branches, (rows,), generator=generator)
    places = of_row.unsqueeze(-1) * width + torch.arange(width)
    used = places < size
    labels = places.clamp(max=size - 1)
    labels = labels if row_index is None else row_index[labels]
    expected = torch.einsum("nwd,nd->nw", weight[labels], inputs)
    expected = expected if bias is None else expected + bias[labels]
    found = grouped_linear(inputs, of_row, weight, bias, width, row_index)
    torch.testing.assert_close(found[used], expected[used])
    wanted = [inputs, weight, *([] if bias is None else [bias])]
    factors = torch.randn(rows, width, generator=generator, dtype=torch.float64) * used
    for ours, theirs in zip(
        torch.autograd.grad((found * factors).sum(), wanted),
        torch.autograd.grad((expected * factors).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@given(numbers_of_rows)
def test_grouping_sorts_stably_and_back(counts: list[int]) -> None:
    sorted_branches = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    branches = sorted_branches[torch.randperm(len(sorted_branches))]
    grouping = Grouping(branches, len(counts))
    assert torch.equal(grouping.branches, sorted_branches)
    assert grouping.ends.tolist() == torch.tensor(counts).cumsum(0).tolist()
    assert grouping.ends.dtype == torch.int32
    rows = torch.arange(len(branches))
    assert torch.equal(grouping.unsort(grouping.sort(rows)), rows)
    assert grouping.order.tolist() == sorted(rows.tolist(), key=lambda row: (int(branches[row]), row))


@pytest.mark.parametrize("has_index", [False, True])
def test_autocast_with_float32_weights(has_index: bool) -> None:
    """Products in bfloat16 of rounded factors; the weight's gradient in float32 holds unrounded sums."""
    case = Problem([3, 0, 2], 8, 3, 8, torch.bfloat16, 1, torch.float32, has_index)
    rows = case.rows.float().requires_grad_()
    weight = case.weight.requires_grad_()
    grouping = Grouping(case.branches, 3)
    with torch.autocast("cpu", torch.bfloat16):
        out = grouping.linear(rows, weight, None, 8, case.row_index)
    assert out.dtype == torch.bfloat16
    out.backward(case.grad)
    expected = case.expected()
    assert_near(out.detach(), expected[0], torch.bfloat16)
    assert rows.grad.dtype == weight.grad.dtype == torch.float32
    assert_near(rows.grad, expected[1], torch.bfloat16)
    assert_near(weight.grad, expected[2], torch.bfloat16)
