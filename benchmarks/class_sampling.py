"""The peer of sampled blocks of classes: single classes drawn at random, as Partial FC does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.margin import Margin
from vision_xmc.models.class_shards import ClassifierOutput, initial_rows
from vision_xmc.models.sharded_nll import ShardedNll


class RandomClasses(nn.Module):
    """A margin classifier against the classes of the batch and single random others, on one process.

    Partial FC: An et al., "Killing Two Birds with One Stone: Efficient and Robust Training of Face
    Recognition CNNs by Partial FC", CVPR 2022, section 3.3 and algorithm 1. Every class gets a uniform random
    number, those of the batch a larger one, and the ``fraction · V`` largest are trained: their rows are
    copied out of the matrix, and everything after that is what :class:`vision_xmc.models.ClassShards` does.

    Args:
        embedding: ``d``.
        classes: ``V``.
        margin: on the cosines to true classes.
        fraction: share of the classes that is trained, targets included.
    """

    def __init__(self, embedding: int, classes: int, margin: Margin, fraction: float) -> None:
        super().__init__()
        self.classes, self.margin, self.budget = classes, margin, int(fraction * classes)
        self.weight = nn.Parameter(initial_rows(0, classes, embedding, seed=0))

    def sample(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Classes to train, sorted ``(n,)``: the distinct ``targets``, and others up to the budget."""
        if len(targets) >= self.budget:
            return targets
        chances = torch.rand(self.classes, generator=generator)
        chances[targets] = 2.0
        return chances.topk(self.budget).indices.sort().values

    def forward(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> ClassifierOutput:
        """Losses of features ``(N, d)`` with labels ``(N,)`` int64."""
        chosen = self.sample(labels.unique(), generator)
        rows, columns = torch.arange(len(labels)), torch.searchsorted(chosen, labels)
        weight = F.normalize(self.weight.index_select(0, chosen), dim=-1)
        cosines = F.linear(F.normalize(features, dim=-1), weight)
        target_logits = self.margin(cosines[rows, columns])
        nll = ShardedNll.apply(cosines, target_logits, rows, columns, self.margin.scale, None)
        return ClassifierOutput(nll, trained=len(chosen))
