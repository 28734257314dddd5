"""MHS, the sampling head: trained on a draw of labels, used as a full softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt import waiting
from mhe_nmt.heads.base import HeadOutput, MultiHead
from mhe_nmt.heads.chunked import chunked_terms
from mhe_nmt.heads.grouped import Grouping
from mhe_nmt.heads.label_matrix import LabelMatrix
from mhe_nmt.heads.onehot import OneHotHead
from mhe_nmt.heads.precision import at_least_float32, log_softmax, without_autocast
from mhe_nmt.heads.strata import Strata

POWER = 0.75
"""The probability of a draw grows with the count of targets to this power."""

FEWEST_CALLS_PER_STRATA, MOST_CALLS_PER_STRATA = 16, 256
"""Strata are made anew after an eighth of the calls so far, but not after fewer or more than this."""

CALLS_TO_REPEAT = 64
"""So many calls can be computed again in one backward pass; few strata belong to them."""

NEVER = -1e4
"""In place of the logarithm of a weight of 0: exp gives 0, and unlike -inf it can be multiplied by that."""


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
    mass; between them lies the power by which Mikolov et al. (2013) draw negatives. Units stand in ``m``
    strata of about equal probability, and one is drawn from each (:mod:`mhe_nmt.heads.strata`). Strata are
    made anew as the counts grow, after an eighth of the calls so far, so that a step has no part that grows
    with ``V``. A positive that is drawn counts once, exactly. ``"uniform"``: ``q = m / units`` for all, as in
    the paper.

    Cost per position in training: the logits of the distinct targets of the call and of ``m`` labels
    (``"block"``: of ``1 + m`` blocks) instead of ``V``. Parameters: ``V·(d + 1)``, or ``V`` when the weight
    is tied. Draws come from torch's generator, so ``torch.manual_seed`` repeats them.

    The smoothing term in training is the estimate of the vocabulary-wide sum with the same weights,
    ``-(sum_positives log p + sum_drawn log p / q)``; in evaluation it is exact.

    Args:
        in_features, num_labels, radices, num_heads, order, ignore_index, label_smoothing: see
            :class:`MultiHead`.
        bias: adds a bias per label.
        sparse: the gradient of ``matrix.weight`` holds only the rows of targets and drawn labels, for an
            optimizer that takes sparse gradients.
        sample_fraction: share of the units that are drawn, in ``(0, 1]``; at least one unit is. 1 is the full
            softmax.
        draw_by: ``"counts"`` or ``"uniform"``, see above.
        positives: ``"targets"`` or ``"block"``, see above.
        unit: ``"label"`` or ``"block"``, see above.
        projection: the matrix reads ``x + P x``, see :class:`ResidualProjection`.

    Shape:
        ``matrix.weight`` ``(V, d)``, see :class:`LabelMatrix`. ``target_counts`` and ``drawn_counts``
        ``(V,)`` int64, by rank: how often each label was a target in training mode, until now and until the
        strata were made.
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
        sparse: bool = False,
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
            self.codec,
            in_features,
            self.block_size,
            bias=bias,
            projection=projection,
            sparse=sparse,
            device=device,
            dtype=dtype,
        )
        self.target_counts: Tensor
        self.drawn_counts: Tensor
        for name in ("target_counts", "drawn_counts"):
            self.register_buffer(name, torch.zeros(num_labels, dtype=torch.int64, device=device))
        self._restart_draws()

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
        self.drawn_counts.zero_()
        self._restart_draws()

    def _restart_draws(self, calls: int = 0, next_strata: int = 0) -> None:
        self._calls, self._next_strata = calls, next_strata
        self._strata: Strata | None = None
        self._recent: list[tuple[float, Strata]] = []

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        # Whoever resumes goes on with the same strata.
        destination[f"{prefix}draws"] = torch.tensor([self._calls, self._next_strata])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        # The first checkpoints counted no targets.
        name = f"{prefix}target_counts"
        counts = state_dict.setdefault(name, torch.zeros_like(self.target_counts))
        # Version 0.2 made new strata for each draw.
        draws = state_dict.pop(f"{prefix}draws", None)
        self._restart_draws(*(0, 0) if draws is None else draws.tolist())
        state_dict.setdefault(f"{prefix}drawn_counts", torch.zeros_like(self.target_counts))
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
        (weight, bias), projection = self.matrix.by_label(), self.matrix.projection
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

    def _forward(self, features: Tensor, target: Tensor, ignored: Tensor | None, smooth: bool) -> HeadOutput:
        if self.training and self.sampled_blocks < self.num_blocks:
            return self._sampled_forward(features, self.codec.ranks(target), ignored, smooth)
        inputs, matrix = self.matrix.inputs(features), self.matrix
        rows = target if matrix.is_scattered else self.codec.ranks(target)
        return HeadOutput(*chunked_terms(inputs, matrix.weight, matrix.bias, rows, smooth))

    def _sampled_forward(
        self, features: Tensor, ranks: Tensor, ignored: Tensor | None, smooth: bool
    ) -> HeadOutput:
        drawn, log_weight = self._drawn_ranks(features.device)
        if self.draw_by == "counts" and not _is_recomputing():
            ones = torch.ones_like(ranks) if ignored is None else (~ignored).to(ranks.dtype)
            self.target_counts.index_add_(0, ranks, ones)
        inputs = self.matrix.inputs(features)
        if self.positives == "targets":
            return self._forward_with_targets(inputs, ranks, drawn, log_weight, smooth)
        return self._forward_with_own_blocks(inputs, ranks, drawn, log_weight, smooth)

    def _forward_with_targets(
        self, inputs: Tensor, ranks: Tensor, drawn: Tensor, log_weight: Tensor, smooth: bool
    ) -> HeadOutput:
        # The one thing that the host waits for: how many targets are distinct.
        exact, place = ranks.unique(return_inverse=True)
        nearest = torch.searchsorted(exact, drawn).clamp(max=len(exact) - 1)
        drawn, log_weight = _without(exact.index_select(0, nearest) == drawn, drawn, log_weight)
        log_weight = torch.cat([log_weight.new_zeros(len(exact)), log_weight])
        logits = at_least_float32(self.matrix.logits_of(inputs, torch.cat([exact, drawn])))
        # Weights of the exact ones are 1: there this is their log-probability.
        weighted = log_softmax(logits.add_(log_weight.to(logits.dtype)))
        nll = -weighted.gather(-1, place.unsqueeze(-1)).squeeze(-1)
        return HeadOutput(nll, _weighted_sum(weighted, log_weight) if smooth else None)

    def _forward_with_own_blocks(
        self, inputs: Tensor, ranks: Tensor, drawn: Tensor, log_weight: Tensor, smooth: bool
    ) -> HeadOutput:
        size = self.block_size
        grouping = Grouping(ranks.div(size, rounding_mode="floor"), self.num_blocks, self.codec.constants)
        own_block, sorted_ranks = grouping.branches.unsqueeze(-1), grouping.sort(ranks)
        sorted_inputs = grouping.sort(inputs)
        own_ranks = own_block * size + self.codec.constants.arange(size, ranks.device)
        own_logits = at_least_float32(self.matrix.block_logits(sorted_inputs, grouping))
        own_logits = own_logits.masked_fill(own_ranks >= self.num_labels, NEVER)
        drawn_logits = at_least_float32(self.matrix.logits_of(sorted_inputs, drawn))
        is_own = drawn.div(size, rounding_mode="floor") == own_block
        log_weights = log_weight.to(own_logits.dtype).masked_fill(is_own, NEVER)
        weighted = log_softmax(torch.cat([own_logits, drawn_logits + log_weights], dim=-1))
        nll = -weighted.gather(-1, sorted_ranks.remainder(size).unsqueeze(-1)).squeeze(-1)
        if not smooth:
            return HeadOutput(grouping.unsort(nll), None)
        own_weights = torch.zeros_like(own_logits).masked_fill(own_ranks >= self.num_labels, NEVER)
        smoothing = _weighted_sum(weighted, torch.cat([own_weights, log_weights], dim=-1))
        return HeadOutput(grouping.unsort(nll), grouping.unsort(smoothing))

    def _drawn_ranks(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The ranks of the drawn units, and -log of the probability with which each of them is drawn."""
        units, log_weight = self._draw(device)
        size = self.block_size
        if size == 1:
            return units, log_weight
        ranks = (units.unsqueeze(-1) * size + self.codec.constants.arange(size, device)).flatten()
        log_weight = log_weight.unsqueeze(-1).expand(-1, size).flatten()
        ranks, log_weight = _without(ranks >= self.num_labels, ranks, log_weight)
        return ranks.clamp(max=self.num_labels - 1), log_weight

    def _draw(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The drawn units ``(m,)`` and -log of the probability with which each of them is drawn."""
        m = self.sampled_blocks
        if self.draw_by == "uniform":
            units = torch.randperm(self.num_blocks, device=device)[:m]
            return units, torch.full((m,), math.log(self.num_blocks / m), device=device)
        return self._strata_of_this_call(device).draw()

    def _strata_of_this_call(self, device: torch.device) -> Strata:
        """Today's strata, made anew from the counts now and then: seldom, once the counts hardly change.

        Under activation checkpointing a call is computed again during the backward pass. It is known by a
        number of the generator, whose state is then restored, and gets the strata that it had.
        """
        call = float(torch.rand((), device="cpu"))
        if _is_recomputing():
            for number, strata in self._recent:
                if number == call:
                    return strata
            raise RuntimeError(
                "the sampling head cannot repeat its draw in a backward pass: activation checkpointing must "
                f"restore the generator (preserve_rng_state) and may span {CALLS_TO_REPEAT} calls at most"
            )
        if self._calls >= self._next_strata:
            self.drawn_counts.copy_(self.target_counts)
            self._strata = None
            calls = max(FEWEST_CALLS_PER_STRATA, min(self._calls // 8, MOST_CALLS_PER_STRATA))
            self._next_strata = self._calls + calls
        if self._strata is None or self._strata.units.device != device:
            self._strata = Strata.of(self._draw_weights(), self.sampled_blocks)
        self._calls += 1
        self._recent = [*self._recent[1 - CALLS_TO_REPEAT :], (call, self._strata)]
        return self._strata

    def _draw_weights(self) -> Tensor:
        """What the probabilities of units are to be proportional to: ``(units,)`` float64."""
        counts = self.drawn_counts.double()
        if self.block_size > 1:
            counts = F.pad(counts, (0, -self.num_labels % self.block_size)).view(self.num_blocks, -1).sum(-1)
        # One count more each, and a hundredth of the mean: units without targets are drawn now and then.
        return (counts + 1 + 0.01 * counts.mean()) ** POWER

    def _log_prob(self, features: Tensor) -> Tensor:
        return log_softmax(self.matrix.logits_by_label(self.matrix.inputs(features)))

    def _score(self, features: Tensor, labels: Tensor, shared: Any) -> Tensor:
        return self._log_prob(features).gather(-1, labels)


def _without(unwanted: Tensor, ranks: Tensor, log_weight: Tensor) -> tuple[Tensor, Tensor]:
    """Ranks and weights ``(m,)`` without the unwanted ones; on a device they stay, with no weight."""
    if waiting.may_wait(ranks):
        places = (~unwanted).nonzero().squeeze(-1)
        return ranks.index_select(0, places), log_weight.index_select(0, places)
    return ranks, log_weight.masked_fill(unwanted, NEVER)


def _weighted_sum(weighted: Tensor, log_weight: Tensor) -> Tensor:
    """``-sum w · (weighted - log w)`` over the last dimension: w, whose logarithm is NEVER, is 0.

    Weights are ``(K,)``, or ``(n, K)`` as ``weighted`` is.
    """
    log_weight = log_weight.to(weighted.dtype)
    weight = log_weight.exp()
    if log_weight.dim() > 1:
        return ((log_weight - weighted) * weight).sum(-1)
    # One product over all positions makes no tensor of their size. Autocast would round both factors.
    with without_autocast(weighted.device):
        return (log_weight * weight).sum() - weighted @ weight


def _is_recomputing() -> bool:
    """Whether a backward pass is running: then a forward pass repeats an earlier one."""
    return torch._C._current_graph_task_id() != -1
