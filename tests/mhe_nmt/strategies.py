"""Random codes, heads and inputs for hypothesis."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt import OutputHead, build_head


@dataclass(frozen=True)
class Code:
    """A label code: V, radices and label order (None: the identity)."""

    num_labels: int
    radices: tuple[int, ...]
    order: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Case:
    """One head to build: its name, its code and its own options."""

    name: str
    code: Code
    options: dict[str, Any] = field(default_factory=dict)
    in_features: int = 5
    seed: int = 0

    def build(self, scale: float = 1.0, dtype: torch.dtype = torch.float64, **more: Any) -> OutputHead:
        """The head with normal random parameters, in evaluation mode."""
        options = dict(self.options)
        if self.name != "onehot":
            options.update(radices=self.code.radices, order=self.code.order)
        options.update(more)
        head = build_head(self.name, self.in_features, self.code.num_labels, dtype=dtype, **options)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for parameter in head.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(scale * noise)
        return head.eval()

    def features(self, leading: tuple[int, ...] = (6,), dtype: torch.dtype = torch.float64) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed + 1)
        return torch.randn(*leading, self.in_features, generator=generator, dtype=torch.float64).to(dtype)

    def labels(self, leading: tuple[int, ...] = (6,)) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed + 2)
        return torch.randint(self.code.num_labels, leading, generator=generator)


#: Every kind of head, as name and options; the tests that must hold for all run over this table.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "onehot": ("onehot", {}),
    "onehot-nobias": ("onehot", {"bias": False}),
    "product": ("product", {}),
    "product-nobias": ("product", {"bias": False}),
    "mixture": ("product", {"groups": 3}),
    "joint": ("product", {"groups": 2, "form": "joint"}),
    "joint-nobias": ("product", {"groups": 3, "form": "joint", "bias": False}),
    "cascade": ("cascade", {}),
    "cascade-nobias": ("cascade", {"bias": False}),
    "cascade-digit": ("cascade", {"conditioning": "digit"}),
    "cascade-digit-hidden": ("cascade", {"conditioning": "digit", "hidden_features": 4, "bias": False}),
    "cascade-projection": ("cascade", {"projection": True}),
    "cascade-prototypes": ("cascade", {"prototypes": 3}),
    "cascade-digit-prototypes": ("cascade", {"conditioning": "digit", "prototypes": 2}),
    "onehot-projection": ("onehot", {"projection": True}),
    "sampling-projection": ("sampling", {"projection": True}),
    "sampling": ("sampling", {}),
    "sampling-blocks": ("sampling", {"positives": "block", "unit": "block"}),
    "sampling-nobias": ("sampling", {"bias": False, "sample_fraction": 0.5}),
}

#: A kind for each class of head and each form of it: enough where only the class matters, as in refusals.
PLAIN_KINDS = ("onehot", "product", "joint", "cascade", "cascade-digit", "sampling")

#: Kinds whose smoothing term is -sum_y log P(y|x) over the used labels, exactly.
EXACT_SMOOTHING = ("onehot", "onehot-nobias", "product", "product-nobias")


def shuffled(size: int, seed: int) -> tuple[int, ...]:
    order = list(range(size))
    random.Random(seed).shuffle(order)
    return tuple(order)


@st.composite
def codes(draw: st.DrawFn, max_labels: int = 200, heads: tuple[int, ...] = (2, 3, 4)) -> Code:
    """Codes of three sorts: no unused code, a few of them, nearly nothing but unused ones."""
    num_heads = draw(st.sampled_from(heads))
    largest = max(2, min(30, round((2 * max_labels) ** (1 / num_heads))))
    radices = tuple(draw(st.lists(st.integers(2, largest), min_size=num_heads, max_size=num_heads)))
    size = math.prod(radices)
    fill = draw(st.sampled_from(["full", "most", "any", "few"]))
    if fill == "full":
        num_labels = size
    elif fill == "most":
        num_labels = size - draw(st.integers(0, min(size - 2, 2 * radices[-1])))
    elif fill == "any":
        num_labels = draw(st.integers(2, size))
    else:
        num_labels = draw(st.integers(2, max(2, size // 8)))
    seed = draw(st.none() | st.integers(0, 2**16))
    return Code(num_labels, radices, None if seed is None else shuffled(num_labels, seed))


@st.composite
def cases(
    draw: st.DrawFn,
    kinds: tuple[str, ...] = tuple(KINDS),
    max_labels: int = 120,
    heads: tuple[int, ...] = (2, 3, 4),
) -> Case:
    name, options = KINDS[draw(st.sampled_from(kinds))]
    return Case(
        name,
        draw(codes(max_labels, heads)),
        options,
        in_features=draw(st.integers(1, 6)),
        seed=draw(st.integers(0, 2**16)),
    )


leading_shapes = st.sampled_from([(), (0,), (1,), (4,), (2, 3), (1, 1, 2), (2, 0), (0, 3)])
