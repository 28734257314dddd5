"""Verification metrics against a search over all thresholds, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve as sklearn_roc_curve
from torch import Tensor

from vision_xmc.face.metrics.verification import (
    FoldAccuracy,
    best_threshold_accuracy,
    fold_accuracy,
    roc_curve,
    tar_at_far,
)

RATES = [0.0, 1e-6, 1e-3, 0.01, 0.1, 0.29, 1 / 3, 0.5, 0.9, 1.0]


@st.composite
def pairs(draw: st.DrawFn, both: bool = True) -> tuple[Tensor, Tensor]:
    """Scores and kinds: either multiples of a half, so that ties are common, or any float32."""
    value = st.integers(-3, 3).map(lambda n: n / 2) if draw(st.booleans()) else st.floats(-1, 1, width=32)
    rows = draw(st.lists(st.tuples(value, st.booleans()), min_size=1, max_size=40))
    if both:
        rows += [(draw(value), True), (draw(value), False)]
    return torch.tensor([score for score, _ in rows]), torch.tensor([kind for _, kind in rows])


def thresholds(scores: Tensor) -> list[float]:
    return [math.inf, *sorted({float(score) for score in scores}, reverse=True)]


def rates(scores: Tensor, same: Tensor, threshold: float) -> tuple[float, float]:
    """FAR and TAR, counted pair by pair."""
    accepted = {True: 0, False: 0}
    for score, kind in zip(scores.tolist(), same.tolist(), strict=True):
        accepted[kind] += score >= threshold
    return accepted[False] / int((~same).sum()), accepted[True] / int(same.sum())


def accuracy(scores: Tensor, same: Tensor, threshold: float) -> float:
    right = [(score >= threshold) == kind for score, kind in zip(scores.tolist(), same.tolist(), strict=True)]
    return sum(right) / len(right)


@given(pairs())
def test_tar_is_the_best_of_all_thresholds(data: tuple[Tensor, Tensor]) -> None:
    points = [rates(*data, threshold) for threshold in thresholds(data[0])]
    wanted = [max(tar for far, tar in points if far <= rate) for rate in RATES]
    assert tar_at_far(*data, RATES) == wanted


@given(st.integers(1, 300), st.integers(0, 300))
def test_a_rate_of_n_pairs_allows_exactly_n_false_accepts(impostors: int, allowed: int) -> None:
    allowed = min(allowed, impostors)
    # A pair of one person scores just below each pair of two people.
    scores = torch.cat([torch.arange(impostors), torch.arange(impostors) - 0.5])
    same = torch.arange(2 * impostors) >= impostors
    assert tar_at_far(scores, same, [allowed / impostors]) == [allowed / impostors]


def test_rates_too_small_for_the_pairs_allow_no_false_accept() -> None:
    scores, same = torch.tensor([0.9, 0.8, 0.8, 0.7, 0.1]), torch.tensor([True, True, False, True, False])
    # The second pair has the score of a pair of two people.
    assert tar_at_far(scores, same, [1e-6, 0.0, 0.49]) == [1 / 3] * 3
    assert tar_at_far(scores, same, [0.5]) == [1.0]


@given(pairs(both=False))
def test_best_threshold(data: tuple[Tensor, Tensor]) -> None:
    best, threshold = best_threshold_accuracy(*data)
    assert best == max(accuracy(*data, each) for each in thresholds(data[0]))
    assert accuracy(*data, threshold) == best


def test_the_threshold_lies_between_two_scores() -> None:
    scores, same = torch.tensor([0.0, 0.25, 0.75, 1.0]), torch.tensor([False, False, True, True])
    assert best_threshold_accuracy(scores, same) == (1.0, 0.5)
    assert best_threshold_accuracy(scores, ~same)[0] == 0.5
    assert best_threshold_accuracy(scores, torch.ones(4, dtype=torch.bool)) == (1.0, 0.0)
    assert best_threshold_accuracy(scores, torch.zeros(4, dtype=torch.bool))[1] > 1


@given(pairs())
def test_roc_is_that_of_scikit_learn(data: tuple[Tensor, Tensor]) -> None:
    expected = sklearn_roc_curve(data[1].numpy(), data[0].numpy(), drop_intermediate=False)
    for curve, other in zip(roc_curve(*data), expected, strict=True):
        np.testing.assert_allclose(curve.numpy(), other, rtol=1e-12)


def test_folds() -> None:
    generator = torch.Generator().manual_seed(0)
    folds = torch.arange(10).repeat_interleave(20)
    same = torch.rand(200, generator=generator) < 0.5
    scores = (torch.randn(200, generator=generator) + 1.5 * same).mul(4).round() / 4

    def by_hand(fold: int, others: list[int]) -> float:
        outside = torch.tensor([int(other) in others and other != fold for other in folds])
        inside = folds == fold
        best = max(
            thresholds(scores[outside]), key=lambda each: accuracy(scores[outside], same[outside], each)
        )
        # Scores are multiples of a quarter, so any threshold in the gap below ``best`` gives the same.
        return accuracy(scores[inside], same[inside], best - 0.125)

    by_fold = fold_accuracy(scores, same, folds)
    expected = [by_hand(fold, list(range(10))) for fold in range(10)]
    assert by_fold.accuracies == pytest.approx(expected, rel=1e-12)
    assert 0.6 < by_fold.mean < 1
    assert by_fold.mean == pytest.approx(np.mean(expected))
    assert by_fold.standard_error == pytest.approx(np.std(expected, ddof=1) / 10**0.5)
    two = fold_accuracy(scores, same, folds, tested=[8, 9])
    assert two.accuracies == pytest.approx([by_hand(8, [9]), by_hand(9, [8])])
    all_others = fold_accuracy(scores, same, folds, tested=[8, 9], chosen_on=range(10))
    assert all_others.accuracies == by_fold.accuracies[8:]


def test_one_fold_has_no_standard_error() -> None:
    assert math.isnan(FoldAccuracy((0.5,), (0.0,)).standard_error)


def test_refusals() -> None:
    scores, same = torch.tensor([0.0, 1.0]), torch.tensor([False, True])
    with pytest.raises(ValueError, match="must be vectors of one length"):
        tar_at_far(scores, same[:1], [0.1])
    with pytest.raises(ValueError, match="1 of the scores are not numbers"):
        roc_curve(torch.tensor([0.0, math.nan]), same)
    with pytest.raises(ValueError, match="no pairs of one person"):
        tar_at_far(scores, torch.zeros(2, dtype=torch.bool), [0.1])
    with pytest.raises(ValueError, match="no pairs of two people"):
        roc_curve(scores, torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 2"):
        tar_at_far(scores, same, [2])
    with pytest.raises(ValueError, match="no pairs to choose"):
        best_threshold_accuracy(scores[:0], same[:0])
    with pytest.raises(ValueError, match="no other fold to choose the threshold of fold 0 on"):
        fold_accuracy(scores, same, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="fold 3 has no pairs"):
        fold_accuracy(scores, same, torch.zeros(2, dtype=torch.int64), tested=[3])
