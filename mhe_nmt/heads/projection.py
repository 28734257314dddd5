"""A projection of the features for an output matrix that also serves another purpose."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualProjection(nn.Module):
    """``x + P x``, where ``P`` starts as zeros: nothing changes until it is trained.

    For heads whose ``V × d`` matrix is tied to an embedding: what makes good input vectors is not all that
    tells labels apart.

    Args:
        features: ``d``.

    Shape:
        weight ``(d, d)``; input and output ``(…, d)``.
    """

    def __init__(
        self, features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(features, features, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        return features + F.linear(features, self.weight)

    def extra_repr(self) -> str:
        return str(self.weight.size(0))
