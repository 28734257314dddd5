"""LabelCodec against mixed-radix arithmetic done by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt import LabelCodec, balanced_radices
from mhe_nmt.radices import smallest_radices
from tests.mhe_nmt.oracles import digits_of, rank_of
from tests.mhe_nmt.strategies import Code, codes


def build(code: Code) -> LabelCodec:
    return LabelCodec(code.num_labels, code.radices, order=code.order)


def python_order(code: Code) -> list[int]:
    return list(range(code.num_labels)) if code.order is None else list(code.order)


@given(codes(max_labels=120))
def test_encode_is_divmod_of_the_rank(code: Code) -> None:
    codec = build(code)
    found = codec.encode(torch.arange(code.num_labels))
    assert found.dtype == torch.int64
    expected = [digits_of(rank, code.radices) for rank in python_order(code)]
    assert found.tolist() == [list(digits) for digits in expected]


@given(codes(max_labels=120))
def test_decode_inverts_encode(code: Code) -> None:
    codec = build(code)
    labels = torch.arange(code.num_labels)
    assert torch.equal(codec.decode(codec.encode(labels)), labels)


@given(codes(max_labels=40))
def test_decode_over_the_whole_code_space(code: Code) -> None:
    """Every digit tuple either carries the label that the order puts there, or is refused."""
    codec = build(code)
    order = python_order(code)
    for digits in itertools.islice(itertools.product(*map(range, code.radices)), 400):
        rank = rank_of(digits, code.radices)
        if rank < code.num_labels:
            assert int(codec.decode(torch.tensor(digits))) == order.index(rank)
        else:
            with pytest.raises((ValueError, IndexError)):
                codec.decode(torch.tensor(digits))


@given(codes(max_labels=60), st.sampled_from([(), (0,), (1,), (5,), (2, 3), (2, 0, 3), (2, 1, 3)]))
def test_shapes(code: Code, shape: tuple[int, ...]) -> None:
    codec = build(code)
    labels = torch.randint(code.num_labels, shape, generator=torch.Generator().manual_seed(0))
    digits = codec.encode(labels)
    assert digits.shape == (*shape, len(code.radices))
    decoded = codec.decode(digits)
    assert decoded.shape == shape
    assert torch.equal(decoded, labels)


@given(codes(max_labels=60))
def test_noncontiguous_labels(code: Code) -> None:
    codec = build(code)
    labels = torch.arange(code.num_labels).repeat(3, 1).T
    assert torch.equal(codec.encode(labels)[:, 1], codec.encode(torch.arange(code.num_labels)))
    assert torch.equal(codec.decode(codec.encode(labels)), labels)


@given(codes(max_labels=200))
def test_attributes(code: Code) -> None:
    codec = build(code)
    size, heads = code.num_labels, len(code.radices)
    assert codec.num_labels == size
    assert codec.num_heads == heads
    assert codec.radix_list == tuple(code.radices)
    assert codec.radices.tolist() == list(code.radices)
    assert codec.radices.dtype == codec.order.dtype == torch.int64
    assert codec.order.tolist() == python_order(code)
    used = [digits_of(rank, code.radices) for rank in range(size)]
    for h in range(heads):
        assert codec.strides[h] == math.prod(code.radices[h + 1 :])
        assert codec.prefix_counts[h] == len({digits[: h + 1] for digits in used})
    assert codec.is_full == (size == math.prod(code.radices))


@given(codes(max_labels=200))
def test_label_counts_count(code: Code) -> None:
    codec = build(code)
    used = [digits_of(rank, code.radices) for rank in range(code.num_labels)]
    for h, radix in enumerate(code.radices):
        counts = codec.label_counts(h)
        assert counts.dtype == torch.int64
        assert counts.tolist() == [sum(digits[h] == d for digits in used) for d in range(radix)]


@given(codes(max_labels=60), st.sampled_from([-1, -100, "V", "V+1", 2**40]))
def test_labels_out_of_range_are_refused_by_value(code: Code, bad: int | str) -> None:
    codec = build(code)
    value = {"V": code.num_labels, "V+1": code.num_labels + 1}.get(bad, bad) if isinstance(bad, str) else bad
    with pytest.raises((ValueError, IndexError), match=str(value)):
        codec.encode(torch.tensor([0, value, 1]))
    with pytest.raises((ValueError, IndexError), match=str(value)):
        codec.encode(torch.tensor(value))


@given(codes(max_labels=60), st.data())
def test_digits_outside_their_radix_are_refused(code: Code, data: st.DataObject) -> None:
    """Also where the rank they add up to would be a used one."""
    codec = build(code)
    digits = codec.encode(torch.arange(code.num_labels))
    row = data.draw(st.integers(0, code.num_labels - 1))
    head = data.draw(st.integers(0, len(code.radices) - 1))
    for bad in (-1, code.radices[head]):
        broken = digits.clone()
        broken[row, head] = bad
        with pytest.raises((ValueError, IndexError)):
            codec.decode(broken)


def test_decode_refuses_the_wrong_number_of_digits() -> None:
    codec = LabelCodec(12, (3, 4))
    with pytest.raises(ValueError, match="2"):
        codec.decode(torch.zeros(5, 3, dtype=torch.int64))


@pytest.mark.parametrize("num_heads", [2, 3, 4])
@pytest.mark.parametrize("num_labels", [9, 10, 16, 17, 27, 28, 100, 1000, 7792, 32000, 2**31 + 11])
def test_smallest_radices(num_labels: int, num_heads: int) -> None:
    radices = smallest_radices(num_labels, num_heads)
    assert isinstance(radices, tuple)
    assert len(radices) == num_heads
    assert all(type(radix) is int for radix in radices)
    assert math.prod(radices) >= num_labels
    assert max(radices) - min(radices) <= 1
    assert min(radices) >= 2
    low = min(radices)
    near_equal = [low**a * (low + 1) ** (num_heads - a) for a in range(num_heads + 1)]
    near_equal += [(low - 1) ** a * low ** (num_heads - a) for a in range(num_heads + 1)]
    assert math.prod(radices) == min(size for size in near_equal if size >= num_labels)


@given(st.integers(2, 5000), st.integers(2, 4))
def test_no_smallest_radix_could_be_smaller(size: int, heads: int) -> None:
    radices = smallest_radices(size, heads)
    assert math.prod(radices) >= size
    for h in range(heads):
        if radices[h] > 2 and radices[h] == max(radices):
            fewer = list(radices)
            fewer[h] -= 1
            assert math.prod(fewer) < size, f"{fewer} would do for {size}"


def test_perfect_powers_waste_nothing() -> None:
    for root, heads in [(2, 2), (3, 2), (179, 2), (10, 3), (1290, 3), (56, 4), (46341, 2)]:
        assert smallest_radices(root**heads, heads) == (root,) * heads


@given(st.integers(2, 10**6), st.integers(2, 4))
def test_default_radices(size: int, heads: int) -> None:
    """Near-equal, hardly more in sum than the smallest ones, and few labels get those."""
    radices, smallest = balanced_radices(size, heads), smallest_radices(size, heads)
    assert isinstance(radices, tuple)
    assert len(radices) == heads
    assert all(type(radix) is int for radix in radices)
    assert math.prod(radices) >= size
    assert min(radices) >= 2
    assert max(radices) - min(radices) <= 8
    assert sum(radices) <= sum(smallest) + max(1, sum(smallest) // 100)
    assert radices == smallest or (size >= 1024 and all(radix % 8 == 0 for radix in radices[1:]))
    assert LabelCodec(size, num_heads=heads).radix_list == radices


@given(st.integers(1024, 10**6))
def test_two_default_radices_are_the_smallest_aligned_ones(size: int) -> None:
    """Against a search of all multiples of 8 near the root and far from it."""
    radices = balanced_radices(size, 2)
    assert radices[1] % 8 == 0
    assert sum(radices) == min(last - (-size // last) for last in range(8, 4 * math.isqrt(size), 8))


def test_very_many_labels() -> None:
    """Ranks near 2**31 survive; nothing is computed in int32 or floating point."""
    codec = LabelCodec(3_000_017, (1500, 3, 1000))
    labels = torch.tensor([0, 2999, 3000, 3_000_016, 1_234_567])
    digits = codec.encode(labels)
    assert digits.tolist() == [list(digits_of(int(label), (1500, 3, 1000))) for label in labels]
    assert torch.equal(codec.decode(digits), labels)
    assert int(codec.label_counts(0).sum()) == int(codec.label_counts(2).sum()) == 3_000_017


def test_order_as_tensor_list_and_numpy_agree() -> None:
    ranks = [2, 0, 4, 1, 3]
    for order in (ranks, tuple(ranks), torch.tensor(ranks), torch.tensor(ranks, dtype=torch.int32)):
        assert LabelCodec(5, (2, 3), order=order).encode(torch.arange(5)).tolist() == [
            list(digits_of(rank, (2, 3))) for rank in ranks
        ]
    array = torch.tensor(ranks).numpy()
    assert LabelCodec(5, (2, 3), order=array).order.tolist() == ranks


def test_the_given_order_is_copied() -> None:
    ranks = torch.tensor([2, 0, 4, 1, 3])
    codec = LabelCodec(5, (2, 3), order=ranks)
    ranks.zero_()
    assert codec.order.tolist() == [2, 0, 4, 1, 3]
    assert codec.decode(codec.encode(torch.arange(5))).tolist() == [0, 1, 2, 3, 4]


def test_buffers_are_in_the_state_dict_and_stay_int64() -> None:
    codec = LabelCodec(11, (3, 4), order=list(range(11))[::-1])
    assert {"radices", "order"} <= set(codec.state_dict())
    assert not list(codec.parameters())
    for moved in (codec.half(), codec.bfloat16(), codec.to(torch.float64)):
        assert all(buffer.dtype == torch.int64 for buffer in moved.buffers())
    assert torch.equal(codec.decode(codec.encode(torch.arange(11))), torch.arange(11))
