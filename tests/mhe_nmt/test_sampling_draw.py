"""What the sampling head draws: by which probabilities, how much noise that leaves, what it counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt import SamplingHead
from mhe_nmt.heads.sampling import POWER
from tests.mhe_nmt.sampling_heads import build, build_beside_targets, build_counted, draws, set_counts
from tests.mhe_nmt.strategies import Case, Code, shuffled


def test_more_samples_less_noise() -> None:
    code = Code(200, (20, 10))
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((8,)), case.labels((8,))
    noise = []
    for fraction in (0.1, 0.4, 0.8):
        head = build(code, fraction, scale=0.5)
        noise.append(float(torch.stack(list(draws(head, features, target, 150))).std(0).mean()))
    assert noise[0] > noise[1] > noise[2] > 0


def test_used_fraction_is_reported() -> None:
    head = build(Code(200, (20, 10)), 0.25)
    assert head.used_fraction == pytest.approx((1 + 5) / 20)
    assert "used_fraction" in repr(head)
    assert build(Code(200, (20, 10)), 1.0).used_fraction == 1.0
    assert build_beside_targets(Code(200, (20, 10)), 0.25).used_fraction == pytest.approx(5 / 20)


def test_counts_of_targets_in_training_mode_only() -> None:
    code = Code(23, (8, 3), shuffled(23, 4))
    head = build(code, 0.3, draw_by="counts")
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((20,)), case.labels((20,))
    head(features, target)
    assert head.target_counts.sum() == 0
    head.train()
    for _ in range(2):
        head(features, target)
    assert code.order is not None
    expected = [0] * 23
    for label in target.tolist():
        expected[code.order[label]] += 2
    assert head.target_counts.tolist() == expected
    assert build(code, 0.3).train().target_counts.sum() == 0, "a uniform draw needs no counts"


def test_a_state_without_counts_loads_with_none() -> None:
    head = build_counted(Code(24, (6, 4)), 0.3)
    state = head.state_dict()
    del state["target_counts"]
    fresh = build(Code(24, (6, 4)), 0.3, draw_by="counts")
    fresh.load_state_dict(state)
    assert fresh.target_counts.tolist() == [0] * 24
    assert "target_counts" not in state
    fresh.load_state_dict(head.state_dict())
    assert torch.equal(fresh.target_counts, head.target_counts)
    # Once, counts were those of blocks.
    state["target_counts"] = torch.arange(6)
    fresh.load_state_dict(state)
    assert fresh.target_counts.view(6, 4).sum(-1).tolist() == list(range(6))


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=30), st.data())
def test_probabilities_of_the_draw(counts: list[int], data: st.DataObject) -> None:
    """They sum to the budget, grow with a power of the counts, stop at 1, and are kept by the draws."""
    m = data.draw(st.integers(1, len(counts) - 1))
    head = build(Code(2 * len(counts), (len(counts), 2)), m / len(counts), draw_by="counts")
    set_counts(head, counts)
    torch.manual_seed(0)
    times = 300
    seen = torch.zeros(len(counts), dtype=torch.float64)
    probability = torch.full((len(counts),), torch.nan, dtype=torch.float64)
    for _ in range(times):
        blocks, q = head._draw(head.target_counts)
        assert len(blocks) == m == len(blocks.unique())
        seen[blocks] += 1
        probability[blocks] = q
    weights = [(count + 1 + sum(counts) / len(counts) / 100) ** POWER for count in counts]
    capped, scale = _water_level(weights, m)
    expected = torch.tensor([1.0 if i in capped else scale * w for i, w in enumerate(weights)]).double()
    drawn = ~probability.isnan()
    torch.testing.assert_close(probability[drawn], expected[drawn], rtol=1e-5, atol=1e-9)
    spread = (times * expected * (1 - expected)).sqrt()
    assert ((seen - times * expected).abs() <= 5.5 * spread + 1e-6).all()


def _water_level(weights: list[float], m: int) -> tuple[set[int], float]:
    """Which are certain, and the factor of the others: the largest would-be probability is capped first."""
    capped: set[int] = set()
    while True:
        rest = sum(weight for i, weight in enumerate(weights) if i not in capped)
        scale = (m - len(capped)) / rest
        largest = max((i for i in range(len(weights)) if i not in capped), key=lambda i: weights[i])
        if scale * weights[largest] <= 1:
            return capped, scale
        capped.add(largest)


def test_exact_targets_make_less_noise() -> None:
    """Where the likeliest labels are the batch's targets, as in a trained model."""
    code = Code(400, (40, 10), shuffled(400, 1))
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((8,)), torch.arange(0, 400, 50)
    noise = {}
    for make in (build, build_beside_targets):
        head = make(code, 0.2, scale=0.2)
        with torch.no_grad():
            head.matrix.bias[target] += 4.0
        noise[make] = float(torch.stack(list(draws(head, features, target, 200))).std(0).mean())
    assert noise[build_beside_targets] < noise[build] / 2


@pytest.mark.parametrize("name", ["draw_by", "positives", "unit"])
def test_unknown_choices_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        SamplingHead(4, 24, **{name: "other"})


def test_frequent_blocks_make_less_noise() -> None:
    """Where targets follow a Zipf law and the model knows it, counts beat a uniform draw by far."""
    code = Code(400, (40, 10))
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((8,)), torch.arange(0, 320, 40)
    noise = {}
    for make in (build, build_counted):
        head = make(code, 0.2, scale=0.2)
        mass = 1 / (1 + torch.arange(40.0))
        with torch.no_grad():
            head.matrix.bias.copy_(mass.log().repeat_interleave(10))
        set_counts(head, (1e5 * mass).long().tolist())
        noise[make] = float(torch.stack(list(draws(head, features, target, 200))).std(0).mean())
    assert noise[build_counted] < noise[build] / 2


def test_single_labels_make_less_noise_than_blocks() -> None:
    """Where frequent and rare labels share blocks, and as many rows are trained."""
    code = Code(400, (40, 10), shuffled(400, 1))
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((8,)), torch.arange(0, 400, 50)
    assert code.order is not None
    mass = 1 / (1 + torch.arange(400.0))
    noise = {}
    for unit in ("block", "label"):
        options = {"sample_fraction": 0.2, "draw_by": "counts", "positives": "targets", "unit": unit}
        head = Case("sampling", code, options, in_features=4, seed=6).build(scale=0.2)
        assert isinstance(head, SamplingHead)
        assert head.sampled_blocks * head.block_size == 80
        with torch.no_grad():
            head.matrix.bias.copy_(mass.log())
        head.target_counts[torch.tensor(code.order)] = (1e5 * mass).long()
        noise[unit] = float(torch.stack(list(draws(head, features, target, 200))).std(0).mean())
    assert noise["label"] < noise["block"] / 2


def test_targets_are_drawn_as_labels_that_never_were() -> None:
    """They are exact anyway: the budget is for others."""
    head = build_beside_targets(Code(24, (6, 4)), 0.3)
    head.draw_by = "counts"
    head.target_counts.fill_(100)
    seen = []
    head._draw = lambda counts: seen.append(counts) or (torch.tensor([5]), torch.tensor([0.3]))  # type: ignore[method-assign,func-returns-value,assignment]
    head.train()(torch.randn(3, 4, dtype=torch.float64), torch.tensor([2, 7, 2]))
    assert seen[0].tolist() == [0 if label in (2, 7) else 100 for label in range(24)]
    assert head.target_counts.tolist() == [100 + [2, 7, 2].count(label) for label in range(24)]
