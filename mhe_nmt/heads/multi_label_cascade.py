"""MHC for several labels per document: groups of labels first, then the labels of a few groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt.codec import LabelCodec
from mhe_nmt.heads.grouped import grouped_linear
from mhe_nmt.heads.multi_label import MultiLabelHead, MultiLabelOutput, init_linear
from mhe_nmt.heads.precision import at_least_float32


def best_num_groups(num_labels: int, candidates: int) -> int:
    """The ``G`` with the fewest logits per document, ``G + candidates · V / G``: a rounded square root."""
    return max(2, min(num_labels - 1, round(math.sqrt(num_labels * max(1, candidates)))))


class MultiLabelCascade(MultiLabelHead):
    r"""Scores groups of labels, then the labels of the candidate groups only.

    MHC of the paper (section 4.2) for several labels per document. A label's first digit is its group
    ``g(y)`` of ``w`` labels; ``log P(y | x) = log sigmoid(z_g(y)) + log sigmoid(s_y)``, with one logit ``z``
    per group and one ``s`` per label.

    **Loss**, in nats per document: a plain sum. Nothing is divided by the number of candidates, so that the
    terms of groups and of labels are on one scale whatever the sizes::

        sum over all groups g      BCE(z_g, a label of g is true)
      + sum over candidate groups  sum over their labels y   BCE(s_y, y is true)

    Candidates are the document's true groups and the ``candidates`` groups that score best at the moment,
    each once. With ``candidates=0`` this is the negative log-likelihood by the chain rule:
    ``sigmoid(s_y)`` is the probability of the label given that its group is true, and the score of a label is
    its marginal probability (a probabilistic label tree of two levels, Wydmuch et al. 2018, which show that
    ranking by it is consistent for precision at k). Wrong groups that the search would open add labels
    that are all false. Then ``sigmoid(s_y)`` is the probability given that the group is true or looks true,
    and the product, as in the paper, is a score rather than a probability; training sees what the search
    will see.

    A training step costs ``G·d`` per document for the groups and ``w·m`` for each candidate group, and never
    makes a tensor of documents × labels. :meth:`topk` is exact unless told otherwise: no label scores above
    its group, so groups are opened best first until none can hold a better label.

    Args:
        in_features, num_labels, hidden_features: see :class:`MultiLabelHead`. Only labels read the features
            through the bottleneck.
        num_groups: ``G``, from 2 to ``V - 1``; the last group may be short and, where ``V`` does not divide
            well, the number slightly smaller. Default: :func:`best_num_groups`.
        radices: in place of ``num_groups``: number of groups and labels per group, ``(b_1, b_2)``, with a
            product of at least ``V``.
        order: ``order[label] = rank``; runs of ranks are groups. Default: the identity.
        candidates: the largest number of wrong groups that training opens, see above.
        sparse: gradients of the labels' weights and biases hold only the rows of candidate groups, which
            needs an optimizer that takes sparse gradients; otherwise they are dense.

    Shape:
        ``groups.weight`` ``(G, d)``, ``label_weight.weight`` ``(V, m)`` and ``label_bias.weight`` ``(V, 1)``,
        rows in rank order, so that a group is one block.

    Raises:
        ValueError: for an option out of range.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        num_groups: int | None = None,
        radices: Sequence[int] | None = None,
        order: Sequence[int] | Tensor | None = None,
        hidden_features: int | None = None,
        candidates: int = 8,
        sparse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, num_labels, hidden_features=hidden_features, device=device, dtype=dtype)
        if candidates < 0:
            raise ValueError(f"candidates must be at least 0, got {candidates}")
        radices = _checked_radices(num_labels, num_groups, radices, candidates)
        self.codec = LabelCodec(num_labels, radices, order=order, device=device)
        self.num_groups, self.group_size = self.codec.prefix_counts[0], self.codec.strides[0]
        self.candidates = min(candidates, self.num_groups)
        self.sparse = sparse
        self.groups = nn.Linear(in_features, self.num_groups, device=device, dtype=dtype)
        self.label_weight = nn.Embedding(
            num_labels, self.label_features, sparse=sparse, device=device, dtype=dtype
        )
        self.label_bias = nn.Embedding(num_labels, 1, sparse=sparse, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of standard deviation ``inputs**-0.5``.

        Biases are such that at first one group in ``G`` is true, and in it one label in ``w``.
        """
        if self.bottleneck is not None:
            init_linear(self.bottleneck, 0.0)
        init_linear(self.groups, -math.log(self.num_groups))
        nn.init.normal_(self.label_weight.weight, std=self.label_features**-0.5)
        nn.init.constant_(self.label_bias.weight, -math.log(self.group_size))

    @property
    def label_weight_rows(self) -> Tensor:
        return self.label_weight.weight

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, groups={self.num_groups}×{self.group_size}, "
            f"candidates={self.candidates}{', sparse' if self.sparse else ''}"
        )

    def _block_logits(self, inputs: Tensor, groups: Tensor) -> Tensor:
        """Logits of the labels of each row's group: ``(P, m)`` and ``(P,)`` to ``(P, w)``.

        Places behind the last label, in the last group, are -inf.
        """
        size = self.group_size
        if self.sparse and torch.is_grad_enabled():
            # Only what is looked up here gets a gradient.
            used, branches = groups.unique(return_inverse=True)
            rows = (used.unsqueeze(-1) * size + torch.arange(size, device=used.device)).flatten()
            rows = rows.clamp(max=self.num_labels - 1)
            weight, bias = self.label_weight(rows), self.label_bias(rows).squeeze(-1)
        else:
            branches, weight, bias = groups, self.label_weight.weight, self.label_bias.weight.squeeze(-1)
        logits = at_least_float32(grouped_linear(inputs, branches, weight, bias, size))
        if self.num_labels % size == 0:
            return logits
        ranks = groups.unsqueeze(-1) * size + torch.arange(size, device=groups.device)
        return logits.masked_fill(ranks >= self.num_labels, -torch.inf)

    def _forward(self, features: Tensor, documents: Tensor, labels: Tensor) -> MultiLabelOutput:
        count = self.num_groups
        ranks = self.codec.ranks(labels)
        digits = ranks.remainder(self.group_size)
        own_pairs = documents * count + ranks.div(self.group_size, rounding_mode="floor")
        true_pairs = own_pairs.unique()
        # BCE(z, 1) = softplus(z) - z and BCE(z, 0) = softplus(z): no dense targets are needed.
        group_logits = at_least_float32(self.groups(features))
        true_documents = true_pairs.div(count, rounding_mode="floor")
        of_groups = F.softplus(group_logits).sum(-1)
        of_groups = of_groups.index_add(
            0, true_documents, group_logits.flatten().index_select(0, true_pairs), alpha=-1
        )
        pairs = self._with_candidates(true_pairs, group_logits.detach())
        owners = pairs.div(count, rounding_mode="floor")
        logits = self._block_logits(self._inputs(features).index_select(0, owners), pairs - owners * count)
        true_logits = logits[torch.searchsorted(pairs, own_pairs), digits]
        of_labels = torch.zeros_like(of_groups).index_add(0, owners, F.softplus(logits).sum(-1))
        of_labels = of_labels.index_add(0, documents, true_logits, alpha=-1)
        return MultiLabelOutput(of_groups, of_labels)

    def _with_candidates(self, true_pairs: Tensor, group_logits: Tensor) -> Tensor:
        """Pairs ``document · G + group`` to look into, ascending, each once."""
        if not self.candidates:
            return true_pairs
        best = group_logits.topk(self.candidates, sorted=False).indices
        documents = torch.arange(len(group_logits), device=best.device)
        pairs = documents.unsqueeze(-1) * self.num_groups + best
        return torch.cat((true_pairs, pairs.flatten())).unique()

    def _log_prob(self, features: Tensor) -> Tensor:
        of_groups = F.logsigmoid(at_least_float32(self.groups(features)))
        weight, bias = self.label_weight.weight, self.label_bias.weight.squeeze(-1)
        logits = at_least_float32(F.linear(self._inputs(features), weight, bias))
        by_rank = of_groups.repeat_interleave(self.group_size, -1)[:, : self.num_labels]
        return self.codec.to_label_order(by_rank + F.logsigmoid(logits))

    def _score(self, features: Tensor, labels: Tensor) -> Tensor:
        ranks = self.codec.ranks(labels)
        of_groups = F.logsigmoid(at_least_float32(self.groups(features)))
        groups = ranks.div(self.group_size, rounding_mode="floor")
        # (N, K, m) · (N, m): rows are looked up, whole groups are not.
        products = torch.einsum("nkm,nm->nk", self.label_weight(ranks), self._inputs(features))
        logits = at_least_float32(products) + self.label_bias(ranks).squeeze(-1)
        return of_groups.gather(-1, groups) + F.logsigmoid(logits)

    def _topk(self, features: Tensor, k: int, candidates: int | None) -> tuple[Tensor, Tensor]:
        inputs = self._inputs(features)
        of_groups = F.logsigmoid(at_least_float32(self.groups(features)))
        of_groups, groups = of_groups.sort(dim=-1, descending=True)
        # So many groups hold k labels, even if the short one is among them.
        least = min(self.num_groups, -(-k // self.group_size) + 1)
        limit = self.num_groups if candidates is None else min(self.num_groups, max(candidates, least))
        step = min(limit, max(least, 8))
        scores = of_groups.new_full((len(features), k), -torch.inf)
        ranks = groups.new_zeros(len(features), k)
        for start in range(0, limit, step):
            # A label scores at most what its group does.
            rows = (of_groups[:, start] > scores[:, -1]).nonzero().squeeze(-1)
            if not len(rows):
                break
            opened = slice(start, min(start + step, limit))
            more = self._opened(inputs[rows], groups[rows, opened], of_groups[rows, opened])
            values = torch.cat((scores[rows], more[0]), -1)
            scores[rows], places = values.topk(k)
            ranks[rows] = torch.cat((ranks[rows], more[1]), -1).gather(-1, places)
        return scores, self.codec.labels(ranks)

    def _opened(self, inputs: Tensor, groups: Tensor, of_groups: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and ranks ``(R, c·w)`` of all labels of ``groups`` ``(R, c)``; -inf behind the last."""
        rows, opened = groups.shape
        logits = self._block_logits(inputs.repeat_interleave(opened, 0), groups.flatten())
        scores = F.logsigmoid(logits).view(rows, opened, -1) + of_groups.unsqueeze(-1)
        ranks = groups.unsqueeze(-1) * self.group_size + torch.arange(self.group_size, device=groups.device)
        return scores.flatten(1), ranks.clamp(max=self.num_labels - 1).flatten(1)


def _checked_radices(
    num_labels: int, num_groups: int | None, radices: Sequence[int] | None, candidates: int
) -> Sequence[int]:
    if radices is not None:
        if num_groups is not None:
            raise ValueError("num_groups and radices say the same; give one of them")
        if len(radices) != 2:
            raise ValueError(f"a cascade of groups and labels has two radices, got {list(radices)}")
        return radices
    if num_groups is None:
        num_groups = best_num_groups(num_labels, candidates)
    if num_labels < 3 or not 2 <= num_groups < num_labels:
        raise ValueError(
            f"num_groups must be at least 2 and below the number of labels, {num_labels}, got {num_groups}"
        )
    return num_groups, -(-num_labels // num_groups)
