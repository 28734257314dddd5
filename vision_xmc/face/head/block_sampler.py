"""Which classes an update trains: blocks of classes, drawn within a budget that its targets share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mhe_nmt import LabelCodec


@dataclass(frozen=True)
class Draw:
    """What is trained beside the targets.

    Attributes:
        labels: ``(n,)`` int64, classes of the drawn blocks, targets possibly among them.
        q: the probability with which each block was drawn.
        blocks: how many blocks were drawn.
    """

    labels: Tensor
    q: float
    blocks: int


class BlockSampler(nn.Module):
    """Draws blocks of classes uniformly, as many as fit into a budget beside the targets.

    MHS of the multi-head encoding paper (section 4.3): classes are codes of several digits, and the block of
    a first digit is drawn or left out as a whole. There the block of every target comes on top, so that a
    large batch trains nearly all classes. Here the targets alone come on top, as in Partial FC (An et al.,
    2021), and they count: ``targets + blocks · block_size <= budget``, whatever the batch. Only where the
    targets by themselves are more than the budget do they all stay, and no block is drawn.

    Args:
        classes: number of classes ``V``.
        radices: of :class:`mhe_nmt.LabelCodec`; the first one is the number of blocks.
        order: ``order[class] = code``; ``None`` for the identity.
        sample_fraction: share of the classes that is the budget, in ``(0, 1]``.

    Raises:
        ValueError: if the budget is less than a block, there are more blocks than classes, or the radices do
            not cover the classes.
    """

    def __init__(
        self,
        classes: int,
        radices: Sequence[int] | None = None,
        *,
        order: Tensor | None = None,
        sample_fraction: float = 0.25,
    ) -> None:
        super().__init__()
        if not 0.0 < sample_fraction <= 1.0:
            raise ValueError(f"the sample fraction must be above 0 and at most 1, got {sample_fraction}")
        if radices is not None and radices[0] > classes:
            raise ValueError(
                f"{radices[0]:,} blocks are more than the {classes:,} classes; the first radix is the number "
                "of blocks, give a smaller one"
            )
        self.codec = LabelCodec(classes, radices, order=order)
        self.block_size = self.codec.strides[0]
        self.num_blocks = self.codec.prefix_counts[0]
        self.sample_fraction = float(sample_fraction)
        self.budget = int(sample_fraction * classes)
        if self.budget < min(self.block_size, classes):
            raise ValueError(
                f"a share of {sample_fraction:g} of {classes:,} classes is {self.budget:,}, less than a "
                f"block of {self.block_size:,}; give a larger share, or a larger first radix for smaller "
                "blocks"
            )

    @property
    def takes_all(self) -> bool:
        """Whether the budget is all classes."""
        return self.budget >= self.codec.num_labels

    def draw(self, targets: int, generator: torch.Generator) -> Draw:
        """Blocks for an update with that many distinct targets, the same for equally seeded generators.

        Every block is as likely as any other, ``q = blocks drawn / blocks``, given the number of targets.

        Args:
            targets: distinct target classes.
            generator: of the CPU.
        """
        blocks = max(0, self.budget - targets) // self.block_size
        blocks = min(blocks, self.num_blocks)
        device = self.codec.radices.device
        chosen = torch.randperm(self.num_blocks, generator=generator)[:blocks].to(device)
        ranks = chosen.unsqueeze(-1) * self.block_size + torch.arange(self.block_size, device=device)
        ranks = ranks.flatten()
        labels = self.codec.labels(ranks[ranks < self.codec.num_labels])
        return Draw(labels, blocks / self.num_blocks, blocks)

    def extra_repr(self) -> str:
        return f"blocks={self.num_blocks}×{self.block_size}, budget={self.budget} of {self.codec.num_labels}"
