"""One decoding step: what its columns mean, what the step forbids or forces, and the heads' scores in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mhe_nmt import OutputHead
from mhe_nmt.topk import repeats


@dataclass(frozen=True)
class ColumnLayout:
    """What the columns stand for that fairseq's generator gets in place of the ``V`` labels.

    * Columns ``0 … R - 1`` are the labels with the same numbers. ``R`` is large enough for fairseq's special
      symbols, so that ``lprobs[:, self.eos]`` and the like keep their meaning in the generator.
    * Column ``R`` is the *gate*. Its score is 0 until the generator does something to all words, such as
      closing a row that has reached its last step. The generator then changes the gate too, and the search,
      which finds all other labels, sees it there.

    Where the search reads about as many labels as there are, every label has its own column and there is no
    gate.
    """

    num_labels: int
    #: ``R``.
    num_special: int
    every_label: bool

    @classmethod
    def of(cls, num_labels: int, num_special: int, needed: int) -> ColumnLayout:
        """The layout for a search that reads ``needed`` labels per row."""
        return cls(num_labels, num_special, every_label=2 * num_special + needed >= num_labels)

    @property
    def own(self) -> int:
        """How many leading columns are the labels with the same numbers."""
        return self.num_labels if self.every_label else self.num_special

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.num_labels if self.every_label else self.num_special + 1


@dataclass(eq=False)
class StepState:
    """Everything that is known about one decoding step; each step has a new one.

    A row is one hypothesis; the rows of a sentence are consecutive.
    """

    layout: ColumnLayout
    #: One head per model.
    heads: Sequence[OutputHead]
    #: ``(rows, d)`` per model: the decoder's output at the last position.
    features: list[Tensor]
    #: ``(n,)`` int64: labels that must not be chosen in this step, in no row; ``None`` for none.
    suppressed: Tensor | None = None
    #: ``(rows, n)`` int64: labels that n-gram blocking strikes out of each row, -1 for none.
    banned: Tensor | None = None
    #: ``(rows,)`` int64: the label that a prefix forces into the gate's column of each row, -1 for none.
    forced: Tensor | None = None

    @cached_property
    def precomputed(self) -> list[Any]:
        """What :meth:`score` and :meth:`best` share when they see all rows; one entry per head."""
        return [head.precompute(rows) for head, rows in zip(self.heads, self.features, strict=True)]

    def column_scores(self) -> Tensor:
        """Log-probabilities of the columns, ``(rows, width)``; 0 in the gate."""
        if self.layout.every_label:
            return self._average(
                [head.log_prob(rows) for head, rows in zip(self.heads, self.features, strict=True)]
            )
        special = torch.arange(self.layout.num_special, device=self.features[0].device)
        special = special.expand(len(self.features[0]), -1)
        return torch.nn.functional.pad(self.score_all(special), (0, 1))

    def score(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Log-probabilities of ``labels`` ``(n, K)`` in the rows with the numbers ``rows`` ``(n,)``."""
        scores = [
            head.score(features.index_select(0, rows), labels)
            for head, features in zip(self.heads, self.features, strict=True)
        ]
        return self._average(scores)

    def score_all(self, labels: Tensor) -> Tensor:
        """Log-probabilities of ``labels`` ``(rows, K)`` in all rows."""
        scores = [
            head.score(features, labels, shared)
            for head, features, shared in zip(self.heads, self.features, self.precomputed, strict=True)
        ]
        return self._average(scores)

    def best(
        self, scores: Tensor, count: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The best continuations of the first ``B`` hypotheses of each sentence.

        Args:
            scores: ``(S, B)``, see :meth:`mhe_nmt.OutputHead.beam_topk`.
            count: how many continuations per sentence; at most ``B·V``.
            exclude: ``(V,)`` bool, True for labels that must not be found; or ``None``.

        Returns:
            log-probabilities, beams and labels, each ``(S, count)``; the best sum of score and
            log-probability comes first.
        """
        num_sentences, beam = scores.shape
        features = [rows.view(num_sentences, -1, rows.size(-1))[:, :beam] for rows in self.features]
        all_rows = scores.numel() == len(self.features[0])
        shared = self.precomputed if all_rows else [None] * len(self.heads)
        if len(self.heads) == 1:
            return self.heads[0].beam_topk(features[0], scores, count, exclude, shared[0])
        first_rows = torch.arange(num_sentences, device=scores.device) * (
            len(self.features[0]) // num_sentences
        )
        num_labels, fetched = self.layout.num_labels, count
        while True:
            lists = [
                head.beam_topk(rows, scores, fetched, exclude, precomputed)
                for head, rows, precomputed in zip(self.heads, features, shared, strict=True)
            ]
            # Continuations of all models, each of them once, are scored by all models.
            ids = torch.cat(
                [
                    (beams * num_labels + labels).where(~log_probs.isneginf(), -1)
                    for log_probs, beams, labels in lists
                ],
                dim=-1,
            )
            ids = ids.sort(dim=-1).values
            spare = repeats(ids) | (ids < 0)
            ids = ids.clamp(min=0)
            beams = ids.div(num_labels, rounding_mode="floor")
            labels = ids - beams * num_labels
            rows = (first_rows.unsqueeze(-1) + beams).flatten()
            log_probs = self.score(rows, labels.view(-1, 1)).view(labels.shape).masked_fill(spare, -math.inf)
            sums, index = (scores.gather(-1, beams) + log_probs).topk(count, dim=-1)
            # A continuation that is on no model's list has, under each model, at most the last sum of that
            # model's list. A list that ends in -inf holds every continuation that the model has.
            last = [(scores.gather(-1, beams) + log_probs)[:, -1] for log_probs, beams, _ in lists]
            complete = (sums[:, -1] >= self._average(last)) | torch.stack(last).isneginf().any(0)
            if bool(complete.all()):
                return log_probs.gather(-1, index), beams.gather(-1, index), labels.gather(-1, index)
            fetched = min(2 * fetched, beam * num_labels)

    def _average(self, scores: list[Tensor]) -> Tensor:
        """Log of the mean probability, as fairseq averages an ensemble."""
        if len(scores) == 1:
            return scores[0]
        return torch.logsumexp(torch.stack(scores), dim=0) - math.log(len(scores))


class CurrentStep:
    """The one place where the parts of a generator find the state of the step that is being decoded.

    fairseq's generator calls the ensemble, ``_prefix_tokens``, the n-gram blocker and the search in this
    order, and hands tensors from one to the next but nothing else. All four therefore share one object of
    this class. The ensemble puts a new state into it at the start of each step.
    """

    state: StepState
