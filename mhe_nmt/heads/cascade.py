"""MHC, the cascade: each digit's softmax is conditioned on the digits before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt import waiting
from mhe_nmt.heads.base import HeadOutput, MultiHead
from mhe_nmt.heads.best_first import best_first_topk
from mhe_nmt.heads.budget import budget_topk
from mhe_nmt.heads.digit_terms import first_level_terms, level_terms, log_prob_of_digits
from mhe_nmt.heads.grouped import Grouping
from mhe_nmt.heads.label_matrix import LabelMatrix
from mhe_nmt.heads.precision import at_least_float32, log_softmax
from mhe_nmt.topk import TopKQuery

#: With fewer, a cascade by digit opens its prefixes in small rounds on a CPU.
FEWEST_LABELS_FOR_BUDGET = 128_000


class CascadeHead(MultiHead):
    r"""The chain rule over digits: ``P(y|x) = p(d_1|x) · p(d_2|x, d_1) · …``, no independence assumed.

    MHC of the paper (section 4.2) for one label per position, trained with true prefixes and decoded exactly.
    Unused codes are masked in every conditional, so the product is normalised over the ``V`` labels. Two ways
    to condition:

    * ``"table"``: every prefix has weights of its own. Those of the last digit are one row per label, ``V·d``
      in all, and can be tied to an embedding; a position only touches the blocks of its prefix, ``sum(b)``
      rows.
    * ``"digit"``: a digit's head is shared by all prefixes and sees the earlier digits through embeddings,
      ``softmax(W_h gelu(U_h x + sum_{j<h} E_hj[d_j]))``: parameters shrink as in the product head.

    Cost per position: ``sum(b)·d`` multiplications and ``sum(b)`` logits (``digit``: ``sum(b)·m`` and ``d·m``
    for each digit but the first, with ``m`` hidden features).

    The smoothing term is what the true branches contribute to ``-sum_y log P(y | x)``: a digit's
    ``-log p(d | x, true prefix)`` times the number of labels below it, summed over digits. The
    conditionals of other branches are left out, because they would cost as much as the full softmax; each of
    them would have the weight of its branch's share of the labels, as the true one has. Smoothing every digit
    with the same epsilon instead would blur a label as often as it has digits.

    Top-k is exact: prefixes are expanded best first until the best one left is below the current k-th label.

    Args:
        in_features, num_labels, radices, num_heads, order, ignore_index, label_smoothing: see
            :class:`MultiHead`.
        bias: adds a bias to every logit.
        conditioning: ``"table"`` or ``"digit"``.
        hidden_features: ``m``, for ``"digit"`` only; default ``d``.
        prototypes: ``J``, weight vectors per first digit, combined by log-sum-exp. In a full softmax the
            logit of a first digit would be the log-sum-exp of all its labels' logits, which no linear head
            can represent.
        projection: for ``"table"`` only: the last digit reads ``x + P x``, see :class:`ResidualProjection`.
        sparse: for ``"table"`` only: the gradient of ``leaf.weight`` holds only the blocks that occur, for an
            optimizer that takes sparse gradients.

    Shape:
        ``inner[0].weight`` ``(J·N_0, d)``; ``inner[h].weight`` ``(N_h, d)`` (table) or ``(b_h, m)`` (digit);
        ``leaf.weight`` ``(V, d)`` (table). ``N_h`` is the number of used prefixes of ``h + 1`` digits.
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
        conditioning: str = "table",
        hidden_features: int | None = None,
        prototypes: int = 1,
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
        if conditioning not in ("table", "digit"):
            raise ValueError(f"conditioning must be 'table' or 'digit', got {conditioning!r}")
        if hidden_features is not None and (conditioning != "digit" or hidden_features < 1):
            raise ValueError(
                f"hidden_features is a positive size for conditioning 'digit' only, got {hidden_features}"
            )
        if prototypes < 1:
            raise ValueError(f"prototypes must be at least 1, got {prototypes}")
        if projection and conditioning != "table":
            raise ValueError(
                "projection is for conditioning 'table' only; 'digit' has a hidden layer in its place"
            )
        if sparse and conditioning != "table":
            raise ValueError("sparse is for conditioning 'table' only; the weights of 'digit' are small")
        self.prototypes = prototypes
        self.conditioning = conditioning
        codec = self.codec

        def linear(inputs: int, outputs: int, bias: bool = bias) -> nn.Linear:
            return nn.Linear(inputs, outputs, bias=bias, device=device, dtype=dtype)

        # Rows of unused first digits would never be trained: the first head is only as wide as is used.
        if conditioning == "table":
            widths = [codec.prefix_counts[0] * prototypes, *codec.prefix_counts[1:-1]]
            self.inner = nn.ModuleList(linear(in_features, width) for width in widths)
            self.leaf = LabelMatrix(
                codec,
                in_features,
                codec.radix_list[-1],
                bias=bias,
                projection=projection,
                sparse=sparse,
                device=device,
                dtype=dtype,
            )
        else:
            hidden = hidden_features or in_features
            radices = codec.radix_list
            self.inner = nn.ModuleList(
                [linear(in_features, codec.prefix_counts[0] * prototypes)]
                + [linear(hidden, radix) for radix in radices[1:]]
            )
            self.hidden = nn.ModuleList(linear(in_features, hidden, bias=True) for _ in radices[1:])
            self.digit_embeddings = nn.ModuleList(
                nn.ModuleList(
                    nn.Embedding(radix, hidden, device=device, dtype=dtype) for radix in radices[:level]
                )
                for level in range(1, codec.num_heads)
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of standard deviation ``1 / sqrt(inputs)``, unit digit embeddings, zero biases."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight)
            elif isinstance(module, LabelMatrix):
                module.reset_parameters()

    def tie_weight(self, weight: nn.Parameter) -> None:
        if self.conditioning != "table":
            super().tie_weight(weight)
        self._check_tied(weight)
        self.leaf.tie(weight)

    def extra_repr(self) -> str:
        more = f", prototypes={self.prototypes}" if self.prototypes > 1 else ""
        if self.conditioning == "table" and self.leaf.projection is not None:
            more += ", projection"
        return f"{super().extra_repr()}, conditioning={self.conditioning}{more}"

    # One digit, given the digits before it.

    def _inputs(self, level: int, features: Tensor) -> Tensor:
        """What digit ``level`` reads of ``x`` ``(n, d)``: ``x`` itself, ``x + P x`` or ``U_h x``."""
        if level and self.conditioning == "digit":
            return self.hidden[level - 1](features)
        if self.conditioning == "table" and level == self.codec.num_heads - 1:
            return self.leaf.inputs(features)
        return features

    def _level_log_prob(self, level: int, inputs: Tensor, prefixes: Tensor) -> Tensor:
        """Conditional log-probabilities of digit ``level`` after ``prefixes``.

        Args:
            level: from 1 on.
            inputs: ``(n, d)`` or ``(n, m)``, see :meth:`_inputs`.
            prefixes: ``(n,)`` codes of the first ``level`` digits.

        Returns:
            ``(n, b)``, -inf at unused codes.
        """
        if self.conditioning == "digit":
            logits = self._digit_logits(level, inputs, prefixes)
            return log_prob_of_digits(self.codec, level, logits, prefixes)
        grouping = self._grouping(level, prefixes)
        logits = self._table_logits(level, grouping.sort(inputs), grouping)
        return grouping.unsort(log_prob_of_digits(self.codec, level, logits, grouping.branches))

    def _grouping(self, level: int, prefixes: Tensor) -> Grouping:
        return Grouping(prefixes, self.codec.prefix_counts[level - 1], self.codec.constants)

    def _table_logits(self, level: int, sorted_inputs: Tensor, grouping: Grouping) -> Tensor:
        """Logits ``(n, b)`` of digit ``level``, from inputs ``(n, d)`` that are sorted by prefix."""
        if level == self.codec.num_heads - 1:
            return self.leaf.block_logits(sorted_inputs, grouping)
        linear = cast(nn.Linear, self.inner[level])
        return grouping.linear(sorted_inputs, linear.weight, linear.bias, self.codec.radix_list[level])

    def _first_logits(self, features: Tensor) -> Tensor:
        logits = self.inner[0](features)
        if self.prototypes > 1:
            logits = at_least_float32(logits).unflatten(-1, (-1, self.prototypes)).logsumexp(-1)
        return logits

    def _first_log_prob(self, features: Tensor) -> Tensor:
        # The first head is as wide as its digits are used.
        return log_softmax(self._first_logits(features))

    def _digit_logits(self, level: int, projected: Tensor, prefixes: Tensor) -> Tensor:
        """Logits ``(…, b)`` from ``U_h x`` ``(…, m)`` and prefixes that broadcast to ``(…)``."""
        for j, embedding in enumerate(cast(nn.ModuleList, self.digit_embeddings[level - 1])):
            stride = self.codec.strides[j] // self.codec.strides[level - 1]
            digits = prefixes if stride == 1 else prefixes.div(stride, rounding_mode="floor")
            projected = projected + embedding(digits.remainder(self.codec.radix_list[j]) if j else digits)
        return self.inner[level](F.gelu(projected))

    # The verbs.

    def _forward(self, features: Tensor, target: Tensor, ignored: Tensor | None, smooth: bool) -> HeadOutput:
        codec = self.codec
        ranks = codec.ranks(target)
        prefixes = codec.prefixes(ranks, 0)
        total = first_level_terms(codec, self._first_log_prob(features), prefixes, smooth)
        for level in range(1, codec.num_heads):
            inputs = self._inputs(level, features)
            codes = codec.prefixes(ranks, level)
            digits = codes.remainder(codec.radix_list[level])
            if self.conditioning == "digit":
                logits = self._digit_logits(level, inputs, prefixes)
                terms = level_terms(codec, level, logits, digits, prefixes, smooth)
            else:
                # Terms are computed in sorted order, so that only they must be put back.
                grouping = self._grouping(level, prefixes)
                logits = self._table_logits(level, grouping.sort(inputs), grouping)
                terms = level_terms(codec, level, logits, grouping.sort(digits), grouping.branches, smooth)
                terms = [grouping.unsort(term) for term in terms]
            total = [sum_ + term for sum_, term in zip(total, terms, strict=True)]
            prefixes = codes
        return HeadOutput(-total[0], -total[1] if smooth else None)

    def _log_prob(self, features: Tensor) -> Tensor:
        codec = self.codec
        total = self._first_log_prob(features)
        for level in range(1, codec.num_heads):
            width, count = codec.radix_list[level], codec.prefix_counts[level]
            prefixes = torch.arange(total.size(-1), device=features.device)
            inputs = self._inputs(level, features)
            if self.conditioning == "table":
                last = level == codec.num_heads - 1
                logits = self.leaf.logits_by_rank(inputs) if last else self.inner[level](inputs)
                logits = F.pad(logits, (0, -count % width)).unflatten(-1, (-1, width))
            else:
                logits = self._digit_logits(level, inputs.unsqueeze(1), prefixes)
            log_prob = log_prob_of_digits(codec, level, logits, prefixes)
            total = (total.unsqueeze(-1) + log_prob).flatten(1)[:, :count]
        return codec.to_label_order(total)

    def _precompute(self, features: Tensor) -> _Shared:
        inputs = [self._inputs(level, features) for level in range(self.codec.num_heads)]
        return _Shared(self._first_log_prob(features), inputs)

    def _score(self, features: Tensor, labels: Tensor, shared: _Shared) -> Tensor:
        codec = self.codec
        ranks = codec.ranks(labels)
        prefixes = codec.prefixes(ranks, 0)
        total = shared.first_log_prob.gather(-1, prefixes)
        rows = codec.constants.arange(len(features), features.device).unsqueeze(-1)
        for level in range(1, codec.num_heads):
            count = codec.prefix_counts[level - 1]
            if waiting.may_wait(features):
                # Labels of one row often share their prefix, so each branch of a row is computed once.
                pairs, place = (rows * count + prefixes).unique(return_inverse=True)
                owners, branches = pairs.div(count, rounding_mode="floor"), pairs.remainder(count)
            else:
                place = None
                owners, branches = rows.expand_as(prefixes).flatten(), prefixes.flatten()
            log_prob = self._level_log_prob(level, shared.inputs[level].index_select(0, owners), branches)
            codes = codec.prefixes(ranks, level)
            digits = codes.remainder(codec.radix_list[level])
            if place is None:
                total = total + log_prob.gather(-1, digits.view(-1, 1)).view(digits.shape)
            else:
                total = total + log_prob[place, digits]
            prefixes = codes
        return total

    def _topk(self, features: Tensor, query: TopKQuery, shared: _Shared) -> tuple[Tensor, Tensor]:
        def expand(level: int, rows: Tensor, prefixes: Tensor) -> Tensor:
            return self._level_log_prob(level, shared.inputs[level].index_select(0, rows), prefixes)

        def dense(rows: Tensor) -> Tensor:
            return self._log_prob(features.index_select(0, rows))

        search = budget_topk if self._searches_by_budget(query.scores) else best_first_topk
        return search(self.codec, shared.first_log_prob, expand, dense, query)

    def _searches_by_budget(self, scores: Tensor) -> bool:
        """Whether one large round beats several small ones, as ``benchmarks.decoding`` measures it."""
        if not waiting.may_wait(scores):
            return True
        return self.conditioning == "digit" and self.num_labels >= FEWEST_LABELS_FOR_BUDGET


class _Shared(NamedTuple):
    """What does not depend on prefixes: the first digit's scores ``(N, b)``, and each digit's inputs."""

    first_log_prob: Tensor
    inputs: list[Tensor]
