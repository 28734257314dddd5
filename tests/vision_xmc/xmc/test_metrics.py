"""Ranking metrics against hand-computed cases, plain loops and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from vision_xmc.xmc.data.label_sets import LabelSets
from vision_xmc.xmc.metrics import KS, inverse_propensities, ranking_means, ranking_sums

KINDS = ("P", "nDCG", "R", "PSP")


def metrics(
    predicted: list[list[int]], sets: list[list[int]], inverse_propensity: list[float] | None = None
) -> dict[str, float]:
    true = LabelSets.of(sets)
    sums = ranking_sums(
        torch.tensor(predicted),
        torch.from_numpy(true.labels),
        torch.from_numpy(true.offsets),
        None if inverse_propensity is None else torch.tensor(inverse_propensity, dtype=torch.float64),
    )
    return ranking_means({name: float(value) for name, value in sums.items()}, len(predicted))


def test_by_hand() -> None:
    """Two documents: one with labels 3 and 4, predicted at places 1 and 4; one with label 0, at place 2."""
    means = metrics([[3, 1, 2, 4, 0], [5, 0, 1, 2, 3]], [[4, 3], [0]], [1, 9, 9, 2, 4, 9])
    second, fourth = 1 / math.log2(3), 1 / math.log2(5)
    assert means["P@1"] == pytest.approx(1 / 2)
    assert means["P@3"] == pytest.approx((1 + 1) / 3 / 2)
    assert means["P@5"] == pytest.approx((2 + 1) / 5 / 2)
    assert means["R@1"] == pytest.approx((1 / 2 + 0) / 2)
    assert means["R@5"] == pytest.approx(1)
    assert means["nDCG@1"] == pytest.approx(1 / 2)
    assert means["nDCG@3"] == pytest.approx((1 / (1 + second) + second) / 2)
    assert means["nDCG@5"] == pytest.approx(((1 + fourth) / (1 + second) + second) / 2)
    # The largest possible gain at 1 is that of the first document's rarer label (4) plus that of label 0 (1).
    assert means["PSP@1"] == pytest.approx(2 / (4 + 1))
    assert means["PSP@3"] == pytest.approx((2 + 1) / (4 + 2 + 1))
    assert means["PSP@5"] == pytest.approx(1)


def test_propensities_by_hand() -> None:
    """A label with 10 of 1000 documents and one with none: C = (ln 1000 - 1) · 2.5^0.55 = 9.7789."""
    weights = inverse_propensities(torch.tensor([10, 0]), 1000)
    scale = (math.log(1000) - 1) * 2.5**0.55
    assert weights[0].item() == pytest.approx(1 + scale * math.exp(-0.55 * math.log(11.5)), rel=1e-12)
    assert weights[1].item() == pytest.approx(1 + scale / 1.5**0.55, rel=1e-12)
    assert scale == pytest.approx(9.7789, abs=1e-4)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    labels = draw(st.integers(6, 30))
    documents = draw(st.integers(1, 6))
    predicted = [draw(st.permutations(range(labels)))[:7] for _ in range(documents)]
    # True labels from `labels` upwards cannot be predicted.
    true = st.lists(st.integers(0, labels + 5), unique=True, max_size=9)
    return predicted, draw(st.lists(true, min_size=documents, max_size=documents))


@given(rankings())
def test_plain_loops(case: tuple[list[list[int]], list[list[int]]]) -> None:
    predicted, sets = case
    weight = [1 + (7 * label) % 11 for label in range(40)]
    measured = metrics(predicted, sets, weight)
    for k in KS:
        expected = dict.fromkeys(KINDS, 0.0)
        ideal = 0.0
        for row, true in zip(predicted, sets, strict=True):
            hits = [label in true for label in row[:k]]
            expected["P"] += sum(hits) / k
            expected["R"] += sum(hits) / len(true) if true else 0
            gain = sum(hit / math.log2(place + 2) for place, hit in enumerate(hits))
            expected["nDCG"] += (
                gain / sum(1 / math.log2(i + 2) for i in range(min(k, len(true)))) if true else 0
            )
            expected["PSP"] += sum(weight[label] for label in row[:k] if label in true)
            ideal += sum(sorted((weight[label] for label in true), reverse=True)[:k])
        for kind in ("P", "R", "nDCG"):
            assert measured[f"{kind}@{k}"] == pytest.approx(expected[kind] / len(predicted), abs=1e-12)
        assert measured[f"PSP@{k}"] == pytest.approx(expected["PSP"] / ideal if ideal else 0, abs=1e-12)


@given(st.integers(0, 999))
def test_scikit_learn(seed: int) -> None:
    """scikit-learn's nDCG agrees where every document has a label and all labels are ranked."""
    random = np.random.default_rng(seed)
    scores = random.permutation(8 * 12).reshape(8, 12).astype(float)
    true = random.random((8, 12)) < 0.3
    true[:, 0] |= ~true.any(1)
    sets = [np.flatnonzero(row).tolist() for row in true]
    means = metrics(np.argsort(-scores, axis=1).tolist(), sets)
    for k in KS:
        assert means[f"nDCG@{k}"] == pytest.approx(ndcg_score(true, scores, k=k))
    assert means["P@1"] == pytest.approx(true[np.arange(8), scores.argmax(1)].mean())


def test_sums_over_parts_are_sums_over_the_whole() -> None:
    """Evaluation over batches and processes depends on this."""
    random = np.random.default_rng(1)
    predicted = torch.from_numpy(np.stack([random.permutation(30)[:5] for _ in range(20)]))
    sets = [random.permutation(30)[: n % 4].tolist() for n in range(20)]
    weight = torch.rand(30, dtype=torch.float64)

    def sums(start: int, end: int) -> dict[str, torch.Tensor]:
        true = LabelSets.of(sets[start:end])
        return ranking_sums(
            predicted[start:end], torch.from_numpy(true.labels), torch.from_numpy(true.offsets), weight
        )

    whole, parts = sums(0, 20), [sums(0, 1), sums(1, 8), sums(8, 8), sums(8, 20)]
    for name, value in whole.items():
        assert value.item() == pytest.approx(sum(part[name].item() for part in parts))
