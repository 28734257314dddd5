"""Margins on cosines: logits of the true classes for classifiers that compare directions, as face models do.

A margin makes the true class harder than it is: features must lie closer to their class than the softmax
alone would require.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from mhe_nmt.heads.precision import at_least_float32


class Margin(nn.Module):
    """Logits ``scale · cos`` of other classes, and smaller ones of the true class.

    Args:
        scale: ``s``, above 0.
        margin: ``m``; 0 is the softmax over scaled cosines.

    Raises:
        ValueError: for a scale or margin out of range.
    """

    def __init__(self, scale: float, margin: float) -> None:
        super().__init__()
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be above 0, got {scale}")
        if not 0 <= margin < 1:
            raise ValueError(f"margin must be at least 0 and below 1, got {margin}")
        self.scale, self.margin = float(scale), float(margin)

    def forward(self, cosines: Tensor) -> Tensor:
        """Cosines to true classes, any shape, to their logits, at least float32. They fall with the angle."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}, margin={self.margin:g}"


class ArcFace(Margin):
    r"""``s · cos(θ + m)``, the additive angular margin of Deng et al., "ArcFace", CVPR 2019.

    Beyond ``θ = π - m``, where ``cos(θ + m)`` would rise again, it continues as ``s · (cos θ - m sin m)``,
    as in the authors' code: there is a step down, and from there on the logits fall like those of CosFace.

    ``sin θ`` is ``sqrt(1 - cos²)`` of a value that is kept above the rounding of its type: gradients are
    finite also at ``cos = ±1`` and a little beyond, where rounding can lead.
    """

    def __init__(self, scale: float = 64.0, margin: float = 0.5) -> None:
        super().__init__(scale, margin)

    def forward(self, cosines: Tensor) -> Tensor:
        cosines = at_least_float32(cosines)
        smallest = torch.finfo(cosines.dtype).eps
        sines = ((1 - cosines) * (1 + cosines)).clamp(min=smallest).sqrt()
        turned = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        beyond = cosines - self.margin * math.sin(self.margin)
        return self.scale * torch.where(cosines > math.cos(math.pi - self.margin), turned, beyond)


class CosFace(Margin):
    """``s · (cos θ - m)``, the additive cosine margin of Wang et al., "CosFace", CVPR 2018."""

    def __init__(self, scale: float = 64.0, margin: float = 0.35) -> None:
        super().__init__(scale, margin)

    def forward(self, cosines: Tensor) -> Tensor:
        return self.scale * (at_least_float32(cosines) - self.margin)


MARGINS: dict[str, Any] = {"arcface": ArcFace, "cosface": CosFace}


def build_margin(name: str, scale: float = 64.0, margin: float | None = None) -> Margin:
    """The margin called ``name``, one of :data:`MARGINS`, by default as large as in its paper.

    Raises:
        ValueError: for an unknown name, or a scale or margin out of range.
    """
    if name not in MARGINS:
        raise ValueError(f"unknown margin {name!r}; there are {', '.join(MARGINS)}")
    return MARGINS[name](scale) if margin is None else MARGINS[name](scale, margin)
