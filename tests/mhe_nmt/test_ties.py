"""Ties between equal scores go to the smaller label id, whatever the label order and the way of search."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt import OutputHead
from tests.mhe_nmt.oracles import all_digits, composed_weights, sorted_topk
from tests.mhe_nmt.strategies import KINDS, Case, Code, cases, codes, shuffled

#: Kinds whose logits are exact sums of small integers here, so every path must see the same bits. (Left
#: out are mixtures and cascades with a GELU before a product: the last bit of a GELU or a logaddexp depends
#: on whether the processor takes an entry alone or eight at once, so on the shape of the tensor.)
EXACT = [kind for kind in KINDS if not kind.startswith(("cascade-digit", "mixture"))]


def quantise(head: OutputHead, seed: int, values: tuple[float, ...]) -> None:
    """Parameters drawn from a few small integers (or halves): products and sums are exact."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.tensor(values, dtype=torch.float64)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(table[torch.randint(len(values), parameter.shape, generator=generator)])


def whole_features(case: Case, leading: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(case.seed)
    return torch.randint(-2, 3, (*leading, case.in_features), generator=generator).to(dtype)


def assert_topk_is_the_sorted_log_prob(head: OutputHead, features: torch.Tensor, k: int) -> None:
    dense = head.log_prob(features).detach()
    values, labels = head.topk(features, k)
    assert labels.tolist() == [sorted_topk(row, k) for row in dense.tolist()]
    assert torch.equal(values, dense.gather(-1, labels)), "equal scores must have equal bits everywhere"


@given(cases(max_labels=150), st.sampled_from([torch.float32, torch.float64]), st.data())
def test_zero_weights(case: Case, dtype: torch.dtype, data: st.DataObject) -> None:
    head = case.build(scale=0.0, dtype=dtype)
    features = case.features((3,), dtype)
    for k in {1, case.code.num_labels, data.draw(st.integers(1, case.code.num_labels))}:
        assert_topk_is_the_sorted_log_prob(head, features, k)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("cascade")])
@pytest.mark.parametrize("size", [24, 23, 19, 7, 2, 1999])
def test_zero_weights_are_uniform(kind: str, size: int) -> None:
    """All labels equal (in a cascade a label's share depends on its branch): the ids in order."""
    name, options = KINDS[kind]
    radices = (4, 6) if size <= 24 else (40, 50)
    for order in (None, shuffled(size, 3), tuple(reversed(range(size)))):
        case = Case(name, Code(size, radices, order), options)
        head = case.build(scale=0.0, dtype=torch.float32)
        features = case.features((5,), torch.float32)
        assert head.predict(features).tolist() == [0] * 5
        for k in {1, 2, min(size, 7), size}:
            assert head.topk(features, k)[1].tolist() == [list(range(k))] * 5


@given(cases(kinds=tuple(EXACT), max_labels=150), st.sampled_from([torch.float32, torch.float64]), st.data())
def test_quantised_weights(case: Case, dtype: torch.dtype, data: st.DataObject) -> None:
    """Many exact ties at many levels; the reference sorts the bits of log_prob."""
    head = case.build(dtype=dtype)
    quantise(
        head, case.seed, data.draw(st.sampled_from([(0.0, 1.0), (-1.0, 0.0, 1.0), (0.0, 0.5, 1.0, 2.0)]))
    )
    features = whole_features(case, (4,), dtype)
    for k in {1, case.code.num_labels, data.draw(st.integers(1, case.code.num_labels))}:
        assert_topk_is_the_sorted_log_prob(head, features, k)


@given(codes(max_labels=150), st.integers(1, 4), st.integers(0, 999), st.booleans(), st.data())
def test_product_ranks_by_the_exact_integer_sums(
    code: Code, in_features: int, seed: int, bias: bool, data: st.DataObject
) -> None:
    """Digits with the same sum, 2 + 0 and 1 + 1, are tied; no label with a smaller sum may intrude."""
    case = Case("product", code, {"bias": bias}, in_features, seed)
    head = case.build(dtype=torch.float32)
    quantise(head, seed, (-1.0, 0.0, 1.0, 2.0))
    features = whole_features(case, (4,), torch.float32)
    digits = all_digits(code.num_labels, code.radices, code.order)
    weight, offset = composed_weights(head.weight, head.bias, digits, code.radices)
    whole = F.linear(features, weight, offset).detach()
    assert torch.equal(whole, whole.round())
    k = data.draw(st.integers(1, code.num_labels))
    for dtype in (torch.float32, torch.float64):
        labels = head.to(dtype).topk(features.to(dtype), k)[1]
        assert torch.equal(whole.gather(-1, labels), whole.topk(k).values)
        assert all(len(set(row)) == k for row in labels.tolist())


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("seed", range(3))
def test_quantised_weights_of_many_labels(kind: str, seed: int) -> None:
    """V large enough for the sparse search, ties far beyond every k."""
    name, options = KINDS[kind]
    case = Case(name, Code(1999, (40, 50), shuffled(1999, seed)), options, in_features=3, seed=seed)
    head = case.build(dtype=torch.float32)
    quantise(head, seed, (-2.0, -1.0, 0.0, 1.0, 4.0))
    features = whole_features(case, (6,), torch.float32)
    for k in (1, 5, 40):
        assert_topk_is_the_sorted_log_prob(head, features, k)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("k", [1, 9])
def test_one_sharp_row_among_flat_ones(kind: str, k: int) -> None:
    name, options = KINDS[kind]
    case = Case(name, Code(1999, (40, 50), shuffled(1999, 7)), options, in_features=4, seed=2)
    head = case.build(dtype=torch.float32)
    quantise(head, 2, (-3.0, -1.0, 0.0, 2.0))
    features = torch.zeros(6, 4)
    features[2] = torch.tensor([4.0, -2.0, 1.0, 3.0])
    features[5] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    assert_topk_is_the_sorted_log_prob(head, features, k)
    for key, value in head.named_parameters():
        if "bias" in key:
            value.data.zero_()
    assert_topk_is_the_sorted_log_prob(head, features, k)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 3, 20])
def test_branches_that_are_each_one_sure_label(seed: int, k: int) -> None:
    """40 labels score exactly what their branch scores, all the same: no branch may be left unexpanded."""
    code = Code(1999, (40, 50), shuffled(1999, seed))
    head = Case("cascade", code, {}, in_features=2).build(dtype=torch.float32, scale=0.0)
    sure = torch.arange(40) * 50 + (7 * torch.arange(40)) % 49
    with torch.no_grad():
        head.leaf.bias[sure] = 300.0
    expected = sorted(code.order.index(rank) for rank in sure.tolist())[:k]
    assert head.topk(torch.zeros(2), k)[1].tolist() == expected
    assert_topk_is_the_sorted_log_prob(head, torch.zeros(1, 2), k)
