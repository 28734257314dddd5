"""A step of beam search against a Python sort of the dense sums of all hypotheses of a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt import OutputHead, waiting
from tests.mhe_nmt.oracles import sorted_topk
from tests.mhe_nmt.strategies import KINDS, Case, Code, cases, shuffled


@pytest.fixture(autouse=True, params=["as on a CPU", "as on a device"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways to search; where the host must not wait, one round opens a fixed budget of prefixes."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "as on a device":
            patch.setattr(waiting, "may_wait", lambda tensor: False)
        yield


def dense_sums(head: OutputHead, features: Tensor, scores: Tensor, exclude: Tensor | None) -> Tensor:
    """``(S, B, V)``."""
    sums = scores.unsqueeze(-1) + head.log_prob(features).detach()
    return sums if exclude is None else sums.masked_fill(exclude, -math.inf)


def assert_sorted(
    head: OutputHead, features: Tensor, scores: Tensor, k: int, exclude: Tensor | None = None
) -> None:
    log_probs, beams, labels = head.beam_topk(features, scores, k, exclude)
    sums = scores.gather(-1, beams) + log_probs
    assert sums.shape == beams.shape == labels.shape == (*scores.shape[:-1], k)
    assert beams.dtype == labels.dtype == torch.int64
    size = head.num_labels
    dense = dense_sums(head, features, scores, exclude).flatten(-2)
    for expected, found, beam, label in zip(
        dense.reshape(-1, dense.size(-1)).tolist(),
        sums.reshape(-1, k).tolist(),
        beams.reshape(-1, k).tolist(),
        labels.reshape(-1, k).tolist(),
        strict=True,
    ):
        possible = min(k, sum(not math.isinf(value) for value in expected))
        order = sorted_topk(expected, k)[:possible]
        assert [b * size + y for b, y in zip(beam, label, strict=True)][:possible] == order
        assert found[:possible] == pytest.approx([expected[i] for i in order], rel=1e-9, abs=1e-9)
        assert all(value == -math.inf for value in found[possible:])
    # A label left out is not a score of -inf that a caller could add to.
    assert torch.equal(log_probs.isneginf(), sums.isneginf())


@given(cases(max_labels=120), st.integers(1, 5), st.sampled_from([0.0, 1.0, 20.0]), st.data())
def test_steps_of_any_shape(case: Case, beam: int, spread: float, data: st.DataObject) -> None:
    """Hypotheses close together and far apart, some of them dead, some labels excluded."""
    head, features = case.build(), case.features((3, beam))
    size = case.code.num_labels
    generator = torch.Generator().manual_seed(case.seed)
    scores = -spread * torch.rand(3, beam, generator=generator, dtype=torch.float64)
    scores[torch.rand(3, beam, generator=generator) < data.draw(st.sampled_from([0.0, 0.4]))] = -math.inf
    share = data.draw(st.sampled_from([None, 0.1, 0.9, 1.0]))
    exclude = None if share is None else torch.rand(size, generator=generator) < share
    k = data.draw(st.integers(1, min(12, beam * size)) | st.integers(1, beam * size))
    assert_sorted(head, features, scores, k, exclude)


@given(cases(max_labels=3000, heads=(2, 3)), st.sampled_from([0.3, 1.0, 4.0]), st.sampled_from([2, 10, 40]))
def test_many_labels(case: Case, scale: float, k: int) -> None:
    """Where the sparse ways are taken: flat, middling and peaked distributions."""
    head, features = case.build(scale=scale), case.features((2, 4))
    scores = torch.tensor([[-1.0, -3.0, -0.5, -9.0], [0.0, -math.inf, -2.0, -2.0]], dtype=torch.float64)
    exclude = torch.zeros(case.code.num_labels, dtype=torch.bool)
    exclude[head.topk(features, 1)[1].flatten()[:3]] = True
    k = min(k, case.code.num_labels)
    assert_sorted(head, features, scores, k)
    assert_sorted(head, features, scores, k, exclude)


@pytest.mark.parametrize("kind", KINDS)
def test_all_labels_equal(kind: str) -> None:
    """Equal hypotheses with uniform labels: beams in order, and in each the labels in order."""
    name, options = KINDS[kind]
    case = Case(name, Code(24, (4, 6), shuffled(24, 1)), options)
    head = case.build(scale=0.0, dtype=torch.float32)
    _, beams, labels = head.beam_topk(case.features((2, 3), torch.float32), torch.zeros(2, 3), 40)
    assert beams.tolist() == [[0] * 24 + [1] * 16] * 2
    assert labels.tolist() == [[*range(24), *range(16)]] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_leading_shapes(kind: str) -> None:
    name, options = KINDS[kind]
    case = Case(name, Code(30, (6, 5)), options)
    head = case.build()
    for leading in ((4,), (2, 3, 4), (0, 4), (2, 0, 4)):
        features = case.features(leading)
        assert_sorted(head, features, torch.zeros(leading, dtype=torch.float64), 5)


def test_refusals() -> None:
    head = Case("product", Code(30, (6, 5))).build()
    features, scores = torch.zeros(2, 3, 5, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)
    for k in (0, 91):
        with pytest.raises(ValueError, match=f"between 1 and 3 × 30 continuations, got {k}"):
            head.beam_topk(features, scores, k)
    with pytest.raises(ValueError, match=r"scores must have the leading shape of features, \(2, 3\)"):
        head.beam_topk(features, scores[:1], 2)
    for exclude in (torch.zeros(29, dtype=torch.bool), torch.zeros(30)):
        with pytest.raises(ValueError, match=r"exclude must be bool of shape \(30,\)"):
            head.beam_topk(features, scores, 2, exclude)
