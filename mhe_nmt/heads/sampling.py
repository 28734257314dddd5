"""MHS, the sampling head: trained on a draw of labels, used as a full softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.heads.base import HeadOutput, MultiHead, at_least_float32
from mhe_nmt.heads.chunked import chunked_terms
from mhe_nmt.heads.label_matrix import LabelMatrix
from mhe_nmt.heads.onehot import OneHotHead

POWER = 0.75
"""The probability of a draw grows with the count of targets to this power."""


class SamplingHead(MultiHead):
    r"""A full softmax whose training step scores a fixed budget of its labels.

    MHS of the paper (section 4.3). In training mode a position's normaliser is exact over some labels, the
    *positives*, and estimated for all others from ``m`` units that are drawn without replacement and shared
    by all positions of the call: ``Z ≈ sum_positives exp(s) + sum_drawn exp(s) / q``. Here ``q`` is the
    probability that this unit is drawn (the log-Q correction), which makes the estimate of ``Z`` unbiased.
    In evaluation mode every verb is the exact full softmax; :meth:`to_onehot` exports it.

    ``unit`` says what is drawn. ``"label"`` draws single labels, so that rare labels do not come along with a
    frequent one: less noise for the same number of trained rows. Radices and label order then mean nothing.
    ``"block"``, as in the paper, sees the ``V × d`` matrix as blocks of ``prod(b_2 … b_H)`` rows, one block
    for each first digit.

    ``positives`` says which labels are exact. ``"targets"``: the targets of the call, like the positive
    classes of Partial FC (An et al., 2021). All positions share one small matrix, nothing but drawn labels
    and targets is trained, and the targets, which are among the likeliest labels, are all exact. This suits
    batches whose targets are few of all labels. ``"block"``, as in the paper: the labels of the target's own
    block. The work per position is then the same whatever targets share its batch, but a large batch has
    targets in many blocks and trains far more than ``m`` of them.

    ``draw_by`` says how units are drawn; the estimate is only as good as the draw. ``"counts"``: ``q`` grows
    with the number of times that the unit's labels were targets so far, to the power 3/4 and up to 1, so
    that frequent labels are nearly always drawn. The power 1/2 has the least variance if a unit holds much
    of a position's mass about as often as it holds the target, the power 1 if all positions give it the same
    mass; between them lies the power by which Mikolov et al. (2013) draw negatives. Counts of positives are
    left out. ``"uniform"``: ``q = m / units`` for all, as in the paper.

    Cost per position in training: the logits of the distinct targets of the call and of ``m`` labels
    (``"block"``: of ``1 + m`` blocks) instead of ``V``. Parameters: ``V·(d + 1)``, or ``V`` when the weight
    is tied. Draws come from torch's generator, so ``torch.manual_seed`` repeats them.

    The smoothing term in training is the estimate of the vocabulary-wide sum with the same weights,
    ``-(sum_positives log p + sum_drawn log p / q)``; in evaluation it is exact.

    Args:
        in_features, num_labels, radices, num_heads, order, ignore_index, label_smoothing: see
            :class:`MultiHead`.
        bias: adds a bias per label.
        sample_fraction: share of the units that are drawn, in ``(0, 1]``; at least one unit is. 1 is the full
            softmax.
        draw_by: ``"counts"`` or ``"uniform"``, see above.
        positives: ``"targets"`` or ``"block"``, see above.
        unit: ``"label"`` or ``"block"``, see above.
        projection: the matrix reads ``x + P x``, see :class:`ResidualProjection`.

    Shape:
        ``matrix.weight`` ``(V, d)``, rows in label order. ``target_counts`` ``(V,)`` int64, by rank: how
        often each label was a target in training mode.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        radices: Sequence[int] | None = None,
        num_heads: int = 2,
        order: Sequence[int] | Tensor | None = None,
        bias: bool = True,
        sample_fraction: float = 0.25,
        draw_by: str = "counts",
        positives: str = "targets",
        unit: str = "label",
        projection: bool = False,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_features,
            num_labels,
            radices=radices,
            num_heads=num_heads,
            order=order,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            device=device,
        )
        if not 0.0 < sample_fraction <= 1.0:
            raise ValueError(f"sample_fraction must be in (0, 1], got {sample_fraction}")
        if draw_by not in ("counts", "uniform"):
            raise ValueError(f"draw_by must be 'counts' or 'uniform', got {draw_by!r}")
        self.sample_fraction = float(sample_fraction)
        if positives not in ("block", "targets"):
            raise ValueError(f"positives must be 'block' or 'targets', got {positives!r}")
        if unit not in ("block", "label"):
            raise ValueError(f"unit must be 'block' or 'label', got {unit!r}")
        self.draw_by = draw_by
        self.positives = positives
        self.unit = unit
        self.block_size = self.codec.strides[0] if unit == "block" else 1
        self.num_blocks = self.codec.prefix_counts[0] if unit == "block" else num_labels
        self.sampled_blocks = max(1, round(sample_fraction * self.num_blocks))
        self.matrix = LabelMatrix(
            self.codec, in_features, bias=bias, projection=projection, device=device, dtype=dtype
        )
        self.target_counts: Tensor
        counts = torch.zeros(num_labels, dtype=torch.int64, device=device)
        self.register_buffer("target_counts", counts)

    @property
    def used_fraction(self) -> float:
        """Share of the units that one position is trained against, at most 1: the draw, and its own block.

        With ``positives="targets"`` the draw alone; the distinct targets of a call are added to it.
        """
        whole_blocks = 1 if self.positives == "block" else 0
        return min(1.0, (whole_blocks + self.sampled_blocks) / self.num_blocks)

    def reset_parameters(self) -> None:
        self.matrix.reset_parameters()
        self.target_counts.zero_()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        # The first checkpoints counted no targets.
        name = f"{prefix}target_counts"
        counts = state_dict.setdefault(name, torch.zeros_like(self.target_counts))
        if len(counts) == self.num_blocks < self.num_labels:
            # Later ones counted per block; a block's sum is all that matters to a draw of blocks.
            state_dict[name] = torch.zeros_like(self.target_counts).to(counts.device)
            state_dict[name][:: self.block_size] = counts
        super()._load_from_state_dict(state_dict, prefix, *others)

    def tie_weight(self, weight: nn.Parameter) -> None:
        self._check_tied(weight)
        self.matrix.tie(weight)

    def extra_repr(self) -> str:
        units = f"{self.num_blocks} blocks of {self.block_size}" if self.unit == "block" else "labels"
        return (
            f"{super().extra_repr()}, drawn={self.sampled_blocks} of {units} by {self.draw_by}, "
            f"positives={self.positives}, used_fraction={self.used_fraction:.3f}"
        )

    def to_onehot(self) -> OneHotHead:
        """The same scores as a plain output layer, weights copied."""
        weight, bias, projection = self.matrix.weight, self.matrix.bias, self.matrix.projection
        head = OneHotHead(
            self.in_features,
            self.num_labels,
            bias=bias is not None,
            projection=projection is not None,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            device=weight.device,
            dtype=weight.dtype,
        )
        with torch.no_grad():
            head.weight.copy_(weight)
            if bias is not None and head.bias is not None:
                head.bias.copy_(bias)
            if projection is not None and head.projection is not None:
                head.projection.weight.copy_(projection.weight)
        return head

    def _forward(self, features: Tensor, target: Tensor, keep: Tensor | None, smooth: bool) -> HeadOutput:
        if self.training and self.sampled_blocks < self.num_blocks:
            return self._sampled_forward(features, self.codec.ranks(target))
        inputs, matrix = self.matrix.inputs(features), self.matrix
        return HeadOutput(*chunked_terms(inputs, matrix.weight, matrix.bias, target, smooth))

    def _sampled_forward(self, features: Tensor, ranks: Tensor) -> HeadOutput:
        counts = self.target_counts
        if self.positives == "targets" and self.draw_by == "counts":
            counts = counts.index_fill(0, ranks, 0)
        drawn, inverse_q = self._drawn_ranks(counts, at_least_float32(features[:0]).dtype)
        if self.draw_by == "counts":
            self.target_counts += ranks.bincount(minlength=self.num_labels)
        features = self.matrix.inputs(features)
        if self.positives == "targets":
            return self._forward_with_targets(features, ranks, drawn, inverse_q)
        own_block = ranks.div(self.block_size, rounding_mode="floor")
        return self._forward_with_own_blocks(features, ranks, own_block, drawn, inverse_q)

    def _forward_with_targets(
        self, features: Tensor, ranks: Tensor, drawn: Tensor, inverse_q: Tensor
    ) -> HeadOutput:
        exact, place = ranks.unique(return_inverse=True)
        is_exact = torch.zeros(self.num_labels, dtype=torch.bool, device=ranks.device)
        is_exact[exact] = True
        others = ~is_exact[drawn]
        weight = torch.cat([inverse_q.new_ones(len(exact)), inverse_q[others]])
        logits = self._logits(features, torch.cat([exact, drawn[others]]))
        log_z = (logits + weight.log()).logsumexp(-1, keepdim=True)
        log_prob = logits - log_z
        nll = -log_prob.gather(-1, place.unsqueeze(-1)).squeeze(-1)
        return HeadOutput(nll, -(log_prob * weight).sum(-1))

    def _forward_with_own_blocks(
        self, features: Tensor, ranks: Tensor, own_block: Tensor, drawn: Tensor, inverse_q: Tensor
    ) -> HeadOutput:
        size = self.block_size
        own_logits = at_least_float32(self.matrix.block_logits(features, own_block, size))
        drawn_logits = self._logits(features, drawn)

        absent = (own_block.unsqueeze(-1) * size + torch.arange(size, device=ranks.device)) >= self.num_labels
        own_logits = own_logits.masked_fill(absent, -torch.inf)
        is_own = drawn.div(size, rounding_mode="floor") == own_block.unsqueeze(-1)
        drawn_logits = drawn_logits.masked_fill(is_own, -torch.inf)
        log_z = torch.logaddexp(own_logits.logsumexp(-1), (drawn_logits + inverse_q.log()).logsumexp(-1))

        nll = log_z - own_logits.gather(-1, ranks.remainder(size).unsqueeze(-1)).squeeze(-1)
        own_sum = own_logits.masked_fill(absent, 0.0).sum(-1) - (~absent).sum(-1) * log_z
        drawn_sum = ((drawn_logits - log_z.unsqueeze(-1)) * inverse_q).masked_fill(is_own, 0.0).sum(-1)
        return HeadOutput(nll, -(own_sum + drawn_sum))

    def _logits(self, inputs: Tensor, ranks: Tensor) -> Tensor:
        """Scores ``(n, len(ranks))`` of the labels with these ranks."""
        labels, bias = self.codec.labels(ranks), self.matrix.bias
        weight = self.matrix.weight.index_select(0, labels)
        return at_least_float32(F.linear(inputs, weight, None if bias is None else bias[labels]))

    def _drawn_ranks(self, counts: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The ranks of the drawn blocks, and one over the probability with which each of them is drawn."""
        blocks, q = self._draw(counts)
        ranks = blocks.unsqueeze(-1) * self.block_size + torch.arange(self.block_size, device=blocks.device)
        inverse_q = q.to(dtype).reciprocal().repeat_interleave(self.block_size)
        present = ranks.flatten() < self.num_labels
        return ranks.flatten()[present], inverse_q[present]

    def _draw(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """The drawn blocks ``(m,)`` and the probability with which each of them is drawn.

        ``counts`` ``(V,)``, by rank, are what they are drawn by.
        """
        device, m = self.target_counts.device, self.sampled_blocks
        shuffled = torch.randperm(self.num_blocks, device=device)
        if self.draw_by == "uniform":
            return shuffled[:m], torch.full((m,), m / self.num_blocks, device=device)
        # One count more each, and a hundredth of the mean: blocks without targets are drawn now and then.
        padding = self.num_blocks * self.block_size - self.num_labels
        of_blocks = F.pad(counts, (0, padding)).view(self.num_blocks, -1).sum(-1).double()
        q = _inclusion_probabilities((of_blocks + 1 + 0.01 * of_blocks.mean()) ** POWER, m)[shuffled]
        # Systematic sampling: m points at distance 1 meet intervals of lengths q, which sum to m.
        points = torch.arange(m, dtype=q.dtype, device=device) + torch.rand((), dtype=q.dtype, device=device)
        places = torch.searchsorted(q.cumsum(0), points, right=True).clamp(max=self.num_blocks - 1)
        return shuffled[places], q[places]

    def _log_prob(self, features: Tensor) -> Tensor:
        logits = F.linear(self.matrix.inputs(features), self.matrix.weight, self.matrix.bias)
        return at_least_float32(logits).log_softmax(-1)

    def _score(self, features: Tensor, labels: Tensor, shared: Any) -> Tensor:
        return self._log_prob(features).gather(-1, labels)


def _inclusion_probabilities(weights: Tensor, m: int) -> Tensor:
    """Proportional to ``weights`` ``(n,)``, at most 1, ``m < n`` in sum."""
    ordered, index = weights.sort(descending=True)
    certain = torch.arange(len(weights), device=weights.device)
    rest = ordered.flip(0).cumsum(0).flip(0)
    # The fewest certain ones such that no other one would have more than 1.
    fits = (m - certain) * ordered <= rest
    s = fits.to(torch.int8).argmax()
    scaled = ((m - s) * ordered / rest[s]).masked_fill(certain < s, 1.0)
    return torch.empty_like(scaled).scatter_(0, index, scaled)
