"""No tensor of rows x V anywhere in loss, gradient, score or search of the heads that promise it.

A dispatch mode looks at every result of every operation, in the backward pass too.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.mhe_nmt.strategies import KINDS, Case, Code, shuffled

SPARSE = (
    "product",
    "mixture",
    "cascade",
    "cascade-digit",
    "cascade-digit-hidden",
)
CODES = {
    "full": Code(2500, (50, 50)),
    "some unused": Code(2480, (50, 50), shuffled(2480, 1)),
    "most unused": Code(2480, (90, 80), shuffled(2480, 2)),
    "three digits": Code(9990, (20, 25, 20), shuffled(9990, 3)),
    "wide middle": Code(9990, (10, 125, 8)),
}


class Widest(TorchDispatchMode):
    """Keeps the number of elements of the largest new tensor, and what made it."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.offenders: list[str] = []
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.seen = max(self.seen, leaf.numel())
                if leaf.numel() >= self.limit:
                    self.offenders.append(f"{func} -> {tuple(leaf.shape)}")
        return out


def build(kind: str, code: Code, scale: float) -> tuple[Any, Tensor, Tensor]:
    """Head, features and targets; rows enough that rows x V exceeds every parameter."""
    name, options = KINDS[kind]
    case = Case(name, code, options, in_features=16, seed=1)
    head = case.build(dtype=torch.float32, scale=scale * 16**-0.5)
    rows = 64
    assert all(parameter.numel() * 2 < rows * code.num_labels for parameter in head.parameters())
    return head, case.features((4, rows // 4), torch.float32), case.labels((4, rows // 4))


def test_the_watch_sees_a_wide_tensor() -> None:
    """The test of the test: dense verbs and the full softmax are caught, forward and backward."""
    head, features, target = build("onehot", CODES["full"], 1.0)
    for verb, inputs in (
        (head.log_prob, (features,)),
        (head, (features, target)),
        (head.topk, (features, 2)),
    ):
        with Widest(64 * 2500) as watch:
            verb(*inputs)
        assert watch.offenders
    loss = head.log_prob(features).sum()
    with Widest(64 * 2500) as watch:
        loss.backward()
    assert watch.offenders
    head, features, target = build("product", CODES["full"], 1.0)
    with Widest(64 * 2500) as watch:
        head.log_prob(features)
    assert watch.offenders


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_loss_and_gradient(kind: str, code: Code) -> None:
    head, features, target = build(kind, code, 1.0)
    head.train()
    head.label_smoothing = 0.1
    features.requires_grad_()
    with Widest(64 * code.num_labels) as watch:
        head.loss(features, target).backward()
    assert not watch.offenders, watch.offenders


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_score(kind: str, code: Code) -> None:
    head, features, target = build(kind, code, 1.0)
    with Widest(64 * code.num_labels) as watch:
        head.score(features, target.unsqueeze(-1).expand(4, 16, 3))
    assert not watch.offenders, watch.offenders


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
@pytest.mark.parametrize("k", [1, 5, 12])
def test_topk_of_peaked_distributions(kind: str, code: Code, k: int) -> None:
    head, features, _ = build(kind, code, 8.0)
    with Widest(64 * code.num_labels) as watch:
        values, labels = head.topk(features, k)
    assert not watch.offenders, watch.offenders
    dense = head.log_prob(features).detach()
    torch.testing.assert_close(values, dense.topk(k).values, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(values, dense.gather(-1, labels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("scale", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("code", [CODES["some unused"], CODES["three digits"], CODES["wide middle"]])
def test_topk_of_flat_distributions(kind: str, scale: float, code: Code) -> None:
    """No promise of speed, but still not all rows at once."""
    head, features, _ = build(kind, code, scale)
    with Widest(64 * code.num_labels) as watch:
        head.topk(features, 5)
    assert not watch.offenders, watch.offenders


@pytest.mark.parametrize("kind", ["product", "mixture", "cascade", "cascade-digit"])
def test_width_is_rows_times_the_sum_of_the_radices(kind: str) -> None:
    name, options = KINDS[kind]
    case = Case(name, Code(39_997, (200, 200)), options, in_features=4)
    head = case.build(dtype=torch.float32)
    features, target = case.features((256,), torch.float32), case.labels((256,))
    with torch.no_grad(), Widest(1 << 62) as watch:
        head(features, target)
    assert watch.seen <= 2 * 256 * options.get("groups", 1) * (200 + 200)
