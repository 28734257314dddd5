"""Plain oracles: slow, obvious, and written without the code under test."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def digits_of(rank: int, radices: Sequence[int]) -> tuple[int, ...]:
    """Mixed-radix digits by repeated divmod, the last digit first to fall off."""
    digits = []
    for radix in reversed(radices):
        rank, digit = divmod(rank, radix)
        digits.append(digit)
    assert rank == 0, "the rank does not fit the radices"
    return tuple(reversed(digits))


def rank_of(digits: Sequence[int], radices: Sequence[int]) -> int:
    """Horner's rule."""
    rank = 0
    for digit, radix in zip(digits, radices, strict=True):
        rank = rank * radix + digit
    return rank


def all_digits(num_labels: int, radices: Sequence[int], order: Sequence[int] | None) -> list[tuple[int, ...]]:
    """Digits of labels 0 … V-1."""
    ranks = range(num_labels) if order is None else order
    return [digits_of(rank, radices) for rank in ranks]


def by_label(rows: Tensor, order: Sequence[int] | None) -> Tensor:
    """Rows that are kept in rank order, ``(V, …)``, in label order."""
    return rows if order is None else torch.stack([rows[rank] for rank in order])


def by_rank(rows: Tensor, order: Sequence[int] | None) -> Tensor:
    """Rows in label order, ``(V, …)``, in rank order."""
    return rows if order is None else torch.stack([rows[label] for label in labels_by_rank(order)])


def labels_by_rank(order: Sequence[int]) -> list[int]:
    """The label of each rank."""
    return sorted(range(len(order)), key=order.__getitem__)


def sorted_topk(scores: Sequence[float], k: int) -> list[int]:
    """The k best labels: score descending, then id ascending."""
    return sorted(range(len(scores)), key=lambda label: (-scores[label], label))[:k]


def log_sum_exp(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def log_normalise(values: Sequence[float]) -> list[float]:
    total = log_sum_exp(values)
    return [value - total for value in values]


def dense_nll(log_prob: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """-log P(target), 0 where ignored, read off dense log-probabilities (differentiable)."""
    keep = target != ignore_index
    picked = log_prob.gather(-1, target.clamp(min=0).where(keep, 0).unsqueeze(-1)).squeeze(-1)
    return torch.where(keep, -picked, torch.zeros_like(picked))


def dense_smooth(log_prob: Tensor, target: Tensor, ignore_index: int = -100) -> Tensor:
    """-sum_y log P(y), 0 where ignored, read off dense log-probabilities (differentiable)."""
    total = -log_prob.sum(-1)
    return torch.where(target != ignore_index, total, torch.zeros_like(total))


def _affine(weight: Tensor, bias: Tensor | None, row: int, features: Tensor) -> float:
    value = sum(float(w) * float(x) for w, x in zip(weight[row], features, strict=True))
    return value + (0.0 if bias is None else float(bias[row]))


def product_rows(radices: Sequence[int], groups: int) -> list[list[int]]:
    """First weight row of (head, group): for each head, for each group, the rows of its digits."""
    starts, row = [], 0
    for radix in radices:
        starts.append([row + group * radix for group in range(groups)])
        row += groups * radix
    return starts


def composed_weights(
    weight: Tensor, bias: Tensor | None, digits: Sequence[Sequence[int]], radices: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Matrix (V, d) and biases (V,) of the softmax that a product of one group is: W[y] = sum_h W_h[d_h]."""
    starts = product_rows(radices, 1)
    rows = [torch.stack([weight[starts[h][0] + d] for h, d in enumerate(code)]).sum(0) for code in digits]
    if bias is None:
        return torch.stack(rows), torch.zeros(len(digits), dtype=weight.dtype)
    biases = [sum(bias[starts[h][0] + d] for h, d in enumerate(code)) for code in digits]
    return torch.stack(rows), torch.stack(biases)


def product_digit_scores(
    weight: Tensor, bias: Tensor | None, x: Tensor, radices: Sequence[int], groups: int
) -> list[list[list[float]]]:
    """scores[h][g][d] of one feature vector."""
    starts = product_rows(radices, groups)
    return [
        [[_affine(weight, bias, starts[h][g] + d, x) for d in range(radix)] for g in range(groups)]
        for h, radix in enumerate(radices)
    ]


def mixture_log_prob(
    weight: Tensor,
    bias: Tensor | None,
    prior_scores: Sequence[float],
    x: Tensor,
    digits: Sequence[Sequence[int]],
    radices: Sequence[int],
) -> tuple[list[float], float]:
    """log sum_g pi_g P_g(y) of every label, and the smoothing term -sum_g pi_g sum_y log P_g(y)."""
    groups = len(prior_scores)
    scores = product_digit_scores(weight, bias, x, radices, groups)
    prior = [math.exp(value) for value in log_normalise(prior_scores)]
    per_group = [
        log_normalise([sum(scores[h][g][d] for h, d in enumerate(code)) for code in digits])
        for g in range(groups)
    ]
    mixed = [
        math.log(sum(prior[g] * math.exp(per_group[g][y]) for g in range(groups))) for y in range(len(digits))
    ]
    return mixed, -sum(prior[g] * sum(per_group[g]) for g in range(groups))


def joint_log_prob(
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
    x: Tensor,
    digits: Sequence[Sequence[int]],
    radices: Sequence[int],
) -> list[float]:
    """softmax_y of sum_g prod_h O^g_h[d_h]."""
    scores = product_digit_scores(weight, bias, x, radices, groups)
    return log_normalise(
        [
            sum(math.prod(scores[h][g][d] for h, d in enumerate(code)) for g in range(groups))
            for code in digits
        ]
    )


def cascade_log_prob(
    conditional: Callable[[tuple[int, ...], int], float],
    digits: Sequence[Sequence[int]],
    radices: Sequence[int],
) -> tuple[list[float], list[float]]:
    """Chain rule over used codes; conditional(prefix, digit) is a raw score.

    Returns log-probabilities and smoothing terms: -sum_h sum_d n log p(d | the label's own prefix), where n
    is the number of labels that begin with that prefix and d.
    """
    num_labels = len(digits)
    below = Counter(tuple(code[:length]) for code in digits for length in range(1, len(radices) + 1))
    tables: dict[tuple[int, ...], list[float]] = {}

    def table(prefix: tuple[int, ...]) -> list[float]:
        if prefix not in tables:
            zeros = [0] * (len(radices) - len(prefix) - 1)
            everything = range(radices[len(prefix)])
            used = [d for d in everything if rank_of((*prefix, d, *zeros), radices) < num_labels]
            tables[prefix] = log_normalise([conditional(prefix, d) for d in used])
        return tables[prefix]

    log_probs, smooth = [], []
    for code in digits:
        steps = [table(tuple(code[:h])) for h in range(len(radices))]
        log_probs.append(sum(step[d] for step, d in zip(steps, code, strict=True)))
        smooth.append(
            -sum(below[*code[:h], d] * score for h, step in enumerate(steps) for d, score in enumerate(step))
        )
    return log_probs, smooth


def table_conditional(
    inner: Sequence[tuple[Tensor, Tensor | None]],
    leaf: tuple[Tensor, Tensor | None],
    x: Tensor,
    radices: Sequence[int],
    projection: Tensor | None = None,
) -> Callable[[tuple[int, ...], int], float]:
    """Every prefix has its own row: row number = the prefix and digit read as a number.

    With a projection the last level reads x plus that times x.
    """

    def score(prefix: tuple[int, ...], digit: int) -> float:
        level = len(prefix)
        row = rank_of((*prefix, digit), radices[: level + 1])
        if level == len(radices) - 1:
            return _affine(*leaf, row, x if projection is None else x + projection @ x)
        return _affine(*inner[level], row, x)

    return score


def gelu(value: float) -> float:
    return value * 0.5 * (1.0 + math.erf(value / math.sqrt(2.0)))


def digit_conditional(
    inner: Sequence[tuple[Tensor, Tensor | None]],
    hidden: Sequence[tuple[Tensor, Tensor]],
    embeddings: Sequence[Sequence[Tensor]],
    x: Tensor,
) -> Callable[[tuple[int, ...], int], float]:
    """softmax(W_h gelu(U_h x + sum_{j<h} E_hj[d_j])); the first digit is a plain linear layer."""

    def score(prefix: tuple[int, ...], digit: int) -> float:
        level = len(prefix)
        weight, bias = inner[level]
        if level == 0:
            return _affine(weight, bias, digit, x)
        first, offset = hidden[level - 1]
        values = []
        for m in range(len(first)):
            value = _affine(first, offset, m, x)
            value += sum(float(embeddings[level - 1][j][d][m]) for j, d in enumerate(prefix))
            values.append(gelu(value))
        return _affine(weight, bias, digit, torch.tensor(values, dtype=torch.float64))

    return score


def with_prototypes(
    conditional: Callable[[tuple[int, ...], int], float],
    first: tuple[Tensor, Tensor | None],
    count: int,
    x: Tensor,
) -> Callable[[tuple[int, ...], int], float]:
    """The first digit's score is the log of the sum over its prototypes' exponentials."""

    def score(prefix: tuple[int, ...], digit: int) -> float:
        if prefix:
            return conditional(prefix, digit)
        return math.log(sum(math.exp(_affine(*first, digit * count + j, x)) for j in range(count)))

    return score
