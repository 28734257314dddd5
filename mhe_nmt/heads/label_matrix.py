"""The V×d matrix of heads that keep one row per label, which can be tied to an embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mhe_nmt.codec import LabelCodec
from mhe_nmt.heads.grouped import grouped_linear
from mhe_nmt.heads.projection import ResidualProjection


class LabelMatrix(nn.Module):
    """Weights and biases, one row per label, that can be read by blocks of ranks.

    Rows are stored in label order, as an embedding's are, so that tied and untied matrices look the same in a
    state dict; blocks of ranks are read through an index unless the label order is the identity.

    Args:
        codec: gives ``V`` and the order; kept by reference, not as a submodule.
        in_features: ``d``.
        bias: adds a bias per label, which is never tied.
        projection: features go through a :class:`ResidualProjection` first, see :meth:`inputs`.

    Shape:
        weight ``(V, d)``, bias ``(V,)``, in label order.
    """

    def __init__(
        self,
        codec: LabelCodec,
        in_features: int,
        *,
        bias: bool = True,
        projection: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._codec = (codec,)  # a tuple, so that the codec is not registered twice
        self.weight = nn.Parameter(torch.empty(codec.num_labels, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(codec.num_labels, device=device, dtype=dtype)) if bias else None
        self.projection = ResidualProjection(in_features, device=device, dtype=dtype) if projection else None
        self.tied = False
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of standard deviation ``d**-0.5``, zero biases; a tied weight is left alone."""
        if not self.tied:
            nn.init.normal_(self.weight, std=self.weight.size(1) ** -0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.projection is not None:
            self.projection.reset_parameters()

    def tie(self, weight: nn.Parameter) -> None:
        """Uses ``weight``, ``(V, d)`` in label order, from now on."""
        self.weight = weight
        self.tied = True

    @property
    def row_index(self) -> Tensor | None:
        """Rank ``r`` has its row at ``weight[row_index[r]]``; ``None`` where the order is the identity."""
        codec = self._codec[0]
        return None if codec.is_identity else codec.labels_by_rank

    def inputs(self, features: Tensor) -> Tensor:
        """What the rows are multiplied with, of features ``(…, d)``."""
        return features if self.projection is None else self.projection(features)

    def block_logits(self, inputs: Tensor, blocks: Tensor, width: int) -> Tensor:
        """Logits of each row's block of ``width`` ranks: ``(n, d)`` and ``(n,)`` to ``(n, width)``."""
        return grouped_linear(inputs, blocks, self.weight, self.bias, width, self.row_index)

    def extra_repr(self) -> str:
        return f"{self.weight.size(0)}, {self.weight.size(1)}, tied={self.tied}"
