"""How a device sees a step: few kernels, and nothing that the host must wait for.

Operations are counted on a CPU that is treated as a device: heads take the ways that they take there, and
grouped products are those of ``grouped_mm``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mhe_nmt import OutputHead, build_head, waiting
from mhe_nmt.heads import grouped_products

V, D = 2048, 16
VIEWS = {
    "view", "_unsafe_view", "expand", "slice", "select", "transpose", "t", "permute", "unsqueeze", "squeeze",
    "split",
    "split_with_sizes", "detach", "alias", "as_strided", "_reshape_alias", "empty", "empty_like", "new_empty",
    "_local_scalar_dense", "unbind", "lift_fresh", "promote_types",
}  # fmt: skip
WAITS = {
    "_local_scalar_dense", "nonzero", "_unique2", "unique_consecutive", "unique_dim", "bincount",
    "masked_select",
    "equal", "histc",
}  # fmt: skip
ORDER = torch.randperm(V, generator=torch.Generator().manual_seed(3))
HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "full softmax": ("onehot", {}),
    "product": ("product", {}),
    "product, 8 groups": ("product", {"groups": 8}),
    "cascade by table": ("cascade", {}),
    "cascade by table, label order": ("cascade", {"order": ORDER}),
    "cascade by digit": ("cascade", {"conditioning": "digit"}),
    "sampling": ("sampling", {"sample_fraction": 0.15}),
}
#: Kernels of a training step (forward and backward, without adding to gradients that are there) and what it
#: waits for. Sampling also reads a number that the host has drawn itself.
TRAINING = {
    "full softmax": (45, 0),
    "product": (70, 0),
    "product, 8 groups": (90, 0),
    "cascade by table": (90, 0),
    "cascade by table, label order": (90, 0),
    "cascade by digit": (100, 0),
    "sampling": (110, 2),
}
#: Kernels of a decoding step.
DECODING = {"product": 60, "product, 8 groups": 120, "cascade by table": 90, "cascade by digit": 70}


class Count(TorchDispatchMode):
    """Operations that are no views, and those for which a device makes the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1]
        masks = name.startswith("index") and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool
            for index in (args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ())
        )
        if name in WAITS or masks:
            self.waits[name] += 1
        if name not in VIEWS:
            self.kernels[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def as_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "may_wait", lambda tensor: False)
    monkeypatch.setattr(grouped_products, "_way", lambda rows, weight, width: "grouped_mm")


def training_step(head: OutputHead, autocast: bool) -> Count:
    dtype = next(head.parameters()).dtype
    features = torch.randn(96, D, dtype=dtype, requires_grad=True)
    target = torch.randint(4, head.num_labels, (96,))
    target[:7] = 1
    for _ in range(2):  # the second step: what is made once is made by then
        head.zero_grad()
        features.grad = None
        with Count() as count:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                loss = head.loss(features, target)
            loss.backward()
    assert bool(torch.isfinite(features.grad).all())
    return count


@pytest.mark.parametrize("mode", ["float32", "bfloat16", "autocast"])
@pytest.mark.parametrize("name", HEADS)
def test_a_training_step(name: str, mode: str) -> None:
    kind, options = HEADS[name]
    head = build_head(kind, D, V, ignore_index=1, label_smoothing=0.1, **options).train()
    count = training_step(head.bfloat16() if mode == "bfloat16" else head, mode == "autocast")
    most, waits = TRAINING[name]
    assert count.waits.total() <= waits, count.waits
    assert count.kernels.total() <= most, count.kernels


@pytest.mark.parametrize("name", DECODING)
def test_a_decoding_step(name: str) -> None:
    """As many sentences as can be certain at once: their features are sharp."""
    kind, options = HEADS[name]
    torch.manual_seed(0)
    head = build_head(kind, D, V, bias=False, **options).eval()
    features, scores = 8 * torch.randn(12, 5, D), -torch.rand(12, 5).cumsum(-1)
    exclude = torch.zeros(V, dtype=torch.bool)
    exclude[:4] = True
    special = torch.arange(4).expand(60, -1)
    for _ in range(2):
        with torch.no_grad(), Count() as count:
            shared = head.precompute(features.view(60, D))
            head.score(features.view(60, D), special, shared)
            head.beam_topk(features, scores, 10, exclude, shared)
    assert count.waits.total() <= 1, count.waits
    assert count.kernels.total() <= DECODING[name], count.kernels


@pytest.mark.parametrize("name", HEADS)
def test_kernels_do_not_grow_with_the_number_of_branches(name: str) -> None:
    kind, options = HEADS[name]
    options = {key: value for key, value in options.items() if key != "order"}
    counts = [
        training_step(build_head(kind, D, size, ignore_index=1, **options).train(), False).kernels.total()
        for size in (2048, 32768)
    ]
    assert counts[0] == counts[1]
