"""Margins against acos and cos in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt.margin import MARGINS, ArcFace, CosFace, Margin, build_margin

COSINES = st.lists(st.floats(-1, 1), min_size=1, max_size=20)
SIZES = st.floats(0, 0.9)


def plain_arcface(cosines: Tensor, scale: float, margin: float) -> Tensor:
    """As the paper writes it, and its authors' continuation."""
    values = []
    for cosine in cosines.tolist():
        angle = math.acos(cosine)
        easy = cosine > math.cos(math.pi - margin)
        values.append(scale * (math.cos(angle + margin) if easy else cosine - margin * math.sin(margin)))
    return torch.tensor(values, dtype=torch.float64)


@given(COSINES, SIZES, st.floats(1, 100))
def test_arcface_is_cos_of_the_sum(cosines: list[float], margin: float, scale: float) -> None:
    values = torch.tensor(cosines, dtype=torch.float64)
    expected = plain_arcface(values, scale, margin)
    torch.testing.assert_close(ArcFace(scale, margin)(values), expected, rtol=1e-6, atol=1e-6 * scale)


@given(COSINES, SIZES, st.floats(1, 100))
def test_cosface_is_a_difference(cosines: list[float], margin: float, scale: float) -> None:
    values = torch.tensor(cosines, dtype=torch.float64)
    expected = torch.tensor([scale * (cosine - margin) for cosine in cosines], dtype=torch.float64)
    torch.testing.assert_close(CosFace(scale, margin)(values), expected)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.35, 0.5, 0.9])
@pytest.mark.parametrize("name", MARGINS)
def test_logits_rise_with_the_cosine_and_stay_below_it(name: str, margin: float) -> None:
    cosines = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    logits = build_margin(name, 64.0, margin)(cosines)
    assert (logits.diff() > 0).all()
    assert (logits <= 64 * cosines + 1e-5).all()


@pytest.mark.parametrize("margin", [ArcFace(), CosFace(), ArcFace(30.0, 0.2)])
def test_gradients(margin: Margin) -> None:
    """On both sides of the place where ArcFace goes on in another way."""
    cosines = torch.tensor([-0.999, -0.95, -0.87, -0.5, 0.0, 0.4, 0.99], dtype=torch.float64)
    assert torch.autograd.gradcheck(margin, cosines.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", MARGINS)
def test_gradients_are_finite_at_the_ends(name: str, dtype: torch.dtype) -> None:
    """Rounding leads a little beyond 1; half precision comes out as float32."""
    step = torch.finfo(dtype).eps
    cosines = torch.tensor([1 + 2 * step, 1.0, 1 - step, -1 + step, -1.0, -1 - 2 * step], dtype=dtype)
    cosines.requires_grad_()
    logits = build_margin(name)(cosines)
    assert logits.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert logits.isfinite().all()
    (gradient,) = torch.autograd.grad(logits.sum(), cosines)
    assert gradient.isfinite().all()
    assert (gradient > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    """Nothing but the rounding of the cosines themselves is lost."""
    cosines = torch.linspace(-0.99, 0.99, 201).to(dtype)
    torch.testing.assert_close(
        ArcFace()(cosines).double(), plain_arcface(cosines.double(), 64.0, 0.5), rtol=0, atol=2e-4
    )


def test_defaults_are_those_of_the_papers() -> None:
    assert [(build_margin(name).scale, build_margin(name).margin) for name in MARGINS] == [
        (64, 0.5),
        (64, 0.35),
    ]
    assert build_margin("cosface", 30, 0.2).extra_repr() == "scale=30, margin=0.2"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sphereface",), "unknown margin 'sphereface'; there are arcface, cosface"),
        (("arcface", 0.0), "scale must be above 0, got 0"),
        (("arcface", math.nan), "scale must be above 0, got nan"),
        (("cosface", 64.0, -0.1), "margin must be at least 0 and below 1, got -0.1"),
        (("cosface", 64.0, 1.0), "margin must be at least 0 and below 1, got 1"),
    ],
)
def test_what_is_refused(arguments: tuple, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build_margin(*arguments)
