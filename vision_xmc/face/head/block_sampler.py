"""Draws the classes that an update trains: blocks of classes, within a budget that includes its targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mhe_nmt import LabelCodec
from mhe_nmt.radices import smallest_radices


@dataclass(frozen=True)
class Draw:
    """The classes that an update trains in addition to its targets.

    Attributes:
        labels: ``(n,)`` int64, classes of the drawn blocks; targets may be among them.
        q: the probability with which each block was drawn.
        blocks: number of drawn blocks.
    """

    labels: Tensor
    q: float
    blocks: int


class BlockSampler(nn.Module):
    """Draws blocks of classes uniformly, as many as fit into a budget together with the targets.

    This is MHS of the multi-head encoding paper (section 4.3): classes are codes of several digits, and the
    block of a first digit is drawn or left out as a whole. The paper adds the block of every target, so a
    large batch trains nearly all classes. Here only the targets themselves are added, as in Partial FC (An et
    al., 2021), and they count: ``targets + blocks · block_size <= budget``, whatever the batch. If the
    targets alone exceed the budget, all of them are trained and no block is drawn.

    Args:
        classes: number of classes ``V``.
        radices: of :class:`mhe_nmt.LabelCodec`; the first one is the number of blocks. Default:
            :func:`mhe_nmt.radices.smallest_radices`.
        order: ``order[class] = code``; ``None`` for the identity.
        sample_fraction: the budget as a share of the classes, in ``(0, 1]``.

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
                f"{radices[0]:,} blocks are more than the {classes:,} classes; give a smaller first radix, "
                "which is the number of blocks"
            )
        # No product is grouped by blocks here, so their sizes need not be multiples of anything.
        radices = smallest_radices(classes, 2) if radices is None else radices
        self.codec = LabelCodec(classes, radices, order=order)
        self.block_size = self.codec.strides[0]
        self.num_blocks = self.codec.prefix_counts[0]
        self.sample_fraction = float(sample_fraction)
        self.budget = int(sample_fraction * classes)
        if self.budget < min(self.block_size, classes):
            raise ValueError(
                f"a share of {sample_fraction:g} of {classes:,} classes is {self.budget:,}, less than a "
                f"block of {self.block_size:,}; give a larger share, or smaller blocks by a larger first "
                "radix"
            )

    @property
    def takes_all(self) -> bool:
        """Whether the budget covers all classes."""
        return self.budget >= self.codec.num_labels

    def draw(self, targets: int, generator: torch.Generator) -> Draw:
        """Draws the blocks of an update; generators in the same state draw the same blocks.

        Given the number of targets, every block has the same probability, ``q = drawn blocks / all blocks``.

        Args:
            targets: number of distinct target classes.
            generator: a generator of the CPU.
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
