"""Claim 1: the best label of the outer product of the heads is the tuple of the heads' best digits.

For every kind of head: how often a *shortcut*, which looks at digits only, finds the label that is best by
`head.log_prob`, on random logits and on a trained model's features; and how often `head.predict` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mhe_nmt import CascadeHead, OutputHead, ProductHead
from mhe_nmt.heads import MultiHead

#: Given a head, features `(n, d)` and log-probabilities `(n, V)`: ranks `(n,)`, V or more for unused codes.
Shortcut = Callable[[Any, Tensor, Tensor], Tensor]

_ROWS = 256


def head_tuple(head: ProductHead, features: Tensor, log_prob: Tensor) -> Tensor:
    """The tuple of the heads' argmaxes."""
    return _rank(head, [scores.squeeze(1).argmax(-1) for scores in digit_logits(head, features)])


def raw_outer_product(head: ProductHead, features: Tensor, log_prob: Tensor) -> Tensor:
    """The best place in the outer product of raw logits, the paper's formula without a softmax."""
    product = torch.ones(len(features), 1, dtype=features.dtype)
    for scores in digit_logits(head, features):
        product = (product.unsqueeze(-1) * scores.squeeze(1).unsqueeze(-2)).flatten(1)
    return product.argmax(-1)


def marginal_tuple(head: MultiHead, features: Tensor, log_prob: Tensor) -> Tensor:
    """The most probable digit at each place, by itself."""
    table = code_table(head, log_prob)
    places = range(1, table.dim())
    return _rank(
        head, [table.logsumexp([other for other in places if other != h]).argmax(-1) for h in places]
    )


def best_group_tuple(head: ProductHead, features: Tensor, log_prob: Tensor) -> Tensor:
    """The best, by the head's own score, of the tuples of argmaxes of its groups."""
    ranks = _rank(head, [scores.argmax(-1) for scores in digit_logits(head, features)])
    by_rank = head.codec.to_rank_order(log_prob)
    scores = by_rank.gather(-1, ranks.clamp(max=head.num_labels - 1))
    best = scores.masked_fill(ranks >= head.num_labels, -torch.inf).argmax(-1, keepdim=True)
    return ranks.gather(-1, best).squeeze(-1)


def greedy(head: MultiHead, features: Tensor, log_prob: Tensor) -> Tensor:
    """The best first digit, then the best second one after it, and so on."""
    table = code_table(head, log_prob)
    digits = []
    while table.dim() > 1:
        digits.append(table.flatten(2).logsumexp(-1).argmax(-1) if table.dim() > 2 else table.argmax(-1))
        table = table[torch.arange(len(table)), digits[-1]]
    return _rank(head, digits)


SHORTCUTS: dict[str, dict[str, Shortcut]] = {
    "product": {"tuple of the heads' argmaxes": head_tuple, "outer product of raw logits": raw_outer_product},
    "mixture": {"tuple of the marginals' argmaxes": marginal_tuple, "best group's tuple": best_group_tuple},
    "joint": {"tuple of the marginals' argmaxes": marginal_tuple, "best group's tuple": best_group_tuple},
    "cascade": {"greedy, digit by digit": greedy},
}
"""For each kind of head, what one might do instead of searching for the best label."""


def kind_of(head: OutputHead) -> str | None:
    """The key of `SHORTCUTS`, `None` for any other head."""
    if isinstance(head, ProductHead):
        return "product" if head.groups == 1 else head.form
    return "cascade" if isinstance(head, CascadeHead) else None


def digit_logits(head: ProductHead, features: Tensor) -> list[Tensor]:
    """Each head's logits `(n, groups, b_h)`."""
    radices = head.codec.radix_list
    logits = F.linear(features, head.weight, head.bias).split([head.groups * radix for radix in radices], -1)
    return [part.unflatten(-1, (head.groups, -1)) for part in logits]


def code_table(head: MultiHead, log_prob: Tensor) -> Tensor:
    """Log-probabilities `(n, V)` as `(n, b_1, …, b_H)`, -inf at unused codes."""
    radices = head.codec.radix_list
    unused = math.prod(radices) - head.num_labels
    by_rank = F.pad(head.codec.to_rank_order(log_prob), (0, unused), value=-torch.inf)
    return by_rank.unflatten(-1, radices)


def _rank(head: MultiHead, digits: list[Tensor]) -> Tensor:
    return (torch.stack(digits, dim=-1) * torch.tensor(head.codec.strides)).sum(-1)


@torch.no_grad()
def rates(head: MultiHead, features: Tensor) -> dict[str, Any]:
    """How often each shortcut is right, how often it finds no label, and how many bits it loses.

    Head and features are taken in float64, in which ties do not occur.

    Args:
        features: `(n, d)`.

    Returns:
        `cases`: n. `unused_codes`: how many codes no label has. `predict_equal`: share of the cases in which
        `head.predict` finds the best label.
        `shortcuts`: for each its `name`; `equal` and `no_label`, shares of the cases; `bits_lost`, the mean
        of `log2(P(best) / P(shortcut's))` over the cases in which it is a label.
    """
    head = head.double().eval()
    shortcuts = SHORTCUTS[kind_of(head)]
    counts = {name: torch.zeros(3, dtype=torch.float64) for name in shortcuts}
    predicted = 0
    for rows in features.split(_ROWS):
        rows = rows.double()
        log_prob = head.log_prob(rows)
        best = log_prob.argmax(-1)
        predicted += int((head.predict(rows) == best).sum())
        for name, shortcut in shortcuts.items():
            ranks = shortcut(head, rows, log_prob)
            is_label = ranks < head.num_labels
            labels = head.codec.labels(ranks.clamp(max=head.num_labels - 1))
            lost = (log_prob.gather(-1, best[:, None]) - log_prob.gather(-1, labels[:, None])).squeeze(-1)
            sums = ((labels == best) & is_label).sum(), (~is_label).sum(), lost[is_label].sum() / math.log(2)
            counts[name] += torch.stack([figure.double() for figure in sums])
    cases = len(features)
    return {
        "cases": cases,
        "unused_codes": math.prod(head.codec.radix_list) - head.num_labels,
        "predict_equal": predicted / cases,
        "shortcuts": [
            {
                "name": name,
                "equal": float(equal) / cases,
                "no_label": float(no_label) / cases,
                "bits_lost": float(lost) / max(1.0, cases - float(no_label)),
            }
            for name, (equal, no_label, lost) in counts.items()
        ],
    }


@dataclass(frozen=True)
class RandomCase:
    """A head whose logits are independent normal numbers of standard deviation `scale`."""

    kind: str
    radices: tuple[int, ...]
    labels: int
    scale: float
    groups: int = 1

    @property
    def name(self) -> str:
        head = "cascade-table" if self.kind == "cascade" else "product"
        groups = "" if self.groups == 1 else f"-{self.groups}-groups"
        joint = "-joint" if self.kind == "joint" else ""
        return f"{head}-{'-'.join(map(str, self.radices))}{groups}{joint}-{self.labels}-labels"

    def head(self) -> MultiHead:
        """The head of this case; its features are its logits."""
        if self.kind == "cascade":
            return _identity_cascade(self.labels, self.radices)
        form = "mixture" if self.kind == "product" else self.kind
        rows = self.groups * sum(self.radices)
        width = rows + (self.groups if self.kind == "mixture" else 0)
        head = ProductHead(width, self.labels, radices=self.radices, groups=self.groups, form=form)
        with torch.no_grad():
            head.weight.copy_(torch.eye(width)[:rows])
            if head.prior is not None:
                head.prior.weight.copy_(torch.eye(width)[rows:])
        return head

    def features(self, cases: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return self.scale * torch.randn(
            cases, self.head().in_features, generator=generator, dtype=torch.float64
        )


def _identity_cascade(labels: int, radices: tuple[int, ...]) -> CascadeHead:
    first = -(-labels // radices[1])
    head = CascadeHead(first + labels, labels, radices=radices)
    identity = torch.eye(first + labels)
    with torch.no_grad():
        head.inner[0].weight.copy_(identity[:first])
        head.leaf.weight.copy_(identity[first:])
    return head


def random_cases() -> Iterator[RandomCase]:
    """Full code spaces, unused codes, groups in both forms, and cascades, at two scales of the logits."""
    for scale in (1.0, 3.0):
        for radices, labels in (
            ((10, 10), 100),
            ((5, 5, 4), 100),
            ((10, 10), 91),
            ((16, 16), 200),
            ((89, 90), 8000),
        ):
            yield RandomCase("product", radices, labels, scale)
        for kind in ("mixture", "joint"):
            yield RandomCase(kind, (10, 10), 100, scale, groups=2)
            yield RandomCase(kind, (10, 10), 100, scale, groups=8)
            yield RandomCase(kind, (89, 90), 8000, scale, groups=8)
        yield RandomCase("cascade", (10, 10), 100, scale)
