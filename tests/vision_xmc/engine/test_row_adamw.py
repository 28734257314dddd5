"""The row-wise optimizer against plain loops, and clipping and learning rates with sparse gradients."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tests.vision_xmc.engine.toy_task import options
from vision_xmc.common.errors import UsageError
from vision_xmc.engine.optim import new_optimizer, set_rate
from vision_xmc.engine.row_adamw import RowAdamW
from vision_xmc.engine.sharding import Shards
from vision_xmc.engine.task import Task


def plain(
    rows: list[list[float]], gradients: list[dict[int, list[float]]], decay: float
) -> list[list[float]]:
    """The formulas of the docstring, one number at a time: rate 0.1, betas (0.9, 0.8)."""
    squares, counts = [0.0] * len(rows), [0] * len(rows)
    rows = [list(row) for row in rows]
    for gradient in gradients:
        for number, g in gradient.items():
            counts[number] += 1
            squares[number] = 0.8 * squares[number] + 0.2 * sum(x * x for x in g) / len(g)
            size = math.sqrt(squares[number] / (1 - 0.8 ** counts[number])) + 1e-8
            rows[number] = [
                (1 - 0.1 * decay) * w - 0.1 * x / size for w, x in zip(rows[number], g, strict=True)
            ]
    return rows


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_rows(decay: float) -> None:
    torch.manual_seed(1)
    embedding = nn.Embedding(5, 3, sparse=True, dtype=torch.float64)
    start = embedding.weight.tolist()
    optimizer = RowAdamW(embedding.parameters(), lr=0.1, betas=(0.9, 0.8), weight_decay=decay)
    seen: list[dict[int, list[float]]] = []
    for step in range(6):
        # Row 1 is looked up twice, row 4 never, and row 3 only in some updates.
        numbers = torch.tensor([0, 1, 1, 2] if step % 3 else [1, 3])
        factors = torch.randn(len(numbers), 3, dtype=torch.float64)
        (embedding(numbers) * factors).sum().backward()
        sums: dict[int, Tensor] = {}
        for number, factor in zip(numbers.tolist(), factors, strict=True):
            sums[number] = sums.get(number, 0) + factor
        seen.append({number: total.tolist() for number, total in sums.items()})
        optimizer.step()
        assert embedding.weight.grad is None
    expected = torch.tensor(plain(start, seen, decay), dtype=torch.float64)
    torch.testing.assert_close(embedding.weight.detach(), expected, rtol=1e-6, atol=1e-7)
    assert optimizer.state[embedding.weight]["step"].tolist() == [4, 6, 4, 2, 0]


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_rows_of_dense_gradients(decay: float) -> None:
    """Groups with ``row_wise`` are trained as if sparse gradients held every row."""
    torch.manual_seed(1)
    start, factors = torch.randn(5, 3), torch.randn(6, 5, 3)
    # A row whose gradient is zero has no step, but decays.
    factors[:, 2] = 0

    def trained(sparse: bool) -> Tensor:
        embedding = nn.Embedding.from_pretrained(start.clone(), freeze=False, sparse=sparse)
        group = {"params": [embedding.weight], "row_wise": not sparse}
        optimizer = RowAdamW([group], lr=0.1, betas=(0.9, 0.8), weight_decay=decay)
        for factor in factors:
            (embedding(torch.arange(5)) * factor).sum().backward()
            optimizer.step()
        assert optimizer.state[embedding.weight].keys() == {"step", "row_squares"}
        return embedding.weight.detach()

    torch.testing.assert_close(trained(sparse=False), trained(sparse=True), rtol=0, atol=0)


def test_dense_gradients_are_trained_as_by_adamw() -> None:
    def trained(cls: type[torch.optim.Optimizer]) -> Tensor:
        torch.manual_seed(1)
        layer = nn.Linear(3, 2)
        optimizer = cls(layer.parameters(), lr=0.1)
        for _ in range(3):
            layer(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return layer.weight.detach()

    assert torch.equal(trained(RowAdamW), trained(torch.optim.AdamW))


class TwoParts(Task):
    def __init__(self, sparse: bool) -> None:
        self.model = nn.ModuleDict({"words": nn.Embedding(6, 2, sparse=sparse), "out": nn.Linear(2, 1)})

    def loss(self, batch: Any) -> dict[str, Tensor]:
        return {"loss": self.model["out"](self.model["words"](batch)).sum()}

    def metrics(self, batch: Any) -> dict[str, Tensor]:
        return {}

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        parts = (("words", 0.1), ("out", 1.0))
        return [{"params": list(self.model[name].parameters()), "lr_scale": scale} for name, scale in parts]


@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_counts_sparse_gradients(max_norm: float) -> None:
    def gradients(sparse: bool) -> list[Tensor]:
        torch.manual_seed(1)
        task = TwoParts(sparse)
        task.loss(torch.tensor([1, 4, 1]))["loss"].backward()
        norm = Shards({}, Accelerator(cpu=True)).clip_gradients(task.model, max_norm)
        found = [parameter.grad for parameter in task.model.parameters()]
        return [norm, *(grad.to_dense() if grad.is_sparse else grad for grad in found if grad is not None)]

    for one, other in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(one, other)


def test_groups_scale_the_rate(tmp_path: Path) -> None:
    optimizer = new_optimizer(TwoParts(True), options(tmp_path, optimizer="adamw"))
    assert isinstance(optimizer, RowAdamW)
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]


def test_sgd_with_weight_decay_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has neither weight decay"):
        new_optimizer(TwoParts(True), options(tmp_path, weight_decay=0.1))
    new_optimizer(TwoParts(False), options(tmp_path, weight_decay=0.1))
