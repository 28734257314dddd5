"""Sampling heads to test, and what a loss term of theirs has used."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from mhe_nmt import SamplingHead
from tests.mhe_nmt.oracles import by_label
from tests.mhe_nmt.strategies import Case, Code, shuffled

CODES = [
    Code(24, (6, 4)),
    Code(23, (8, 3), shuffled(23, 4)),
    Code(37, (5, 2, 4), shuffled(37, 1)),
    Code(9, (9, 2)),
]


def build(
    code: Code,
    fraction: float,
    scale: float = 1.0,
    draw_by: str = "uniform",
    positives: str = "block",
    unit: str = "block",
) -> SamplingHead:
    options = {"sample_fraction": fraction, "draw_by": draw_by, "positives": positives, "unit": unit}
    head = Case("sampling", code, options, in_features=4, seed=6).build(scale=scale)
    assert isinstance(head, SamplingHead)
    return head


def build_counted(code: Code, fraction: float, scale: float = 1.0) -> SamplingHead:
    """A head that draws by counts, with very unequal ones."""
    head = build(code, fraction, scale, "counts")
    set_counts(head, (torch.logspace(0, 2, head.num_blocks).long() - 1).tolist())
    return head


def set_counts(head: SamplingHead, of_blocks: list[int]) -> None:
    """So many targets of each block, all of them its first label; the next draw knows them."""
    head.target_counts.zero_()
    head.target_counts[:: head.block_size] = torch.tensor(of_blocks)
    head._restart_draws()


def build_beside_targets(code: Code, fraction: float, scale: float = 1.0) -> SamplingHead:
    return build(code, fraction, scale, positives="targets")


def blocks_of(code: Code) -> list[int]:
    """Block of each label: its first digit."""
    size = math.prod(code.radices[1:])
    return [rank // size for rank in (code.order or range(code.num_labels))]


def used_blocks(head: SamplingHead, code: Code, nll: Tensor) -> set[int]:
    """Blocks with any gradient from this loss term."""
    blocks = blocks_of(code)
    return {blocks[label] for label in used_labels(head, code, nll)}


def used_labels(head: SamplingHead, code: Code, nll: Tensor) -> set[int]:
    """Labels with any gradient from this loss term."""
    (grad,) = torch.autograd.grad(nll, head.matrix.weight, retain_graph=True)
    return set((by_label(grad, code.order) != 0).any(-1).nonzero()[:, 0].tolist())


def draws(head: SamplingHead, features: Tensor, target: Tensor, times: int) -> Iterator[Tensor]:
    head.train()
    with torch.no_grad():
        counts = head.target_counts.clone()
        for seed in range(times):
            torch.manual_seed(seed)
            head.target_counts.copy_(counts)
            yield head(features, target).nll
