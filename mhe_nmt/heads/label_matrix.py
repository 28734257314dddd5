"""The V×d matrix of heads that keep one row a label, own or tied to an embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mhe_nmt.codec import LabelCodec
from mhe_nmt.heads.grouped import grouped_linear


class LabelMatrix(nn.Module):
    """Weights and biases, one row a label, read in the order of ranks so that blocks are contiguous.

    An own matrix is stored in rank order. A tied one is stored in label order, as its embedding is, and read
    through an index unless the label order is the identity.

    Args:
        codec: gives ``V`` and the order; kept by reference, not as a submodule.
        in_features: ``d``.
        bias: adds a bias a label, in rank order, own also where the weight is tied.

    Shape:
        weight ``(V, d)``, bias ``(V,)``.
    """

    def __init__(
        self,
        codec: LabelCodec,
        in_features: int,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._codec = (codec,)  # a tuple, so that the codec is not registered twice
        self.weight = nn.Parameter(torch.empty(codec.num_labels, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(codec.num_labels, device=device, dtype=dtype)) if bias else None
        self.tied = False
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of standard deviation ``d**-0.5``, zero biases; a tied weight is left alone."""
        if not self.tied:
            nn.init.normal_(self.weight, std=self.weight.size(1) ** -0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def tie(self, weight: nn.Parameter) -> None:
        """Uses ``weight``, ``(V, d)`` in label order, from now on."""
        self.weight = weight
        self.tied = True

    @property
    def row_index(self) -> Tensor | None:
        """Rank ``r`` has its row at ``weight[row_index[r]]``; ``None`` where rows are in rank order."""
        codec = self._codec[0]
        return codec.labels_by_rank if self.tied and not codec.is_identity else None

    def rows(self, ranks: Tensor) -> Tensor:
        """Weight rows at ``ranks`` ``(n,)``: ``(n, d)``."""
        index = self.row_index
        return self.weight.index_select(0, ranks if index is None else index.index_select(0, ranks))

    def weight_by_rank(self) -> Tensor:
        """``(V, d)``, rows in rank order: a copy where they are not stored so."""
        index = self.row_index
        return self.weight if index is None else self.weight.index_select(0, index)

    def block_logits(self, features: Tensor, blocks: Tensor, width: int) -> Tensor:
        """Logits of each row's own block of ``width`` ranks: ``(n, d)`` and ``(n,)`` to ``(n, width)``."""
        return grouped_linear(features, blocks, self.weight, self.bias, width, self.row_index)

    def extra_repr(self) -> str:
        return f"{self.weight.size(0)}, {self.weight.size(1)}, tied={self.tied}"
