"""Top-k and predict against a Python sort of the dense log-probabilities."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt.topk import dense_topk, select_topk, staircase
from tests.mhe_nmt.oracles import sorted_topk
from tests.mhe_nmt.strategies import KINDS, Case, Code, cases, leading_shapes, shuffled

CLOSE = {"rtol": 1e-9, "atol": 1e-9}

few_scores = st.lists(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, -2.5, -1e30, -1e-30, 3e38]), min_size=1, max_size=30
)


@given(
    few_scores, st.sampled_from([torch.float32, torch.float64]), st.randoms(use_true_random=False), st.data()
)
def test_selection_is_a_python_sort(
    scores: list[float], dtype: torch.dtype, random: Random, data: st.DataObject
) -> None:
    """Ties by label wherever the candidate stands in the list; -0.0 and 0.0 are equal scores."""
    size = len(scores)
    k = data.draw(st.integers(1, size))
    expected = sorted_topk(scores, k)
    dense = torch.tensor([scores, scores], dtype=dtype)
    assert dense_topk(dense.clone(), k)[1].tolist() == [expected] * 2

    labels = list(range(size))
    random.shuffle(labels)
    listed = torch.tensor([labels, sorted(labels)])
    values, found = select_topk(dense.gather(-1, listed), listed, k)
    assert found.tolist() == [expected] * 2
    assert torch.equal(values, dense.gather(-1, found))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scores", [[-0.0, 0.0, -0.0, 0.0], [0.0, -0.0, 0.0, -1.0], [-1.0, -0.0, 1.0, 0.0]])
def test_negative_zero_is_zero(scores: list[float], dtype: torch.dtype) -> None:
    dense = torch.tensor([scores], dtype=dtype)
    for k in range(1, 5):
        assert dense_topk(dense, k)[1].tolist() == [sorted_topk(scores, k)]
        assert select_topk(dense, torch.arange(4)[None], k)[1].tolist() == [sorted_topk(scores, k)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 40))
def test_staircase_lists_every_tuple_that_can_matter(ranges: list[int], k: int) -> None:
    found = staircase(tuple(ranges), k, torch.device("cpu")).tolist()
    places = itertools.product(*map(range, ranges))
    assert sorted(found) == [list(place) for place in places if math.prod(i + 1 for i in place) <= k]


def test_staircase_of_two_heads_and_ten() -> None:
    assert len(staircase((100, 100), 10, torch.device("cpu"))) == 27


@given(cases(max_labels=200), leading_shapes, st.data())
def test_topk_sorts_log_prob(case: Case, leading: tuple[int, ...], data: st.DataObject) -> None:
    head, features = case.build(), case.features(leading)
    size = case.code.num_labels
    k = data.draw(
        st.integers(1, min(10, size)) | st.integers(max(1, size - 10), size) | st.just(-(-size // 2))
    )
    values, labels = head.topk(features, k)
    assert values.shape == labels.shape == (*leading, k)
    assert values.dtype == torch.float64
    assert labels.dtype == torch.int64
    dense = head.log_prob(features).detach()
    for row, ours in zip(dense.reshape(-1, size).tolist(), labels.reshape(-1, k).tolist(), strict=True):
        assert ours == sorted_topk(row, k)
    torch.testing.assert_close(values, dense.gather(-1, labels), **CLOSE)
    assert torch.equal(head.predict(features), head.topk(features, 1)[1].squeeze(-1))
    assert torch.equal(head.predict(features), dense.argmax(-1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "radices"), [(24, (4, 6)), (36, (3, 4, 3)), (29, (2, 3, 2, 3)), (3, (4, 5)), (17, (9, 2))]
)
def test_topk_for_every_k(kind: str, size: int, radices: tuple[int, ...]) -> None:
    name, options = KINDS[kind]
    case = Case(name, Code(size, radices, shuffled(size, 1)), options, in_features=2, seed=11)
    head, features = case.build(), case.features((5,))
    dense = head.log_prob(features).detach().tolist()
    for k in range(1, size + 1):
        assert head.topk(features, k)[1].tolist() == [sorted_topk(row, k) for row in dense]


@given(cases(max_labels=3000, heads=(2, 3)), st.sampled_from([1, 4, 20]), st.sampled_from([0.3, 1.0, 4.0]))
def test_topk_of_many_labels(case: Case, k: int, scale: float) -> None:
    """Flat, middling and peaked distributions, where sparse search takes different ways."""
    head, features = case.build(scale=scale), case.features((3,))
    k = min(k, case.code.num_labels)
    values, labels = head.topk(features, k)
    dense = head.log_prob(features).detach()
    assert labels.tolist() == [sorted_topk(row, k) for row in dense.tolist()]
    torch.testing.assert_close(values, dense.gather(-1, labels), **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.1, 8.0])
def test_topk_rows_of_very_different_sharpness(kind: str, scale: float) -> None:
    """One flat row must not spoil its neighbours, nor the other way round."""
    name, options = KINDS[kind]
    case = Case(name, Code(1500, (37, 41)), options, in_features=6, seed=5)
    head = case.build(scale=scale)
    features = case.features((8,)) * torch.tensor([0.0, 0.01, 0.1, 1.0, 3.0, 0.0, 10.0, 1e-4])[:, None]
    for k in (1, 7, 60):
        values, labels = head.topk(features, k)
        dense = head.log_prob(features).detach()
        torch.testing.assert_close(values, dense.topk(k).values, **CLOSE)
        torch.testing.assert_close(values, dense.gather(-1, labels), **CLOSE)
        assert all(len(set(row)) == k for row in labels.tolist())
