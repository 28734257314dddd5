"""A margin classifier over very many classes, each process holding its part of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.heads.base import at_least_float32
from mhe_nmt.margin import Margin
from vision_xmc.engine.collectives import example_counts, gather_examples, own_examples, world
from vision_xmc.engine.sharding import own_rows
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.sharded_nll import ShardedNll

#: Rows that are drawn from one random generator; part of what the weights of a seed are.
CHUNK = 1024


@dataclass(frozen=True)
class ClassifierOutput:
    """Result of :meth:`ClassShards.forward`.

    Attributes:
        nll: ``(n,)``, at least float32: of this process's examples, in nats.
        trained: classes in the normaliser, over all processes.
        over_budget: classes by which the targets alone exceed the budget.
        blocks: blocks drawn.
    """

    nll: Tensor
    trained: int
    over_budget: int = 0
    blocks: int = 0


class ClassShards(nn.Module):
    r"""Scaled cosines to ``V`` class directions, a margin on the true one, cross entropy.

    Process ``r`` of ``P`` holds the rows :func:`vision_xmc.engine.sharding.own_rows` of the ``V × d`` matrix
    and nothing of the others. Features and labels of all processes are gathered, every process scores all of
    them against its classes, and only two numbers an example are exchanged
    (:class:`vision_xmc.face.head.sharded_nll.ShardedNll`). Losses and gradients are those of one process with
    the whole batch and all classes. Model-parallel ArcFace is from Deng et al., 2019, and An et al., 2021.

    With a ``sampler`` an update scores the targets of the whole batch and the classes of drawn blocks, and
    only these get a gradient. A drawn class that is no target stands for ``1/q`` classes (log-Q): the
    normaliser is unbiased. ``log_q=False`` counts it once, as Partial FC does.

    Computed in float32 whatever the features are, also under autocast: in half precision a cosine times 64
    would be off by up to a quarter.

    Args:
        embedding: ``d``.
        classes: ``V``.
        margin: on the cosines to true classes.
        sampler: of classes; ``None`` to train against all.
        log_q: see above.
        initial_norm: length of the rows at the start, about. Only their directions count, and a step of SGD
            turns a row by an angle that goes with ``1 / length²``.
        seed: of the initial weights, which do not depend on the number of processes.

    Shape:
        ``weight`` ``(end - start, d)``: the rows of classes ``start … end - 1``.
    """

    def __init__(
        self,
        embedding: int,
        classes: int,
        margin: Margin,
        *,
        sampler: BlockSampler | None = None,
        log_q: bool = True,
        initial_norm: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, got {classes}")
        self.classes, self.margin, self.log_q = classes, margin, log_q
        self.sampler = None if sampler is None or sampler.takes_all else sampler
        self.start, self.end = own_rows(classes, *world())
        self.weight = nn.Parameter(initial_rows(self.start, self.end, embedding, seed, initial_norm))

    def forward(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> ClassifierOutput:
        """Losses of this process's examples; all processes call it together.

        Args:
            features: ``(n, d)``, of any length; only their direction counts.
            labels: ``(n,)`` int64.
            generator: of the CPU, in the same state on every process; draws the blocks.
        """
        with torch.autocast(features.device.type, enabled=False):
            directions = F.normalize(at_least_float32(features), dim=-1)
            counts = example_counts(len(labels), labels.device)
            directions = gather_examples(directions, counts)
            labels = gather_examples(labels, counts)
            if self.sampler is None:
                nll = self._nll(directions, labels, None, None)
                return ClassifierOutput(own_examples(nll, counts), self.classes)
            targets = labels.unique()
            drawn = self.sampler.draw(len(targets), generator)
            others = drawn.labels[~torch.isin(drawn.labels, targets)]
            own_targets, own_others = self._own(targets), self._own(others)
            shift = None
            if self.log_q and drawn.blocks:
                shift = directions.new_zeros(len(own_targets) + len(own_others))
                shift[len(own_targets) :] = -torch.tensor(drawn.q, dtype=shift.dtype).log()
            nll = self._nll(directions, labels, (own_targets, own_others), shift)
        return ClassifierOutput(
            own_examples(nll, counts),
            trained=len(targets) + len(others),
            over_budget=max(0, len(targets) - self.sampler.budget),
            blocks=drawn.blocks,
        )

    def _nll(
        self, directions: Tensor, labels: Tensor, own: tuple[Tensor, Tensor] | None, shift: Tensor | None
    ) -> Tensor:
        """Losses ``(N,)`` of all examples against all classes, or the ``own`` targets and others."""
        rows = torch.nonzero((labels >= self.start) & (labels < self.end)).squeeze(-1)
        if own is None:
            weight: Tensor = self.weight
            columns = labels[rows] - self.start
        else:
            weight = self.weight.index_select(0, torch.cat(own) - self.start)
            columns = torch.searchsorted(own[0], labels[rows])
        cosines = F.linear(directions, F.normalize(weight.to(directions.dtype), dim=-1))
        target_logits = self.margin(cosines[rows, columns])
        return ShardedNll.apply(cosines, target_logits, rows, columns, self.margin.scale, shift)

    def _own(self, labels: Tensor) -> Tensor:
        return labels[(labels >= self.start) & (labels < self.end)]

    def extra_repr(self) -> str:
        return f"classes={self.classes}, own={self.start}…{self.end - 1}, log_q={self.log_q}"


def initial_rows(start: int, end: int, width: int, seed: int, norm: float = 1.0) -> Tensor:
    """Rows ``start … end - 1`` of a random matrix that is never there as a whole: ``(end - start, width)``.

    Normal, with ``norm`` squared as the mean of the rows' squared lengths. Chunks of rows have generators of
    their own, so that a row does not depend on which others are asked for.
    """
    rows = torch.empty(end - start, width)
    for chunk in range(start // CHUNK, -(-end // CHUNK)):
        # Not torch's generator: it takes 32 bits of a seed, too few to tell so many chunks and seeds apart.
        drawn = np.random.default_rng((seed, chunk)).standard_normal((CHUNK, width), dtype=np.float32)
        values = torch.from_numpy(drawn).mul_(norm / math.sqrt(width))
        first, last = max(start, chunk * CHUNK), min(end, (chunk + 1) * CHUNK)
        rows[first - start : last - start] = values[first - chunk * CHUNK : last - chunk * CHUNK]
    return rows
