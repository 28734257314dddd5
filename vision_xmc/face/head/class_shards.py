"""A margin classifier over very many classes, of which each process holds a part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.heads.precision import at_least_float32
from mhe_nmt.margin import Margin
from vision_xmc.engine.collectives import example_counts, gather_examples, own_examples, world
from vision_xmc.engine.sharding import own_rows
from vision_xmc.face.head.block_sampler import BlockSampler, Draw
from vision_xmc.face.head.sharded_nll import ShardedNll

#: Rows that are drawn from one random generator. Another number would change the weights of a seed.
CHUNK = 1024


@dataclass(frozen=True)
class ClassifierOutput:
    """Result of :meth:`ClassShards.forward`.

    Attributes:
        nll: losses of this process's examples in nats, ``(n,)``, float32 or wider.
        trained: number of classes in the normaliser, over all processes.
        over_budget: number of classes by which the targets alone exceed the budget.
        blocks: number of drawn blocks.
    """

    nll: Tensor
    trained: int
    over_budget: int = 0
    blocks: int = 0


class ClassShards(nn.Module):
    r"""Cross entropy over scaled cosines to ``V`` class directions, with a margin on the true class.

    Process ``r`` of ``P`` holds only its rows of the ``V × d`` matrix,
    :func:`vision_xmc.engine.sharding.own_rows`. Features and labels of all processes are gathered, every
    process scores all of them against its classes, and only two numbers per example are exchanged
    (:class:`vision_xmc.face.head.sharded_nll.ShardedNll`). Losses and gradients are those of one process with
    the whole batch and all classes. Model-parallel ArcFace is from Deng et al., 2019, and An et al., 2021.

    With a ``sampler``, an update scores the targets of the whole batch and the classes of drawn blocks, and
    only these get a gradient. A drawn class that is not a target counts ``1/q`` times (log-Q), which makes
    the normaliser unbiased. With ``log_q=False`` it counts once, as in Partial FC.

    Everything is computed in float32 or wider, whatever the features are and also under autocast: in half
    precision, a cosine times 64 would be off by up to a quarter.

    Args:
        embedding: ``d``.
        classes: ``V``.
        margin: the margin on the cosines to true classes.
        sampler: draws the classes to train against; ``None`` trains against all.
        log_q: see above.
        initial_norm: approximate length of the rows at the start. Only their directions count, but a step of
            SGD turns a row by an angle in proportion to ``1 / length²``.
        seed: of the initial weights, which do not depend on the number of processes.

    Raises:
        ValueError: for fewer than two classes.

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
        """Losses of this process's examples; all processes must call it together.

        Args:
            features: ``(n, d)``; only their directions count.
            labels: ``(n,)`` int64.
            generator: draws the blocks; a generator of the CPU, in the same state on every process.
        """
        with torch.autocast(features.device.type, enabled=False):
            directions = F.normalize(at_least_float32(features), dim=-1)
            counts = example_counts(len(labels), labels.device)
            directions = gather_examples(directions, counts)
            labels = gather_examples(labels, counts)
            if self.sampler is None:
                nll = self._nll_of_all(directions, labels)
                return ClassifierOutput(own_examples(nll, counts), self.classes)
            targets = labels.unique()
            drawn = self.sampler.draw(len(targets), generator)
            others = drawn.labels[~torch.isin(drawn.labels, targets)]
            nll = self._nll_of_some(directions, labels, targets, others, drawn)
        return ClassifierOutput(
            own_examples(nll, counts),
            trained=len(targets) + len(others),
            over_budget=max(0, len(targets) - self.sampler.budget),
            blocks=drawn.blocks,
        )

    def _nll_of_all(self, directions: Tensor, labels: Tensor) -> Tensor:
        """Losses ``(N,)`` of all examples against all classes."""
        rows = torch.nonzero(self._is_local(labels)).squeeze(-1)
        return self._nll(directions, self.weight, rows, labels[rows] - self.start, None)

    def _nll_of_some(
        self, directions: Tensor, labels: Tensor, targets: Tensor, others: Tensor, drawn: Draw
    ) -> Tensor:
        """Losses ``(N,)`` of all examples against the sorted ``targets`` and the ``others`` of a draw."""
        targets, others = targets[self._is_local(targets)], others[self._is_local(others)]
        shift = None
        if self.log_q and drawn.blocks:
            shift = directions.new_zeros(len(targets) + len(others))
            shift[len(targets) :] = -torch.tensor(drawn.q, dtype=shift.dtype).log()
        weight = self.weight.index_select(0, torch.cat((targets, others)) - self.start)
        rows = torch.nonzero(self._is_local(labels)).squeeze(-1)
        return self._nll(directions, weight, rows, torch.searchsorted(targets, labels[rows]), shift)

    def _nll(
        self, directions: Tensor, weight: Tensor, rows: Tensor, columns: Tensor, shift: Tensor | None
    ) -> Tensor:
        """Losses ``(N,)`` of all examples against the classes of ``weight``; else as :class:`ShardedNll`."""
        cosines = F.linear(directions, F.normalize(weight.to(directions.dtype), dim=-1))
        target_logits = self.margin(cosines[rows, columns])
        return ShardedNll.apply(cosines, target_logits, rows, columns, self.margin.scale, shift)

    def _is_local(self, labels: Tensor) -> Tensor:
        """Whether this process holds the rows of the classes ``labels``."""
        return (labels >= self.start) & (labels < self.end)

    def extra_repr(self) -> str:
        return f"classes={self.classes}, rows={self.start}…{self.end - 1}, log_q={self.log_q}"


def initial_rows(start: int, end: int, width: int, seed: int, norm: float = 1.0) -> Tensor:
    """Rows ``start … end - 1`` of a random matrix that never exists as a whole, ``(end - start, width)``.

    The elements are normal; the mean of the rows' squared lengths is ``norm`` squared. Each chunk of rows has
    its own generator, so a row does not depend on which other rows are asked for.
    """
    rows = torch.empty(end - start, width)
    for chunk in range(start // CHUNK, -(-end // CHUNK)):
        # torch's generator takes only 32 bits of a seed, too few to tell so many chunks and seeds apart.
        drawn = np.random.default_rng((seed, chunk)).standard_normal((CHUNK, width), dtype=np.float32)
        values = torch.from_numpy(drawn).mul_(norm / math.sqrt(width))
        first, last = max(start, chunk * CHUNK), min(end, (chunk + 1) * CHUNK)
        rows[first - start : last - start] = values[first - chunk * CHUNK : last - chunk * CHUNK]
    return rows
