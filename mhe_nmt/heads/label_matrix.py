"""The V×d matrix of heads that keep one row per label, which can be tied to an embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.codec import LabelCodec
from mhe_nmt.heads.grouped import Grouping
from mhe_nmt.heads.grouped_products import padded_storage, storage_is_padded
from mhe_nmt.heads.projection import ResidualProjection
from mhe_nmt.rows import look_up


def rows_change_order(head: nn.Module, state_dict: Mapping[str, Any], prefix: str = "") -> bool:
    """Whether loading ``state_dict`` into ``head`` puts rows of its matrix in another order.

    An optimizer's state for these rows then belongs to other rows.
    """
    return any(
        matrix.reorders(f"{prefix}{name}.by_rank" in state_dict)
        for name, matrix in head.named_modules()
        if isinstance(matrix, LabelMatrix)
    )


class LabelMatrix(nn.Module):
    """Weights and biases, one row per label, that can be read by blocks of ranks.

    Rows are stored in rank order, so that a block is a slice whatever the label order. A tied matrix has the
    order of the embedding, which is the label order: where that is not the identity, blocks are gathered from
    all over the embedding, at the cost of reading and writing a copy of it in each step on a device. A
    dictionary in the learned order avoids that.

    The weight's storage goes on for a few rows of zeros behind the last label, to the end of its block, so
    that a product over blocks needs no padded copy.

    Args:
        codec: gives ``V`` and the order; kept by reference, not as a submodule.
        in_features: ``d``.
        width: labels per block.
        bias: adds a bias per label, which is never tied.
        projection: features go through a :class:`ResidualProjection` first, see :meth:`inputs`.
        sparse: the weight's gradient holds only the rows that are read. The bias has a dense one.

    Shape:
        weight ``(V, d)``, bias ``(V,)``, in rank order; both in label order where the weight is tied and the
        order is not the identity, see :attr:`is_scattered`. A state dict of rows in an order other than the
        identity holds ``by_rank``; without it rows are taken to be in label order, as version 0.2 had them.
    """

    def __init__(
        self,
        codec: LabelCodec,
        in_features: int,
        width: int,
        *,
        bias: bool = True,
        projection: bool = False,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self._codec = (codec,)  # a tuple, so that the codec is not registered twice
        self.width = width
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(codec.num_labels, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(codec.num_labels, device=device, dtype=dtype)) if bias else None
        self.projection = ResidualProjection(in_features, device=device, dtype=dtype) if projection else None
        self.tied = False
        self._pad_storage()
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
        """Uses ``weight``, ``(V, d)`` in label order, from now on; its storage is padded."""
        self.weight = weight
        self.tied = True
        self._pad_storage()

    @property
    def is_scattered(self) -> bool:
        """Whether the rows stand in label order though ranks are another order."""
        return self.tied and not self._codec[0].is_identity

    @property
    def row_index(self) -> Tensor | None:
        """Rank ``r`` has its row at ``weight[row_index[r]]``; ``None`` where it is ``weight[r]``."""
        return self._codec[0].labels_by_rank if self.is_scattered else None

    def inputs(self, features: Tensor) -> Tensor:
        """What the rows are multiplied with, of features ``(…, d)``."""
        return features if self.projection is None else self.projection(features)

    def block_logits(self, sorted_inputs: Tensor, grouping: Grouping) -> Tensor:
        """Logits of each row's block of ranks: ``(n, d)``, sorted by block, to ``(n, width)``."""
        return grouping.linear(
            sorted_inputs, self.weight, self.bias, self.width, self.row_index, sparse=self.sparse
        )

    def logits_of(self, inputs: Tensor, ranks: Tensor) -> Tensor:
        """Logits of the same labels for all rows: ``(n, d)`` and ``(m,)`` ranks to ``(n, m)``."""
        places = ranks if self.row_index is None else self.row_index.index_select(0, ranks)
        weight = look_up(self.weight, places) if self.sparse else self.weight.index_select(0, places)
        return F.linear(inputs, weight, None if self.bias is None else self.bias.index_select(0, places))

    def logits_by_rank(self, inputs: Tensor) -> Tensor:
        """Logits of all labels, ``(n, d)`` to ``(n, V)`` in rank order."""
        logits = F.linear(inputs, self.weight, self.bias)
        return self._codec[0].to_rank_order(logits) if self.is_scattered else logits

    def logits_by_label(self, inputs: Tensor) -> Tensor:
        """Logits of all labels, ``(n, d)`` to ``(n, V)`` in label order."""
        logits = F.linear(inputs, self.weight, self.bias)
        return logits if self.is_scattered else self._codec[0].to_label_order(logits)

    def by_label(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in label order."""
        if self.is_scattered or self._codec[0].is_identity:
            return self.weight, self.bias
        order = self._codec[0].order
        return self.weight[order], None if self.bias is None else self.bias[order]

    def extra_repr(self) -> str:
        return f"{self.weight.size(0)}, {self.weight.size(1)}, tied={self.tied}"

    def _pad_storage(self) -> None:
        missing = -len(self.weight) % self.width
        if missing and type(self.weight) is nn.Parameter and not storage_is_padded(self.weight, missing):
            self.weight.data = padded_storage(self.weight.data, missing)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> LabelMatrix:
        # Moved or cast parameters have a new storage.
        super()._apply(fn, recurse)
        self._pad_storage()
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not (self._codec[0].is_identity or self.is_scattered):
            destination[prefix + "by_rank"] = torch.ones((), dtype=torch.bool)

    def reorders(self, by_rank: bool) -> bool:
        """Whether rows of a state, in rank order or in label order, have another order than here."""
        return not self._codec[0].is_identity and by_rank == self.is_scattered

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        codec = self._codec[0]
        by_rank = state_dict.pop(prefix + "by_rank", None) is not None
        if self.reorders(by_rank):
            index = codec.order if by_rank else codec.labels_by_rank
            for name in ("weight", "bias"):
                rows = state_dict.get(prefix + name)
                if rows is not None and len(rows) == codec.num_labels:
                    state_dict[prefix + name] = rows[index.to(rows.device)]
        super()._load_from_state_dict(state_dict, prefix, *others)
        # A state that is assigned brings a storage of its own.
        self._pad_storage()
