"""What the sampling head draws: by which probabilities, how much noise that leaves, what it counts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt import SamplingHead
from mhe_nmt.heads.sampling import POWER
from mhe_nmt.heads.strata import Strata
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
def test_weights_of_the_draw(counts: list[int], data: st.DataObject) -> None:
    """A power of the counts, smoothed; whole blocks are drawn by the sums of their labels' counts."""
    m = data.draw(st.integers(1, len(counts) - 1))
    head = build(Code(2 * len(counts), (len(counts), 2)), m / len(counts), draw_by="counts")
    set_counts(head, counts)
    units, log_weight = head._draw(torch.device("cpu"))
    assert len(units) == m == len(units.unique())
    weights = [(count + 1 + sum(counts) / len(counts) / 100) ** POWER for count in counts]
    torch.testing.assert_close(head._draw_weights(), torch.tensor(weights, dtype=torch.float64))
    strata = Strata.of(torch.tensor(weights, dtype=torch.float64), m)
    expected = torch.empty(len(counts)).index_copy_(0, strata.units, strata.log_inverse_q)
    torch.testing.assert_close(log_weight, expected[units])


def build_counted_labels(code: Code) -> SamplingHead:
    return build(code, 0.3, draw_by="counts", positives="targets", unit="label")


def test_strata_are_made_anew_after_an_eighth_of_the_calls() -> None:
    """Until then the draw does not see new targets: a step costs the same whatever the vocabulary."""
    code = Code(40, (10, 4))
    head = build_counted_labels(code).train()
    made, strata = [], None
    features, target = torch.randn(3, 4, dtype=torch.float64), torch.tensor([0, 1, 2])
    for call in range(160):
        head(features, target)
        if head._strata is not strata:
            made.append(call)
            assert torch.equal(head.drawn_counts[:3], torch.full((3,), call))
            strata = head._strata
    expected, following = [], 0
    while following < 160:
        expected.append(following)
        following += max(16, following // 8)
    assert made == expected


def test_exact_targets_make_less_noise() -> None:
    """Where the likeliest labels are the batch's targets, as in a trained model."""
    code = Code(400, (40, 10), shuffled(400, 1))
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((8,)), torch.arange(0, 400, 50)
    noise = {}
    for make in (build, build_beside_targets):
        head = make(code, 0.2, scale=0.2)
        with torch.no_grad():
            head.matrix.bias[[code.order[label] for label in target.tolist()]] += 4.0
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
            head.matrix.bias[torch.tensor(code.order)] = mass.log().double()
        head.target_counts[torch.tensor(code.order)] = (1e5 * mass).long()
        noise[unit] = float(torch.stack(list(draws(head, features, target, 200))).std(0).mean())
    assert noise["label"] < noise["block"] / 2


def test_a_drawn_target_counts_once_and_exactly() -> None:
    """Of the drawn 5 and 2 the latter is a target, so its weight is 1 and not 1 / q."""
    head = build_counted_labels(Code(24, (6, 4)))
    log_weight = torch.tensor([1.5, 0.7])
    head._draw = lambda device: (torch.tensor([5, 2]), log_weight)  # type: ignore[method-assign]
    features, target = torch.randn(3, 4, dtype=torch.float64), torch.tensor([2, 7, 2])
    logits = head.log_prob(features).detach()
    out = head.train()(features, target)
    normaliser = logits[:, [2, 7]].exp().sum(-1) + logits[:, 5].exp() * math.exp(1.5)
    torch.testing.assert_close(out.nll, normaliser.log() - logits.gather(-1, target[:, None])[:, 0])
    scores = logits - normaliser.log().unsqueeze(-1)
    torch.testing.assert_close(out.smooth, -(scores[:, [2, 7]].sum(-1) + scores[:, 5] * math.exp(1.5)))
    assert head.target_counts.tolist() == [[2, 7, 2].count(label) for label in range(24)]
