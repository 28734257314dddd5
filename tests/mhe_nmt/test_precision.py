"""Low precision and extreme features: results in float32, near the float64 truth, and always finite."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.mhe_nmt.strategies import KINDS, Case, Code, shuffled

CODES = [Code(23, (4, 6), shuffled(23, 1)), Code(24, (2, 3, 4)), Code(5, (9, 7))]
LOW = [torch.float16, torch.bfloat16]
# Logits are products in low precision: about 8 terms of size 1, so a few units in the last place of 4.
NEAR = {
    torch.float16: {"rtol": 0.01, "atol": 0.02},
    torch.bfloat16: {"rtol": 0.05, "atol": 0.12},
    torch.float32: {"rtol": 1e-4, "atol": 1e-4},
}


def case_of(kind: str, code: Code = CODES[0], **options: Any) -> Case:
    name, own = KINDS[kind]
    return Case(name, code, {**own, **options}, in_features=8, seed=3)


def lowered(case: Case, dtype: torch.dtype, scale: float = 0.4) -> tuple[Any, Any]:
    """A head in ``dtype`` and its twin in float64 with the very same (rounded) parameters."""
    low = case.build(dtype=torch.float32, scale=scale).to(dtype)
    high = case.build(dtype=torch.float64)
    high.load_state_dict({key: value.clone() for key, value in low.state_dict().items()})
    return low, high


def finite(*tensors: Tensor | None) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor is not None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("dtype", [*LOW, torch.float32])
def test_low_precision_modules(kind: str, code: Code, dtype: torch.dtype) -> None:
    case = case_of(kind, code)
    low, high = lowered(case, dtype)
    features = case.features((7,), dtype)
    target = case.labels((7,))
    target[2] = -100
    truth = high.log_prob(features.double())

    out = low(features, target)
    assert out.nll.dtype == out.smooth.dtype == torch.float32
    expected = high(features.double(), target)
    torch.testing.assert_close(out.nll, expected.nll.float(), **NEAR[dtype])
    torch.testing.assert_close(
        out.smooth / code.num_labels, expected.smooth.float() / code.num_labels, **NEAR[dtype]
    )
    assert low.loss(features, target).dtype == torch.float32

    dense = low.log_prob(features)
    assert dense.dtype == torch.float32
    torch.testing.assert_close(dense, truth.float(), **NEAR[dtype])
    # Rounded logits are normalised in float32: the sum is 1 to float32's precision, not the features'.
    assert float((dense.logsumexp(-1)).abs().max()) < 1e-5

    labels = case.labels((7, 3))
    scores = low.score(features, labels)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, truth.gather(-1, labels).float(), **NEAR[dtype])

    values, best = low.topk(features, min(5, code.num_labels))
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, truth.topk(min(5, code.num_labels)).values.float(), **NEAR[dtype])
    torch.testing.assert_close(values, truth.gather(-1, best).float(), **NEAR[dtype])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("training", [True, False])
def test_low_precision_gradients(kind: str, dtype: torch.dtype, training: bool) -> None:
    """Gradients have their parameter's type, and in evaluation mode are near the float64 ones."""
    case = case_of(kind)
    low, high = lowered(case, dtype)
    low.train(training)
    features = case.features((7,), dtype).requires_grad_()
    target = case.labels((7,))
    low.loss(features, target).backward()
    assert features.grad is not None
    assert features.grad.dtype == dtype
    assert all(parameter.grad.dtype == dtype for parameter in low.parameters() if parameter.grad is not None)
    assert finite(features.grad, *(parameter.grad for parameter in low.parameters()))
    if not training:
        exact = features.detach().double().requires_grad_()
        high.loss(exact, target).backward()
        torch.testing.assert_close(features.grad.double(), exact.grad, rtol=0.1, atol=0.05)
        for ours, theirs in zip(low.parameters(), high.parameters(), strict=True):
            torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feature_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_autocast(kind: str, feature_dtype: torch.dtype, training: bool) -> None:
    """Float32 modules under autocast: bfloat16 products, float32 results, float32 gradients."""
    case = case_of(kind, label_smoothing=0.1)
    head = case.build(dtype=torch.float32, scale=0.4).train(training)
    features = case.features((2, 4), feature_dtype).requires_grad_()
    target = case.labels((2, 4))
    target[0, 1] = -100
    with torch.autocast("cpu", torch.bfloat16):
        out = head(features, target)
        loss = head.loss(features, target)
        dense = head.log_prob(features)
        scores = head.score(features, target.clamp(min=0).unsqueeze(-1))
        values, best = head.topk(features, 3)
        predicted = head.predict(features)
    found = [out.nll, out.smooth, loss, dense, scores, values]
    assert all(tensor.dtype == torch.float32 for tensor in found)
    assert finite(*found)
    with torch.no_grad():
        truth = head.log_prob(features.float())
    torch.testing.assert_close(dense, truth, **NEAR[torch.bfloat16])
    torch.testing.assert_close(values, truth.gather(-1, best), **NEAR[torch.bfloat16])
    assert torch.equal(predicted, best[..., 0])
    if not training:
        keep = target != -100
        exact = -truth[keep].gather(-1, target[keep][:, None])[:, 0]
        torch.testing.assert_close(out.nll[keep], exact, **NEAR[torch.bfloat16])
    assert float(dense.logsumexp(-1).abs().max()) < 1e-5
    loss.backward()
    assert features.grad.dtype == feature_dtype
    for parameter in head.parameters():
        if parameter.grad is not None:
            assert parameter.grad.dtype == torch.float32
            assert finite(parameter.grad)
    assert finite(features.grad)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_extreme_features(kind: str, code: Code, dtype: torch.dtype, training: bool) -> None:
    """Features of ±1e4: hopeless likelihoods are large numbers, never infinite or NaN, forward and backward.

    Weights are small enough for float16 to hold the logits themselves (the largest is 65504).
    """
    case = case_of(kind, code, label_smoothing=0.1)
    head = case.build(dtype=torch.float32, scale=0.1).to(dtype).train(training)
    if kind.startswith("joint"):  # a product of two logits; float32 holds it, but not its gradient in float16
        head = case.build(dtype=torch.float32, scale=3e-5).to(dtype).train(training)
    signs = torch.where(torch.arange(code.num_labels * 8).view(-1, 8) % 3 == 0, -1.0, 1.0)
    features = (1e4 * signs).to(dtype)
    features[0] = 0
    features.requires_grad_()
    target = torch.arange(code.num_labels)
    out = head(features, target)
    assert finite(out.nll, out.smooth)
    assert float(out.nll.min()) > -0.05, "a probability above 1"
    dense = head.log_prob(features)
    assert finite(dense)
    tolerance = {torch.float64: 1e-8}.get(dtype, 0.05)
    assert float(dense.logsumexp(-1).abs().max()) < tolerance
    if not training:
        # Logits of some thousands are whole units apart in low precision; two products may round differently.
        unit = 4 * torch.finfo(dtype).eps
        spread = max(tolerance, unit * float(dense.detach().abs().max()))
        torch.testing.assert_close(out.nll, -dense.diagonal(), rtol=unit, atol=spread)
    values, labels = head.topk(features, code.num_labels)
    assert finite(values)
    assert (labels.sort(-1).values == torch.arange(code.num_labels)).all()
    head.loss(features, target).backward()
    assert finite(features.grad, *(parameter.grad for parameter in head.parameters()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [23, 13])
def test_mass_on_unused_codes(kind: str, size: int) -> None:
    """However strongly the parameters favour codes that no label has, the labels share all the mass."""
    case = case_of(kind, Code(size, (4, 6)))
    head = case.build(dtype=torch.float32, scale=0.1)
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if name.endswith("bias") and parameter.numel() > 3:
                parameter[-1] += 500.0
                parameter[3] += 500.0
    features, target = case.features((9,), torch.float32).requires_grad_(), torch.arange(9)
    dense = head.log_prob(features)
    assert finite(dense)
    assert float(dense.logsumexp(-1).abs().max()) < 1e-3
    out = head(features, target)
    torch.testing.assert_close(out.nll, -dense.gather(-1, target[:, None])[:, 0], rtol=1e-4, atol=1e-3)
    (out.nll + out.smooth / size).sum().backward()
    assert finite(features.grad, *(parameter.grad for parameter in head.parameters()))
    assert set(head.topk(features, size)[1][0].tolist()) == set(range(size))


@pytest.mark.parametrize("kind", KINDS)
def test_float64_is_kept(kind: str) -> None:
    case = case_of(kind)
    head = case.build()
    features, target = case.features(), case.labels()
    found = [
        *head(features, target),
        head.log_prob(features),
        head.topk(features, 2)[0],
        head.loss(features, target),
    ]
    assert all(tensor.dtype == torch.float64 for tensor in found)
    assert head.score(features, target.unsqueeze(-1)).dtype == torch.float64
