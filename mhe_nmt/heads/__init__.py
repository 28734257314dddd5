"""Output heads behind one contract, and the way to build one by name."""

from __future__ import annotations

import inspect
from typing import Any

from mhe_nmt.heads.base import HeadOutput, HeadTotals, MultiHead, OutputHead
from mhe_nmt.heads.cascade import CascadeHead
from mhe_nmt.heads.multi_label import MultiLabelHead, MultiLabelOutput, OneVsAllHead
from mhe_nmt.heads.multi_label_cascade import MultiLabelCascade
from mhe_nmt.heads.onehot import OneHotHead
from mhe_nmt.heads.product import ProductHead
from mhe_nmt.heads.sampling import SamplingHead

#: Heads by the names that command lines use.
HEADS: dict[str, type[OutputHead]] = {
    "onehot": OneHotHead,
    "product": ProductHead,
    "cascade": CascadeHead,
    "sampling": SamplingHead,
}


def build_head(name: str, in_features: int, num_labels: int, **options: Any) -> OutputHead:
    """The head of that name.

    Args:
        name: ``"onehot"``, ``"product"``, ``"cascade"`` or ``"sampling"``.
        in_features: ``d``.
        num_labels: ``V``.
        options: keyword arguments of the head's class.

    Raises:
        ValueError: for an unknown name, an option that this head does not take, or an option out of range.
    """
    if name not in HEADS:
        raise ValueError(f"unknown head {name!r}; the heads are {', '.join(HEADS)}")
    accepted = inspect.signature(HEADS[name]).parameters
    for option in options:
        if option not in accepted:
            raise ValueError(
                f"head {name!r} has no option {option!r}; its options are {', '.join(list(accepted)[2:])}"
            )
    return HEADS[name](in_features, num_labels, **options)


__all__ = [
    "HEADS",
    "CascadeHead",
    "HeadOutput",
    "HeadTotals",
    "MultiHead",
    "MultiLabelCascade",
    "MultiLabelHead",
    "MultiLabelOutput",
    "OneHotHead",
    "OneVsAllHead",
    "OutputHead",
    "ProductHead",
    "SamplingHead",
    "build_head",
]
