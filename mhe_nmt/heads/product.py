"""MHP, the product of independent digit softmaxes, and its grouped forms (G-MHE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt import waiting
from mhe_nmt.heads.base import HeadOutput, MultiHead
from mhe_nmt.heads.mixture import Mixture, add_in_log_space, sum_in_order
from mhe_nmt.heads.precision import at_least_float32, log_softmax, without_autocast
from mhe_nmt.heads.used_codes import log_used_mass, prefix_boxes
from mhe_nmt.topk import TopKQuery, certified_topk, repeats, staircase


class ProductHead(MultiHead):
    r"""One small softmax per digit, independent given the features.

    ``P(y|x) = prod_h softmax(W_h x)[d_h] / Z``: MHP of the paper (section 4.1), with ``Z`` the mass of the
    used codes, so that the loss is a true negative log-likelihood over the ``V`` labels. It equals a full
    softmax whose weight rows are ``W[y] = sum_h W_h[d_h]``. ``groups > 1`` gives G-MHE (the paper's Eq. 16)
    in one of two forms:

    * ``"mixture"``: ``P(y|x) = sum_g pi_g(x) P_g(y|x)``, each ``P_g`` a product as above. Never V-wide.
    * ``"joint"``: ``P(y|x) = softmax_y(sum_g prod_h O^g_h[d_h])`` with raw scores ``O``, as the paper writes
      it. Its weights are small, but its normaliser is V-wide, and so are all its verbs.

    Cost per position: ``G·d·sum(b)`` multiplications and ``G·sum(b)`` logits. Parameters:
    ``G·(d + 1)·sum(b)``, and ``G·(d + 1)`` for the mixture's weights.

    The smoothing term is exact for ``groups=1`` (a digit's count times its log-probability, summed) and for
    the joint form. The logarithm of a mixture does not split over digits; there the term is
    ``-sum_g pi_g(x) sum_y log P_g(y|x)``, which by Jensen's inequality is at least the exact one.

    Top-k is exact: inside each prefix box of used codes only digit tuples with ``prod(rank + 1) <= k`` can
    matter; for mixtures the groups' candidates are rescored until a bound proves that none is missing.

    Args:
        in_features, num_labels, radices, num_heads, order, ignore_index, label_smoothing: see
            :class:`MultiHead`.
        bias: adds a bias to every logit.
        groups: ``G``; 1 is MHP.
        form: ``"mixture"`` or ``"joint"``; read only where ``groups > 1``.

    Shape:
        weight ``(G·sum(b), d)``: for each head, for each group, the ``b_h`` rows of its digits.
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
        groups: int = 1,
        form: str = "mixture",
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
        if groups < 1:
            raise ValueError(f"groups must be at least 1, got {groups}")
        if form not in ("mixture", "joint"):
            raise ValueError(f"form must be 'mixture' or 'joint', got {form!r}")
        if form == "joint" and groups < 2:
            raise ValueError(
                "the joint form needs groups of at least 2; with one group use the plain product"
            )
        self.groups = int(groups)
        self.form = form
        self.boxes = prefix_boxes(self.codec.last_digits(), self.codec.radix_list)
        rows = self.groups * sum(self.codec.radix_list)
        self.weight = nn.Parameter(torch.empty(rows, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(rows, device=device, dtype=dtype)) if bias else None
        self.prior: nn.Linear | None = None
        if groups > 1 and form == "mixture":
            self.prior = nn.Linear(in_features, groups, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights; logits of variance 1 for unit features, and for the joint form their sum too."""
        std = self.in_features**-0.5
        if self.form == "joint":
            # A sum over G of products over H of N(0, s^2) scores has variance G * s^(2H).
            std *= self.groups ** (-0.5 / self.codec.num_heads)
        nn.init.normal_(self.weight, std=std)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.prior is not None:
            nn.init.normal_(self.prior.weight, std=self.in_features**-0.5)
            nn.init.zeros_(self.prior.bias)

    def extra_repr(self) -> str:
        form = f", form={self.form}" if self.groups > 1 else ""
        return f"{super().extra_repr()}, groups={self.groups}{form}"

    # Scores of digits.

    def _digit_logits(self, features: Tensor) -> list[Tensor]:
        """Per head ``(N, G, b_h)``."""
        return self._per_head(at_least_float32(F.linear(features, self.weight, self.bias)))

    def _per_head(self, logits: Tensor) -> list[Tensor]:
        pieces = logits.split([self.groups * radix for radix in self.codec.radix_list], dim=-1)
        return [
            piece.unflatten(-1, (self.groups, radix))
            for piece, radix in zip(pieces, self.codec.radix_list, strict=True)
        ]

    def _digit_log_probs(self, features: Tensor) -> tuple[list[Tensor], Tensor | None, Tensor | None]:
        """Per head ``(N, G, b_h)``; log mass of used codes ``(N, G)``; log mixture weights ``(N, G)``."""
        log_prior = None
        if self.prior is None:
            digit_logits = self._digit_logits(features)
        elif waiting.may_wait(features):
            digit_logits, log_prior = self._digit_logits(features), log_softmax(self.prior(features))
        else:
            # One product in place of two, at the price of copying weights that are small.
            rows = len(self.weight)
            weight = torch.cat((self.weight, self.prior.weight))
            if self.bias is None:
                bias = F.pad(self.prior.bias, (rows, 0))
            else:
                bias = torch.cat((self.bias, self.prior.bias))
            logits = F.linear(features, weight, bias)
            digits, prior = at_least_float32(logits).split([rows, self.groups], dim=-1)
            digit_logits, log_prior = self._per_head(digits), log_softmax(prior)
        log_probs = [log_softmax(logits) for logits in digit_logits]
        return log_probs, log_used_mass(log_probs, self.codec.last_digits()), log_prior

    @staticmethod
    def _gather(scores: list[Tensor], digits: list[Tensor]) -> list[Tensor]:
        """Scores ``(N, G, b_h)`` at digits ``(N, K)``: per head ``(N, G, K)``."""
        groups = scores[0].size(1)
        return [
            head.gather(-1, digit.unsqueeze(1).expand(-1, groups, -1))
            for head, digit in zip(scores, digits, strict=True)
        ]

    def _mixture_score(
        self, log_probs: list[Tensor], log_mass: Tensor | None, log_prior: Tensor | None, digits: list[Tensor]
    ) -> Tensor:
        """Log-probabilities ``(N, K)`` of digits, ``(N, K)`` per head."""
        per_group = self._normalised(sum_in_order(self._gather(log_probs, digits)), log_mass)
        if log_prior is None:
            return per_group.squeeze(1)
        return add_in_log_space((per_group + log_prior.unsqueeze(-1)).unbind(1))

    @staticmethod
    def _normalised(scores: Tensor, log_mass: Tensor | None) -> Tensor:
        """``(N, G, K)`` sums of digit log-probabilities less the log mass ``(N, G)``."""
        return scores if log_mass is None else scores - log_mass.unsqueeze(-1)

    # The verbs.

    def _forward(self, features: Tensor, target: Tensor, ignored: Tensor | None, smooth: bool) -> HeadOutput:
        if self.form == "joint":
            log_prob = self._joint_log_prob(features)
            nll = -log_prob.gather(-1, target.unsqueeze(-1)).squeeze(-1)
            return HeadOutput(nll, -log_prob.sum(-1) if smooth else None)
        log_probs, log_mass, log_prior = self._digit_log_probs(features)
        digits = self.codec.digits(self.codec.ranks(target))
        picked = sum_in_order(
            [
                scores.gather(-1, digit.view(-1, 1, 1).expand(-1, self.groups, -1)).squeeze(-1)
                for scores, digit in zip(log_probs, digits, strict=True)
            ]
        )
        nll = -picked if log_mass is None else log_mass - picked
        smoothing = self._smoothing(log_probs, log_mass) if smooth else None
        if log_prior is None:
            return HeadOutput(nll.squeeze(1), None if smoothing is None else smoothing.squeeze(1))
        return HeadOutput(*Mixture.apply(log_prior, nll, smoothing))

    def _smoothing(self, log_probs: list[Tensor], log_mass: Tensor | None) -> Tensor:
        """``-sum_y log P_g(y | x)``, ``(N, G)``."""
        # Autocast would round the counts and the scores.
        with without_autocast(log_probs[0].device):
            parts = [scores @ self._minus_counts(h, scores) for h, scores in enumerate(log_probs)]
        smoothing = sum_in_order(parts)
        return smoothing if log_mass is None else smoothing.add(log_mass, alpha=self.num_labels)

    def _minus_counts(self, head: int, scores: Tensor) -> Tensor:
        """Minus the number of labels with each digit of ``head``, ``(b_head,)``, in the dtype of scores."""
        return self.codec.constants.get(
            ("minus counts", head, scores.dtype),
            scores.device,
            lambda device: -self.codec.label_counts(head).to(device, scores.dtype),
        )

    def _log_prob(self, features: Tensor) -> Tensor:
        if self.form == "joint":
            return self._joint_log_prob(features)
        log_probs, log_mass, log_prior = self._digit_log_probs(features)
        return self.codec.to_label_order(
            add_in_log_space(
                self._group_log_prob(group, log_probs, log_mass, log_prior) for group in range(self.groups)
            )
        )

    def _group_log_prob(
        self, group: int, log_probs: list[Tensor], log_mass: Tensor | None, log_prior: Tensor | None
    ) -> Tensor:
        """One group's part of the mixture, ``(N, V)`` by rank."""
        by_rank = log_probs[0][:, group]
        for scores in log_probs[1:]:
            by_rank = (by_rank.unsqueeze(-1) + scores[:, group].unsqueeze(-2)).flatten(-2)
        by_rank = by_rank[:, : self.num_labels]
        if log_mass is not None:
            by_rank = by_rank - log_mass[:, group, None]
        if log_prior is not None:
            by_rank = by_rank + log_prior[:, group, None]
        return by_rank

    def _precompute(self, features: Tensor) -> Any:
        return None if self.form == "joint" else self._digit_log_probs(features)

    def _score(self, features: Tensor, labels: Tensor, shared: Any) -> Tensor:
        if self.form == "joint":
            return self._joint_log_prob(features).gather(-1, labels)
        log_probs, log_mass, log_prior = shared
        return self._mixture_score(
            log_probs, log_mass, log_prior, self.codec.digits(self.codec.ranks(labels))
        )

    def _topk(self, features: Tensor, query: TopKQuery, shared: Any) -> tuple[Tensor, Tensor]:
        if self.form == "joint" or torch.compiler.is_compiling():
            # A graph cannot ask whether a bound holds.
            return super()._topk(features, query, shared)
        log_probs, log_mass, log_prior = shared

        def of(rows: Tensor | None, values: Tensor) -> Tensor:
            return values if rows is None else values.index_select(0, rows)

        def source(rows: Tensor | None, count: int) -> tuple[Tensor, Tensor, Tensor]:
            scores = [of(rows, head) for head in log_probs]
            mass = None if log_mass is None else of(rows, log_mass)
            values, ranks = self._group_candidates(scores, mass, count)
            if log_prior is None:
                values, ranks = values.squeeze(1), ranks.squeeze(1)
                bound = values.topk(count, dim=-1).values[:, -1]
                return values, self.codec.labels(ranks), bound
            prior = of(rows, log_prior)
            values, best = values.topk(count, dim=-1)
            ranks = ranks.gather(-1, best).flatten(1).sort(dim=-1).values
            rescored = self._mixture_score(scores, mass, prior, self.codec.digits(ranks))
            bound = (prior + values[..., -1]).logsumexp(1)
            # The slack covers the rounding of two different sums of the same terms.
            slack = 8 * torch.finfo(bound.dtype).eps * bound.abs().clamp(min=1)
            return rescored.masked_fill(repeats(ranks), -torch.inf), self.codec.labels(ranks), bound + slack

        def dense(rows: Tensor) -> Tensor:
            return self._log_prob(features.index_select(0, rows))

        def width(count: int) -> int:
            places = sum(len(staircase(box.limits, count, features.device)) for box in self.boxes)
            return self.groups * places

        first = self._first_candidates(query)
        return certified_topk(source, width, dense, query, first)

    def _first_candidates(self, query: TopKQuery) -> int:
        """How many candidates per row to begin with."""
        if self.groups == 1:
            # As many as are wanted would do; a few more show that no label ties with the last, and stand
            # in for labels that are excluded.
            return query.k + 4
        if not waiting.may_wait(query.scores):
            return query.k
        # The rows of a sentence share its k places, so each needs fewer than a row would alone.
        return max(-(-query.k // query.scores.size(1)), min(4, query.k)) + 1

    def _group_candidates(
        self, log_probs: list[Tensor], log_mass: Tensor | None, count: int
    ) -> tuple[Tensor, Tensor]:
        """At least each group's ``count`` best used codes: scores and ranks, ``(N, G, C)``."""
        device = log_probs[0].device
        values, ranks = [], []
        for box in self.boxes:
            fixed = len(box.prefix)
            sorted_heads = [
                scores[..., :limit].topk(min(count, limit), dim=-1)
                for scores, limit in zip(log_probs[fixed:], box.limits, strict=True)
            ]
            places = staircase(box.limits, count, device)
            parts = [scores[..., digit, None] for scores, digit in zip(log_probs, box.prefix, strict=False)]
            parts += [head.values[..., places[:, h]] for h, head in enumerate(sorted_heads)]
            values.append(self._normalised(sum_in_order(parts), log_mass))
            base = sum(digit * stride for digit, stride in zip(box.prefix, self.codec.strides, strict=False))
            ranks.append(
                base
                + sum_in_order(
                    [
                        head.indices[..., places[:, h]] * self.codec.strides[fixed + h]
                        for h, head in enumerate(sorted_heads)
                    ]
                )
            )
        return torch.cat(values, dim=-1), torch.cat(ranks, dim=-1)

    def _joint_log_prob(self, features: Tensor) -> Tensor:
        """``(N, d)`` to ``(N, V)`` for the joint form."""
        scores = self._digit_logits(features)
        with without_autocast(features.device):
            by_prefix = scores[0]
            for head in scores[1:-1]:
                by_prefix = (by_prefix.unsqueeze(-1) * head.unsqueeze(-2)).flatten(-2)
            by_rank = (by_prefix.mT @ scores[-1]).flatten(1)[:, : self.num_labels]
        return self.codec.to_label_order(by_rank.log_softmax(-1))
