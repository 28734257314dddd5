"""Draws from strata: their number, their probabilities, and that sums over a draw are unbiased."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt.heads.strata import Strata, inclusion_probabilities

counts_and_number = st.lists(st.integers(0, 10**7), min_size=2, max_size=25).flatmap(
    lambda counts: st.tuples(st.just(counts), st.integers(1, len(counts) - 1))
)


def weights_of(counts: list[int]) -> Tensor:
    return (torch.tensor(counts, dtype=torch.float64) + 1) ** 0.75


def wanted_probabilities(weights: list[float], m: int) -> list[float]:
    """Proportional to the weights and at most 1: whoever would have most above 1 is made certain first."""
    certain: set[int] = set()
    while True:
        others = [i for i in range(len(weights)) if i not in certain]
        scale = (m - len(certain)) / math.fsum(weights[i] for i in others)
        largest = max(others, key=lambda i: weights[i])
        if scale * weights[largest] <= 1 + 1e-12:
            return [1.0 if i in certain else min(1.0, scale * w) for i, w in enumerate(weights)]
        certain.add(largest)


def by_unit(strata: Strata, of_places: Tensor) -> Tensor:
    return torch.empty_like(of_places).index_copy_(0, strata.units, of_places)


def realised(strata: Strata) -> Tensor:
    """The probability with which a uniform point of its stratum falls on each place, from the sums alone."""
    chances = torch.zeros_like(strata.upto)
    for first, last, base, weight in zip(
        strata.first.tolist(), strata.last.tolist(), strata.base, strata.weight, strict=True
    ):
        edges = torch.cat([base.view(1), strata.upto[first : last + 1]])
        chances[first : last + 1] = edges.diff() / weight
    return chances


@given(counts_and_number)
def test_wanted_probabilities(case: tuple[list[int], int]) -> None:
    """Against the loop that makes one unit certain after the other."""
    counts, m = case
    weights = weights_of(counts)
    found, units = inclusion_probabilities(weights, m)
    assert sorted(units.tolist()) == list(range(len(counts)))
    assert (found.diff() <= 0).all()
    expected = torch.tensor(wanted_probabilities(weights.tolist(), m), dtype=torch.float64)
    torch.testing.assert_close(found, expected[units], rtol=1e-9, atol=1e-12)


@given(counts_and_number)
def test_strata_split_the_units(case: tuple[list[int], int]) -> None:
    """One after the other, none empty; the probabilities inside each sum to 1."""
    counts, m = case
    strata = Strata.of(weights_of(counts), m)
    assert sorted(strata.units.tolist()) == list(range(len(counts)))
    assert len(strata.first) == len(strata.last) == m
    assert strata.first.tolist() == [0, *(strata.last[:-1] + 1).tolist()]
    assert strata.last.tolist()[-1] == len(counts) - 1
    assert (strata.first <= strata.last).all()
    q = (-strata.log_inverse_q.double()).exp()
    for first, last in zip(strata.first.tolist(), strata.last.tolist(), strict=True):
        assert float(q[first : last + 1].sum()) == pytest.approx(1.0, rel=1e-5)


@given(counts_and_number)
def test_known_probabilities_are_the_true_ones(case: tuple[list[int], int]) -> None:
    counts, m = case
    strata = Strata.of(weights_of(counts), m)
    torch.testing.assert_close(
        (-strata.log_inverse_q.double()).exp(), realised(strata), rtol=1e-5, atol=1e-12
    )


@given(counts_and_number)
def test_probabilities_are_near_the_wanted_ones(case: tuple[list[int], int]) -> None:
    """Never below a half of it, so no weight is doubled; above twice it only behind a unit of more than 1/2.

    There a stratum starts late, because the unit before reaches into it.
    """
    counts, m = case
    weights = weights_of(counts)
    strata = Strata.of(weights, m)
    wanted, _ = inclusion_probabilities(weights, m)
    q = (-strata.log_inverse_q.double()).exp()
    assert (q > wanted / 2 * (1 - 1e-5)).all()
    assert (q <= 1 + 1e-6).all()
    for first, last in zip(strata.first.tolist(), strata.last.tolist(), strict=True):
        if first == 0 or float(wanted[first - 1]) <= 0.5:
            assert (q[first : last + 1] <= 2 * wanted[first : last + 1] * (1 + 1e-5)).all()


@given(counts_and_number, st.integers(0, 99))
def test_a_draw_has_so_many_distinct_units(case: tuple[list[int], int], seed: int) -> None:
    counts, m = case
    strata = Strata.of(weights_of(counts), m)
    q = by_unit(strata, strata.log_inverse_q)
    torch.manual_seed(seed)
    for _ in range(5):
        units, log_weight = strata.draw()
        assert units.dtype == torch.int64
        assert len(units) == m == len(set(units.tolist()))
        assert torch.equal(log_weight, q[units])


@pytest.mark.parametrize("counts", [[0] * 12, list(range(30)), [10**6, 10**5, *[50] * 5, *[0] * 20]])
@pytest.mark.parametrize("m", [1, 4, 11])
def test_frequencies(counts: list[int], m: int) -> None:
    strata = Strata.of(weights_of(counts), m)
    q = (-by_unit(strata, strata.log_inverse_q).double()).exp()
    torch.manual_seed(1)
    times = 1500
    seen = torch.stack([torch.bincount(strata.draw()[0], minlength=len(counts)) for _ in range(times)]).sum(0)
    spread = (times * q * (1 - q).clamp(min=0)).sqrt()
    # Rare units may be seen a few times more than a normal distribution would have it.
    assert ((seen - times * q).abs() <= 4.5 * spread + 3 * (q < 1 - 1e-6)).all()


@pytest.mark.parametrize("m", [2, 7, 15])
def test_weighted_sums_over_draws_are_unbiased(m: int) -> None:
    """The mean of the estimates is the sum over all units, whatever is summed."""
    counts = [3**i for i in range(16)]
    strata = Strata.of(weights_of(counts), m)
    generator = torch.Generator().manual_seed(2)
    values = torch.randn(16, 6, generator=generator, dtype=torch.float64)
    torch.manual_seed(3)
    estimates = []
    for _ in range(1500):
        units, log_weight = strata.draw()
        estimates.append((values[units] * log_weight.double().exp().unsqueeze(-1)).sum(0))
    found = torch.stack(estimates)
    error = found.std(0) / math.sqrt(len(found))
    assert ((found.mean(0) - values.sum(0)).abs() <= 4.5 * error + 1e-5).all()


def test_certain_units_are_in_every_draw_with_weight_one() -> None:
    counts = [*[0] * 30, 10**9, 10**8, 5 * 10**8]
    strata = Strata.of(weights_of(counts), 8)
    for seed in range(20):
        torch.manual_seed(seed)
        units, log_weight = strata.draw()
        weights = dict(zip(units.tolist(), log_weight.tolist(), strict=True))
        assert {30, 31, 32} <= set(weights)
        assert [weights[unit] for unit in (30, 31, 32)] == [0.0] * 3


def test_the_largest_is_drawn_first_and_equal_ones_keep_their_order() -> None:
    strata = Strata.of(weights_of([5, 9, 5, 9, 1]), 2)
    assert strata.units.tolist() == [1, 3, 0, 2, 4]


@pytest.mark.parametrize("point", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("counts", [[0] * 9, [2**52] * 9, [2**52, 0, 2**40, 1, 2**52 - 1, 7, 7, 7, 2**60]])
@pytest.mark.parametrize("m", [1, 3, 8])
def test_points_on_the_edges_stay_in_their_strata(
    point: float, counts: list[int], m: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts so large that a double holds no fraction beside their sum."""
    strata = Strata.of(weights_of(counts), m)
    monkeypatch.setattr(torch, "rand_like", lambda like: torch.full_like(like, point))
    units, log_weight = strata.draw()
    places = by_unit(strata, torch.arange(len(counts)))[units]
    assert ((strata.first <= places) & (places <= strata.last)).all()
    assert torch.isfinite(log_weight).all()


@pytest.mark.parametrize("size", [50_000, 1_000_001])
@pytest.mark.parametrize("left_out", [1, 20_000])
def test_very_many_units(size: int, left_out: int) -> None:
    """Sums of a million equal weights drift by more than the share of the last one."""
    strata = Strata.of(torch.ones(size, dtype=torch.float64), size - left_out)
    units, log_weight = strata.draw()
    assert len(units.unique()) == size - left_out
    assert (strata.first <= strata.last).all()
    assert (log_weight > -1e-6).all()
    assert (log_weight < math.log(2 * size / (size - left_out)) + 1e-6).all()
