"""The sampling head: its partition estimate is unbiased, exact where it says so, and within its budget."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt import SamplingHead
from tests.mhe_nmt.sampling_heads import (
    CODES,
    blocks_of,
    build,
    build_beside_targets,
    build_counted,
    draws,
    used_blocks,
    used_labels,
)
from tests.mhe_nmt.strategies import Case, Code, codes, shuffled

FRACTIONS = (0.2, 0.5, 0.9)
MAKES = (build, build_counted, build_beside_targets)
#: The fast set has every code, every fraction and every kind of draw; the slow tests add the other
#: combinations of the three.
UNBIASED = [
    pytest.param(code, fraction, make, marks=[pytest.mark.slow] if (c + f + m) % 3 or (c + f) % 2 else [])
    for c, code in enumerate(CODES)
    for f, fraction in enumerate(FRACTIONS)
    for m, make in enumerate(MAKES)
]


@pytest.mark.parametrize(("code", "fraction", "make"), UNBIASED)
def test_partition_estimate_is_unbiased(
    code: Code, fraction: float, make: Callable[..., SamplingHead]
) -> None:
    """exp(nll) P(target) is Z's estimate over Z: its mean over draws is 1 at every position."""
    head = make(code, fraction, scale=0.2 if make is build_counted else 0.5)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((4,)), case.labels((4,))
    exact = head.log_prob(features).detach().gather(-1, target[:, None])[:, 0]
    ratios = torch.stack([(nll + exact).exp() for nll in draws(head, features, target, 1000)])
    mean, error = ratios.mean(0), ratios.std(0) / math.sqrt(len(ratios))
    assert (error < 0.1).all(), "too noisy to show anything"
    assert ((mean - 1).abs() <= 4.5 * error + 1e-9).all(), (mean, error)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_loss_terms_of_one_draw(code: Code, fraction: float) -> None:
    """Own block exactly, other used blocks by 1 / inclusion probability, nothing else: from the used blocks.

    m of B blocks are drawn without replacement, so each is drawn with probability m / B.
    """
    head = build(code, fraction)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((3,)), case.labels((3,))
    logits = head.log_prob(features).detach()
    block = torch.tensor(blocks_of(code))
    weight = len(set(blocks_of(code))) / head.sampled_blocks
    head.train()
    for seed in range(20):
        torch.manual_seed(seed)
        out = head(features, target)
        for n, label in enumerate(target.tolist()):
            own = block == block[label]
            used = used_blocks(head, code, out.nll[n])
            others = torch.tensor([int(b) in used for b in block]) & ~own
            z = logits[n, own].exp().sum() + weight * logits[n, others].exp().sum()
            torch.testing.assert_close(out.nll[n], z.log() - logits[n, label])
            scores = logits[n] - z.log()
            torch.testing.assert_close(out.smooth[n], -(scores[own].sum() + weight * scores[others].sum()))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_loss_terms_of_one_draw_beside_the_targets(code: Code, fraction: float) -> None:
    """The call's targets exactly, other labels of drawn blocks by 1 / inclusion probability, nothing else."""
    head = build_beside_targets(code, fraction)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((5,)), case.labels((5,))
    target[4] = target[1]
    logits = head.log_prob(features).detach()
    blocks = blocks_of(code)
    weight = len(set(blocks)) / head.sampled_blocks
    head.train()
    for seed in range(20):
        torch.manual_seed(seed)
        out = head(features, target)
        used = used_labels(head, code, out.nll.sum())
        assert used >= set(target.tolist())
        others = used - set(target.tolist())
        assert len({blocks[label] for label in others}) <= head.sampled_blocks
        drawn = {blocks[label] for label in others}
        assert others == {label for label in range(code.num_labels) if blocks[label] in drawn} - set(
            target.tolist()
        )
        for n, label in enumerate(target.tolist()):
            weights = {**dict.fromkeys(target.tolist(), 1.0), **dict.fromkeys(others, weight)}
            z = sum(w * logits[n, other].exp() for other, w in weights.items())
            torch.testing.assert_close(out.nll[n], z.log() - logits[n, label])
            smooth = -sum(w * (logits[n, other] - z.log()) for other, w in weights.items())
            torch.testing.assert_close(out.smooth[n], smooth)


@given(codes(max_labels=80), st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.99]), st.integers(0, 99))
def test_own_block_is_always_in_and_the_budget_is_kept(code: Code, fraction: float, seed: int) -> None:
    head = build(code, fraction, scale=0.3)
    case = Case("sampling", code, {}, in_features=4, seed=seed)
    features, target = case.features((5,)), case.labels((5,))
    blocks = blocks_of(code)
    count = len(set(blocks))
    budget = max(1, round(fraction * count))
    head.train()
    torch.manual_seed(seed)
    out = head(features, target)
    drawn: set[int] = set()
    for n, label in enumerate(target.tolist()):
        used = used_blocks(head, code, out.nll[n])
        # A block of a single label that is the whole softmax has no gradient to be seen by.
        if len(used) > 0:
            assert blocks[label] in used
        assert len(used - {blocks[label]}) <= budget
        drawn |= used - {blocks[label]}
    assert len(drawn) <= budget, "the drawn blocks are shared by the positions of a call"


@pytest.mark.parametrize("code", CODES)
def test_the_whole_budget_is_used(code: Code) -> None:
    """Over many draws every other block is seen, each about as often as the next."""
    head = build(code, 0.4, scale=0.3)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((1,)), case.labels((1,))
    own = blocks_of(code)[int(target)]
    count = len(set(blocks_of(code)))
    seen = dict.fromkeys(range(count), 0)
    head.train()
    times = 200
    for seed in range(times):
        torch.manual_seed(seed)
        for block in used_blocks(head, code, head(features, target).nll[0]):
            seen[block] += 1
    assert seen[own] == times
    expected = times * head.sampled_blocks / count
    spread = math.sqrt(times * head.sampled_blocks / count)
    assert all(abs(seen[block] - expected) < 5 * spread for block in seen if block != own), seen


@pytest.mark.parametrize("positives", ["block", "targets"])
@pytest.mark.parametrize("code", CODES)
def test_fraction_one_is_the_full_softmax(code: Code, positives: str) -> None:
    head = build(code, 1.0, positives=positives)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((6,)), case.labels((6,))
    features.requires_grad_()
    exact = head.eval()(features, target)
    expected = torch.autograd.grad((exact.nll + exact.smooth).sum(), [features, *head.parameters()])
    for seed in range(3):
        torch.manual_seed(seed)
        out = head.train()(features, target)
        torch.testing.assert_close(out.nll, exact.nll, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(out.smooth, exact.smooth, rtol=1e-12, atol=1e-12)
        found = torch.autograd.grad((out.nll + out.smooth).sum(), [features, *head.parameters()])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("code", CODES)
def test_a_batch_of_all_labels_is_the_full_softmax(code: Code) -> None:
    """Beside the targets: where these are all labels, nothing is left to draw."""
    head = build_beside_targets(code, 0.2)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((code.num_labels,)), torch.arange(code.num_labels)
    exact = head(features, target)
    out = head.train()(features, target)
    torch.testing.assert_close(out.nll, exact.nll, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(out.smooth, exact.smooth, rtol=1e-12, atol=1e-12)


def test_a_dominant_own_block_makes_every_draw_exact() -> None:
    code = Code(40, (10, 4), shuffled(40, 2))
    head = build(code, 0.2, scale=0.1)
    with torch.no_grad():
        head.matrix.bias[8:12] += 60.0
    label = code.order.index(9)
    features, target = torch.randn(1, 4, dtype=torch.float64), torch.tensor([label])
    exact = head.eval()(features, target).nll.detach()
    for nll in draws(head, features, target, 20):
        torch.testing.assert_close(nll, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("code", CODES)
def test_seeds_repeat_and_differ(code: Code) -> None:
    head = build(code, 0.3).train()
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((6,)), case.labels((6,))
    found = []
    for seed in (0, 0, 1, 2, 3, 4):
        torch.manual_seed(seed)
        found.append(head(features, target).nll.detach())
    assert torch.equal(found[0], found[1])
    assert any(not torch.equal(found[0], other) for other in found[2:])


@pytest.mark.parametrize("code", CODES)
def test_evaluation_draws_nothing(code: Code) -> None:
    """The generator does not move, and other verbs are exact in training mode too."""
    head = build(code, 0.3)
    case = Case("sampling", code, {}, in_features=4, seed=6)
    features, target = case.features((6,)), case.labels((6,))
    state = torch.get_rng_state()
    exact = head(features, target).nll
    dense = head.log_prob(features)
    head.train()
    assert torch.equal(head.log_prob(features), dense)
    assert torch.equal(head.predict(features), dense.argmax(-1))
    torch.testing.assert_close(head.score(features, target[:, None])[:, 0], -exact)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("positives", ["block", "targets"])
@pytest.mark.parametrize("code", CODES)
def test_gradients_of_a_draw_are_those_of_its_formula(code: Code, positives: str) -> None:
    """Finite differences with the draw held fixed by the seed."""
    head = build(code, 0.3, positives=positives).train()
    case = Case("sampling", code, {}, in_features=4, seed=6)
    target = case.labels((2,))
    names = list(dict(head.named_parameters()))

    def terms(features: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(3)
        named = dict(zip(names, parameters, strict=True))
        return tuple(torch.func.functional_call(head, named, (features, target)))

    inputs = [case.features((2,)), *(parameter.detach().clone() for parameter in head.parameters())]
    assert torch.autograd.gradcheck(terms, [value.requires_grad_() for value in inputs])


@given(
    codes(max_labels=60),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.integers(0, 50),
    st.sampled_from(["block", "targets"]),
)
def test_ignored_positions_in_training(code: Code, fraction: float, seed: int, positives: str) -> None:
    """A call with ignored positions equals the call without them, draw for draw."""
    head = build(code, fraction, positives=positives).train()
    case = Case("sampling", code, {}, in_features=4, seed=seed)
    features, target = case.features((5,)), case.labels((5,))
    target[[0, 3]] = -100
    keep = target != -100
    torch.manual_seed(seed)
    out = head(features, target)
    torch.manual_seed(seed)
    kept = head(features[keep], target[keep])
    torch.testing.assert_close(out.nll[keep], kept.nll)
    assert (out.nll[~keep] == 0).all()
    assert torch.isfinite(out.smooth).all()
