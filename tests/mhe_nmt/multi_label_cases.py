"""Heads for several labels a document, with features and label sets, for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt import MultiLabelCascade, OneVsAllHead
from mhe_nmt.heads import MultiLabelHead
from tests.mhe_nmt.strategies import shuffled


@dataclass(frozen=True)
class Case:
    """A head, features and label sets."""

    head: MultiLabelHead
    features: Tensor
    sets: list[list[int]]

    @property
    def labels(self) -> Tensor:
        return torch.tensor([label for own in self.sets for label in own], dtype=torch.int64)

    @property
    def offsets(self) -> Tensor:
        return torch.tensor([0, *(len(own) for own in self.sets)]).cumsum(0)


def randomised(head: MultiLabelHead, scale: float, seed: int) -> MultiLabelHead:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return head


@st.composite
def cases(
    draw: st.DrawFn, kinds: tuple[str, ...] = ("cascade", "sparse", "one-vs-all"), max_labels: int = 60
) -> Case:
    num_labels = draw(st.integers(3, max_labels))
    seed = draw(st.integers(0, 2**16))
    features = draw(st.integers(1, 5))
    options: dict[str, Any] = {
        "hidden_features": draw(st.none() | st.integers(1, 4)),
        "dtype": torch.float64,
    }
    kind = draw(st.sampled_from(kinds))
    if kind == "one-vs-all":
        head: MultiLabelHead = OneVsAllHead(features, num_labels, **options)
    else:
        head = MultiLabelCascade(
            features,
            num_labels,
            num_groups=draw(st.integers(2, num_labels - 1)),
            order=draw(st.sampled_from([None, shuffled(num_labels, seed)])),
            candidates=draw(st.integers(0, 6)),
            sparse=kind == "sparse",
            **options,
        )
    documents = draw(st.integers(0, 6))
    # A label may be named twice; a document may have no label, or all of them.
    labels = st.lists(st.integers(0, num_labels - 1), max_size=num_labels)
    sets = draw(st.lists(labels, min_size=documents, max_size=documents))
    x = torch.randn(documents, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Case(randomised(head, draw(st.sampled_from([0.3, 3.0])), seed), x, sets)
