"""The positions of a batch that count: all but those whose target is to be ignored."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mhe_nmt import waiting
from mhe_nmt.codec import check_labels
from mhe_nmt.heads.precision import autocast_dtype


class KeptPositions(NamedTuple):
    """The positions that count: selected by ``places``, or all of them with those that are ``ignored``."""

    features: Tensor  # (N, d)
    labels: Tensor  # (N,), int64
    ignored: Tensor | None  # (N,), bool
    places: Tensor | None  # (N,), int64: where they stand among all

    def at_all_places(self, term: Tensor, shape: torch.Size) -> Tensor:
        """``term`` ``(N,)`` in the target's shape, 0 where the position is ignored."""
        if self.places is not None:
            term = term.new_zeros(shape.numel()).index_copy(0, self.places, term)
        return counted(term, self.ignored).view(shape)

    @classmethod
    def of(cls, features: Tensor, target: Tensor, num_labels: int, ignore_index: int) -> KeptPositions:
        """The positions that count, as rows.

        A CPU leaves the ignored ones out, which saves their work. A device would make the host wait for
        their number, and so would a compiled graph; there they stay in, with label 0.

        Args:
            features: ``(…, d)``.
            target: ``(…)`` integer labels in ``[0, num_labels)``, or ``ignore_index``.
            num_labels: ``V``.
            ignore_index: the target of positions that do not count.

        Raises:
            ValueError: if the shapes do not fit, or (on CPU) if a target is not a label.
        """
        if target.shape != features.shape[:-1]:
            raise ValueError(
                f"target must have the leading shape of features, {tuple(features.shape[:-1])}, "
                f"got {tuple(target.shape)}"
            )
        if target.is_floating_point() or target.dtype == torch.bool:
            raise ValueError(f"target must hold integers, got {target.dtype}")
        rows, labels = features.reshape(-1, features.size(-1)), target.reshape(-1).to(torch.int64)
        ignored = labels == ignore_index
        if not waiting.may_wait(labels):
            # One cast for all products that read the features.
            rows = rows.to(autocast_dtype(rows))
            return cls(rows, labels.masked_fill(ignored, 0), ignored, None)
        if not bool(ignored.any()):
            check_labels(labels, num_labels)
            return cls(rows, labels, None, None)
        places = (~ignored).nonzero().squeeze(-1)
        labels = labels.index_select(0, places)
        check_labels(labels, num_labels)
        return cls(rows.index_select(0, places), labels, None, places)


def counted(term: Tensor, ignored: Tensor | None) -> Tensor:
    """``term`` ``(N,)`` with 0 where the position is ignored."""
    return term if ignored is None else term.masked_fill(ignored, 0.0)
