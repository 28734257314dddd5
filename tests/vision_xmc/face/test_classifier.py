"""The margin classifier in one process, against a plain softmax over the trained classes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt.margin import ArcFace, CosFace, Margin
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.class_shards import CHUNK, ClassShards, initial_rows

MARGINS = [ArcFace(16.0, 0.4), CosFace(16.0, 0.3)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_nll(features: Tensor, labels: Tensor, weight: Tensor, margin: Margin, counts: Tensor) -> Tensor:
    """Cross entropy in loops; class ``c`` counts ``counts[c]`` times."""
    losses = []
    for feature, label in zip(features, labels.tolist(), strict=True):
        logits = [margin.scale * F.cosine_similarity(feature, row, dim=0) for row in weight]
        logits[label] = margin(F.cosine_similarity(feature, weight[label], dim=0))
        total = sum(count * logit.exp() for count, logit in zip(counts, logits, strict=True) if count)
        losses.append(total.log() - logits[label])
    return torch.stack(losses)


@pytest.mark.parametrize("margin", MARGINS)
def test_full(margin: Margin) -> None:
    torch.manual_seed(1)
    head = ClassShards(6, 13, margin, seed=3).double()
    features = torch.randn(9, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(13, (9,))
    output = head(features, labels, generator())
    expected = plain_nll(features, labels, head.weight, margin, torch.ones(13))
    torch.testing.assert_close(output.nll, expected)
    assert (output.trained, output.over_budget) == (13, 0)
    weights = torch.rand(9, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((output.nll * weights).sum(), [features, head.weight]),
        torch.autograd.grad((expected * weights).sum(), [features, head.weight]),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@given(
    st.integers(6, 40),
    st.integers(2, 6),
    st.floats(0.3, 0.95),
    st.integers(1, 12),
    st.booleans(),
    st.booleans(),
    st.sampled_from(MARGINS),
    st.integers(0, 2**16),
)
def test_sampled(
    classes: int,
    blocks: int,
    fraction: float,
    examples: int,
    shuffled: bool,
    log_q: bool,
    margin: Margin,
    seed: int,
) -> None:
    """Every draw keeps the budget, and the losses are a softmax over targets and drawn classes."""
    torch.manual_seed(seed)
    size = -(-classes // blocks)
    if int(fraction * classes) < size or size < 2:
        return
    order = torch.randperm(classes) if shuffled else None
    sampler = BlockSampler(classes, (blocks, size), order=order, sample_fraction=fraction)
    head = ClassShards(5, classes, margin, sampler=sampler, log_q=log_q, seed=seed).double()
    features = torch.randn(examples, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(classes, (examples,))
    output = head(features, labels, generator(seed))

    targets = set(labels.tolist())
    chosen = torch.randperm(sampler.num_blocks, generator=generator(seed))[: output.blocks].tolist()
    counts = torch.zeros(classes, dtype=torch.float64)
    for label in range(classes):
        rank = label if order is None else int(order[label])
        if label in targets:
            counts[label] = 1
        elif rank // size in chosen:
            counts[label] = sampler.num_blocks / output.blocks if log_q else 1
    assert output.trained == int((counts > 0).sum())
    assert output.trained <= max(sampler.budget, len(targets))
    assert output.over_budget == max(0, len(targets) - sampler.budget)
    # No further block would fit.
    assert output.blocks == min(sampler.num_blocks, max(0, sampler.budget - len(targets)) // size)

    expected = plain_nll(features, labels, head.weight, margin, counts)
    torch.testing.assert_close(output.nll, expected)
    gradients, plain = (
        torch.autograd.grad(nll.sum(), [features, head.weight]) for nll in (output.nll, expected)
    )
    torch.testing.assert_close(gradients, plain)
    assert torch.equal(gradients[1].abs().sum(1) > 0, counts > 0) or examples == 1


def test_the_estimate_of_the_normaliser_is_unbiased(monkeypatch: pytest.MonkeyPatch) -> None:
    """With log-Q, the mean of the estimated Z over all 10 choices of two blocks is Z. Without, it is less."""
    torch.manual_seed(0)
    margin = CosFace(4.0, 0.2)
    sampler = BlockSampler(20, (5, 4), sample_fraction=0.5)
    features, labels = torch.randn(3, 5).double(), torch.tensor([0, 7, 7])
    full = ClassShards(5, 20, margin).double()
    target = margin(F.cosine_similarity(features, full.weight[labels], dim=-1))
    z = (full(features, labels, generator()).nll + target).exp()
    means = {}
    for log_q in (True, False):
        head = ClassShards(5, 20, margin, sampler=sampler, log_q=log_q).double()
        estimates = []
        for first in itertools.combinations(range(5), 2):
            chosen = torch.tensor([*first, *(set(range(5)) - set(first))])
            monkeypatch.setattr(torch, "randperm", lambda n, generator, chosen=chosen: chosen)
            output = head(features, labels, generator())
            assert output.blocks == 2
            estimates.append((output.nll + target).exp())
        means[log_q] = torch.stack(estimates).mean(0)
    torch.testing.assert_close(means[True], z)
    assert (means[False] < 0.6 * z).all()


def test_targets_beyond_the_budget_all_stay() -> None:
    sampler = BlockSampler(20, (10, 2), sample_fraction=0.2)
    head = ClassShards(5, 20, MARGINS[0], sampler=sampler)
    output = head(torch.randn(9, 5), torch.arange(9), generator())
    assert (output.trained, output.over_budget, output.blocks) == (9, 5, 0)
    assert output.nll.isfinite().all()


def test_a_budget_of_all_classes_is_the_full_classifier() -> None:
    head = ClassShards(5, 20, MARGINS[0], sampler=BlockSampler(20, (5, 4), sample_fraction=1.0))
    full = ClassShards(5, 20, MARGINS[0])
    features, labels = torch.randn(4, 5), torch.arange(4)
    assert head.sampler is None
    assert torch.equal(head(features, labels, generator()).nll, full(features, labels, generator()).nll)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_and_autocast(dtype: torch.dtype) -> None:
    """Nothing but the features is rounded."""
    torch.manual_seed(0)
    head = ClassShards(16, 30, ArcFace())
    features, labels = torch.randn(8, 16).to(dtype), torch.arange(8)
    expected = head(features.float(), labels, generator()).nll
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nll = head(features.requires_grad_(), labels, generator()).nll
    assert nll.dtype == torch.float32
    torch.testing.assert_close(nll, expected)
    nll.sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_a_feature_on_its_class_has_finite_gradients() -> None:
    head = ClassShards(4, 3, ArcFace())
    features = torch.stack([head.weight[0], -head.weight[1]]).detach().clone().requires_grad_()
    head(features, torch.tensor([0, 1]), generator()).nll.sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert head.weight.grad is not None
    assert head.weight.grad.isfinite().all()


@given(st.integers(0, 3 * CHUNK), st.integers(0, 2 * CHUNK))
def test_an_initial_row_does_not_depend_on_the_other_rows(start: int, count: int) -> None:
    whole = initial_rows(0, 5 * CHUNK, 2, seed=4)
    assert torch.equal(initial_rows(start, start + count, 2, seed=4), whole[start : start + count])


def test_initial_rows_are_normal() -> None:
    rows = initial_rows(0, 4 * CHUNK, 8, seed=1, norm=3.0)
    assert float(rows.square().sum(1).mean()) == pytest.approx(9.0, rel=0.04)
    assert float(rows.mean()) == pytest.approx(0.0, abs=0.02)
    assert len(rows.unique(dim=0)) == len(rows)
    assert not torch.equal(rows, initial_rows(0, 4 * CHUNK, 8, seed=2))


def test_all_blocks_have_the_same_probability() -> None:
    sampler = BlockSampler(37, (8, 5), sample_fraction=0.5)
    seen = torch.zeros(37)
    for seed in range(3000):
        draw = sampler.draw(3, generator(seed))
        assert draw.blocks == (18 - 3) // 5
        seen[draw.labels] += 1
    assert seen.tolist() == pytest.approx([3000 * draw.q] * 37, abs=6 * math.sqrt(3000))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((10, (11, 2)), "11 blocks are more than the 10 classes; give a smaller first radix"),
        ((10, (3, 3)), "radices .* give 9 codes, too few for 10 labels"),
        ((100, (4, 25), 0.2), "a share of 0.2 of 100 classes is 20, less than a block of 25; give a larger"),
        ((100, (10, 10), 0.0), "the sample fraction must be above 0 and at most 1, got 0"),
        ((100, (10, 10), 1.5), "the sample fraction must be above 0 and at most 1, got 1.5"),
    ],
)
def test_refusals(arguments: tuple, sentence: str) -> None:
    classes, radices, *fraction = arguments
    with pytest.raises(ValueError, match=sentence):
        BlockSampler(classes, radices, **({"sample_fraction": fraction[0]} if fraction else {}))


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        ClassShards(4, 1, ArcFace())
