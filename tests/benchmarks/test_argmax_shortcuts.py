"""The rates of the argmax claim, against plain loops over codes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.claims import argmax
from benchmarks.claims.argmax import RandomCase
from mhe_nmt import CascadeHead, ProductHead


@st.composite
def cases(draw, kinds=("product", "mixture", "joint", "cascade")) -> RandomCase:
    kind = draw(st.sampled_from(kinds))
    heads = 2 if kind == "cascade" else draw(st.integers(2, 3))
    radices = tuple(draw(st.lists(st.integers(2, 5), min_size=heads, max_size=heads)))
    labels = draw(st.integers(2, math.prod(radices)))
    groups = 1 if kind in ("product", "cascade") else draw(st.integers(2, 3))
    return RandomCase(kind, radices, labels, draw(st.sampled_from((0.5, 2.0))), groups)


def codes(head) -> list[tuple[int, ...]]:
    """All tuples of digits, in the order of their ranks; the first V are labels."""
    return list(itertools.product(*map(range, head.codec.radix_list)))


def best(scores) -> int:
    scores = list(map(float, scores))
    return scores.index(max(scores))


def product_logits(case: RandomCase, row: torch.Tensor) -> list[list[list[float]]]:
    """`[head][group][digit]`, read off the features in their documented layout."""
    numbers = iter(row.tolist())
    return [[[next(numbers) for _ in range(radix)] for _ in range(case.groups)] for radix in case.radices]


def plain_tuple(case: RandomCase, row: torch.Tensor, log_prob: torch.Tensor) -> int:
    return codes(case.head()).index(tuple(best(groups[0]) for groups in product_logits(case, row)))


def plain_raw(case: RandomCase, row: torch.Tensor, log_prob: torch.Tensor) -> int:
    logits = product_logits(case, row)
    return best(math.prod(logits[h][0][digit] for h, digit in enumerate(code)) for code in codes(case.head()))


def plain_marginals(case: RandomCase, row: torch.Tensor, log_prob: torch.Tensor) -> int:
    found = []
    for h, radix in enumerate(case.radices):
        sums = [0.0] * radix
        for code, score in zip(codes(case.head()), log_prob, strict=False):
            sums[code[h]] += math.exp(score)
        found.append(best(sums))
    return codes(case.head()).index(tuple(found))


def plain_best_group(case: RandomCase, row: torch.Tensor, log_prob: torch.Tensor) -> int:
    logits = product_logits(case, row)
    tuples = [tuple(best(groups[g]) for groups in logits) for g in range(case.groups)]
    ranks = [codes(case.head()).index(found) for found in tuples]
    return ranks[best(float(log_prob[rank]) if rank < case.labels else -math.inf for rank in ranks)]


def plain_greedy(case: RandomCase, row: torch.Tensor, log_prob: torch.Tensor) -> int:
    labels = codes(case.head())[: case.labels]
    prefix: tuple[int, ...] = ()
    for radix in case.radices:
        masses = []
        for digit in range(radix):
            after = (*prefix, digit)
            masses.append(
                sum(math.exp(log_prob[y]) for y, code in enumerate(labels) if code[: len(after)] == after)
            )
        prefix = (*prefix, best(masses))
    return labels.index(prefix)


PLAIN = {
    "tuple of the heads' argmaxes": plain_tuple,
    "outer product of raw logits": plain_raw,
    "tuple of the marginals' argmaxes": plain_marginals,
    "best group's tuple": plain_best_group,
    "greedy, digit by digit": plain_greedy,
}


@given(cases(), st.integers(0, 99))
def test_rates_are_those_of_plain_loops(case: RandomCase, seed: int) -> None:
    head, features = case.head().double(), case.features(12, seed)
    log_probs = head.log_prob(features).detach()
    found = argmax.rates(head, features)
    assert found["cases"] == 12
    assert found["predict_equal"] == 1.0
    assert {shortcut["name"] for shortcut in found["shortcuts"]} == set(argmax.SHORTCUTS[case.kind])
    for shortcut in found["shortcuts"]:
        equal = no_label = 0
        lost = []
        for row, log_prob in zip(features, log_probs, strict=True):
            rank = PLAIN[shortcut["name"]](case, row, log_prob)
            if rank >= case.labels:
                no_label += 1
                continue
            equal += rank == best(log_prob)
            lost.append((max(log_prob.tolist()) - float(log_prob[rank])) / math.log(2))
        assert shortcut["equal"] == pytest.approx(equal / 12)
        assert shortcut["no_label"] == pytest.approx(no_label / 12)
        assert shortcut["bits_lost"] == pytest.approx(sum(lost) / max(1, len(lost)), abs=1e-9)


@given(cases(), st.integers(0, 99))
def test_features_of_a_random_case_are_its_logits(case: RandomCase, seed: int) -> None:
    """The distribution follows from the features by the heads' definitions, code by code."""
    head, row = case.head().double(), case.features(1, seed)[0]
    assert head.num_labels == case.labels
    assert row.abs().max() < 8 * case.scale
    numbers = row.tolist()
    labels = codes(head)[: case.labels]
    if case.kind == "cascade":
        branches = -(-case.labels // case.radices[1])
        first, second = numbers[:branches], numbers[branches:]
        siblings = [[y for y, code in enumerate(labels) if code[0] == d] for d in range(branches)]
        weights = [
            math.exp(first[code[0]]) / sum(map(math.exp, first))
            * math.exp(second[y]) / sum(math.exp(second[z]) for z in siblings[code[0]])
            for y, code in enumerate(labels)
        ]  # fmt: skip
    else:
        logits = product_logits(case, row)
        scores = [
            [[groups[g][code[h]] for h, groups in enumerate(logits)] for g in range(case.groups)]
            for code in labels
        ]
        if case.kind == "joint":
            weights = [math.exp(sum(map(math.prod, of_groups))) for of_groups in scores]
        else:
            priors = [math.exp(x) for x in numbers[-case.groups :]] if case.groups > 1 else [1.0]
            products = [[math.exp(sum(of_group)) for of_group in of_groups] for of_groups in scores]
            totals = [sum(of_label[g] for of_label in products) for g in range(case.groups)]
            weights = [
                sum(prior * p / total for prior, p, total in zip(priors, of_label, totals, strict=True))
                for of_label in products
            ]
    expected = [math.log(weight / sum(weights)) for weight in weights]
    assert head.log_prob(row).tolist() == pytest.approx(expected, abs=1e-9)


def test_a_full_product_always_agrees_and_raw_logits_do_not() -> None:
    case = RandomCase("product", (4, 5), 20, 1.0)
    by_name = {s["name"]: s for s in argmax.rates(case.head(), case.features(500, 1))["shortcuts"]}
    assert by_name["tuple of the heads' argmaxes"]["equal"] == 1.0
    # Two minima, both negative, may have the greatest product.
    assert 0.4 < by_name["outer product of raw logits"]["equal"] < 0.7


def test_label_orders_are_taken_into_account() -> None:
    torch.manual_seed(1)
    features = torch.randn(200, 6)
    for head in (
        ProductHead(6, 12, radices=(3, 4), order=torch.randperm(12)),
        CascadeHead(6, 12, radices=(3, 4), order=torch.randperm(12)),
    ):
        found = argmax.rates(head, features)
        assert found["predict_equal"] == 1.0
        if isinstance(head, ProductHead):
            assert found["shortcuts"][0]["equal"] == 1.0
        else:
            assert 0.3 < found["shortcuts"][0]["equal"] < 1.0
