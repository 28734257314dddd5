"""The matrix products that a step of a head cannot do without, as calls of `torch.mm` that can be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.steps import BEAM, SENTENCES, K

DENSE = ("plain", "onehot")
"""Row ids of full softmaxes."""

#: A product with its output: `torch.mm(first, second, out=output)`.
_Call = tuple[Tensor, Tensor, Tensor]

Matrices = dict[tuple[str, int, int, torch.dtype], Tensor]


@dataclass(frozen=True)
class Linear:
    """A linear layer of a head: `rows × inputs` times `inputs × outputs`, in one product or in several.

    rows: positions that go through it. inputs, outputs: of its weights, or of one block of them. of_blocks:
    how many blocks the weights have. blocks: those that occur; each gets an equal share of the rows.
    """

    rows: int
    inputs: int
    outputs: int
    blocks: tuple[int, ...] | None = None
    of_blocks: int = 1

    def parts(self) -> list[tuple[int, int]]:
        """The rows of each product, and the block of weights: rows differ by one at most."""
        blocks = (0,) if self.blocks is None else self.blocks
        ends = [self.rows * part // len(blocks) for part in range(len(blocks) + 1)]
        return [(end - start, block) for (start, end), block in zip(pairwise(ends), blocks, strict=True)]


class Products:
    """The products of these layers, with inputs and outputs made beforehand: a call does them all.

    Args:
        layers: in the order in which they are multiplied.
        dtype: of all matrices.
        gradients: also the products for the gradients of inputs and weights, as in a training step.
        made: matrices by purpose and shape, shared by all products that are timed in turn.
    """

    def __init__(
        self, layers: Sequence[Linear], dtype: torch.dtype, *, gradients: bool, made: Matrices | None = None
    ) -> None:
        self.operations = 0
        self._calls: list[_Call] = []
        self._made: Matrices = {} if made is None else made
        for layer in layers:
            outputs = layer.of_blocks * layer.outputs
            # x W^T = y; the gradients are g W of x and g^T x of W.
            x = self._matrix("x", layer.rows, layer.inputs, dtype)
            w = self._matrix("w", outputs, layer.inputs, dtype)
            y = self._matrix("y", layer.rows, layer.outputs, dtype)
            if gradients:
                g = self._matrix("g", layer.rows, layer.outputs, dtype)
                of_x = self._matrix("of x", layer.rows, layer.inputs, dtype)
                of_w = self._matrix("of w", outputs, layer.inputs, dtype)
            first = 0
            for rows, block in layer.parts():
                own = slice(first, first + rows)
                part = slice(block * layer.outputs, (block + 1) * layer.outputs)
                self._calls.append((x[own], w[part].t(), y[own]))
                if gradients:
                    self._calls += [(g[own], w[part], of_x[own]), (g[own].t(), x[own], of_w[part])]
                first += rows
        for left, right, _ in self._calls:
            self.operations += 2 * left.numel() * right.size(1)

    def _matrix(self, purpose: str, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        key = (purpose, rows, columns, dtype)
        if key not in self._made:
            # Numbers of the usual size also where only outputs go, because denormal ones are slow to read.
            self._made[key] = torch.randn(rows, columns).to(dtype)
        return self._made[key]

    def __len__(self) -> int:
        return len(self._calls)

    @torch.no_grad()
    def __call__(self) -> None:
        for first, second, output in self._calls:
            torch.mm(first, second, out=output)


def of_training(
    name: str,
    features: int,
    labels: int,
    target: Tensor,
    radices: tuple[int, int],
    order: Tensor | None = None,
    fraction: float = 0.0,
) -> list[Linear]:
    """The layers of a training step.

    Args:
        name: row id of the head.
        features, labels: d and V.
        target: `(N,)`.
        radices: of a head with two digits; others do not read them.
        order: ranks of the labels, of a cascade by table; None is the identity.
        fraction: share of the labels that sampling draws.
    """
    n, (first, second) = len(target), radices
    if name in DENSE:
        return [Linear(n, features, labels)]
    if name.startswith("sampling"):
        return [Linear(n, features, min(labels, len(target.unique()) + round(fraction * labels)))]
    if name.startswith("product"):
        return [Linear(n, features, _rows_of_product(name, first + second))]
    first = _used(labels, second)
    if name == "cascade-digit":
        # The hidden layer has as many features as the input.
        return [Linear(n, features, first), Linear(n, features, features), Linear(n, features, second)]
    ranks = target if order is None else order[target]
    occurring = tuple((ranks // second).unique().tolist())
    return [Linear(n, features, first), Linear(n, features, second, occurring, first)]


def of_decoding(
    name: str,
    features: int,
    labels: int,
    radices: tuple[int, int],
    needed: Callable[[int, int], Tensor],
) -> list[Linear]:
    """The layers of a decoding step.

    Args:
        name: row id of the head.
        features, labels: d and V.
        radices: of a head with two digits; others do not read them.
        needed: from the two radices of a cascade to `(rows, first)` bool, the prefixes that must be opened.
    """
    n, (first, second) = SENTENCES * BEAM, radices
    if name in DENSE or name.startswith("sampling"):
        return [Linear(n, features, labels)]
    if name.startswith("product"):
        return [Linear(n, features, _rows_of_product(name, first + second))]
    first = _used(labels, second)
    opened = needed(first, second)
    total = int(opened.sum())
    if name == "cascade-digit":
        return [Linear(n, features, first), Linear(n, features, features), Linear(total, features, second)]
    occurring = tuple(opened.any(0).nonzero().squeeze(-1).tolist())
    return [Linear(n, features, first), Linear(total, features, second, occurring, first)]


def _used(labels: int, second: int) -> int:
    """The number of first digits that labels have."""
    return -(-labels // second)


def _rows_of_product(name: str, digits: int) -> int:
    """Rows of a product's matrix: the digits of each group, and with groups a weight for each of them."""
    groups = int(name.split("-")[1]) if "groups" in name else 1
    return groups * (digits + 1) if groups > 1 else digits


def needed_prefixes(
    log_prob: Tensor, scores: Tensor, order: Tensor | None, first: int, second: int
) -> Tensor:
    """The prefixes of one digit that no exact search can leave closed: `(rows, first)` bool.

    They are those whose probability alone would put a label of theirs among the k best of their sentence.

    Args:
        log_prob: `(rows, V)`, of all labels.
        scores: `(sentences, beam)` so far.
        order: ranks of the labels; None is the identity.
        first, second: radices.
    """
    if order is not None:
        log_prob = log_prob[:, order.argsort()]
    rows, labels = log_prob.shape
    padded = log_prob.new_full((rows, first * second), -torch.inf)
    padded[:, :labels] = log_prob
    of_prefixes = padded.view(rows, first, second).logsumexp(-1) + scores.reshape(-1, 1)
    best = (log_prob.view(*scores.shape, labels) + scores.unsqueeze(-1)).flatten(1).topk(K).values
    worst = best[:, -1:].repeat_interleave(scores.size(-1), 0)
    return of_prefixes > worst


def shapes(layers: Sequence[Linear]) -> list[dict[str, Any]]:
    """What a row keeps of them."""
    return [
        {"rows": layer.rows, "inputs": layer.inputs, "outputs": layer.outputs, "products": len(layer.parts())}
        for layer in layers
    ]
