"""The cascade touches only what it must: branches in training, blocks of a tied table, used codes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.mhe_nmt.oracles import all_digits, by_label, rank_of
from tests.mhe_nmt.strategies import Case, Code, cases, codes, shuffled

TABLES = ("cascade", "cascade-nobias")


def touched_rows(case: Case, labels: list[int], level: int) -> set[int]:
    """Rows of the table of this level that belong to the labels' own prefixes."""
    radices = case.code.radices
    digits = all_digits(case.code.num_labels, radices, case.code.order)
    count = len({code[: level + 1] for code in digits})
    rows: set[int] = set()
    for label in labels:
        prefix = rank_of(digits[label][:level], radices[:level])
        start = prefix * radices[level]
        rows.update(range(start, min(start + radices[level], count)))
    return rows


@given(cases(kinds=TABLES, max_labels=100), st.integers(1, 4), st.booleans())
def test_gradient_is_zero_outside_the_true_branches(case: Case, positions: int, smoothing: bool) -> None:
    """At every level, for weights and biases."""
    head = case.build(label_smoothing=0.1 if smoothing else 0.0, scale=0.5)
    features, target = case.features((positions,)), case.labels((positions,))
    head.train().loss(features, target).backward()
    tables = [*head.inner, head.leaf]
    for level, table in enumerate(tables):
        expected = touched_rows(case, target.tolist(), level)
        grad = table.weight.grad
        assert set((grad != 0).any(-1).nonzero()[:, 0].tolist()) <= expected
        if table.bias is not None:
            assert set(table.bias.grad.nonzero()[:, 0].tolist()) <= expected


def test_untouched_rows_by_hand() -> None:
    """V = 11, radices 3 x 4, targets 0 and 9: blocks 0-3 and 8-10 learn, 4-7 do not."""
    case = Case("cascade", Code(11, (3, 4)), {}, in_features=3)
    head = case.build()
    head.loss(case.features((2,)), torch.tensor([0, 9])).backward()
    learned = (head.leaf.weight.grad != 0).any(-1).tolist()
    assert learned == [True] * 4 + [False] * 4 + [True] * 3
    assert (head.inner[0].weight.grad != 0).any(-1).tolist() == [True] * 3


@given(cases(kinds=TABLES, max_labels=100))
def test_other_branches_do_not_matter(case: Case) -> None:
    """NaN in the blocks of other branches cannot reach the loss or its gradient."""
    head, features, target = case.build(), case.features((3,)), case.labels((3,))
    features.requires_grad_()
    clean = head(features, target)
    rows = touched_rows(case, target.tolist(), len(case.code.radices) - 1)
    with torch.no_grad():
        for row in set(range(case.code.num_labels)) - rows:
            head.leaf.weight[row] = torch.nan
    spoiled = head(features, target)
    assert torch.equal(spoiled.nll, clean.nll)
    assert torch.equal(spoiled.smooth, clean.smooth)
    spoiled.nll.sum().backward()
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(head.leaf.weight.grad).all()


@given(codes(max_labels=100))
def test_table_has_one_row_a_used_prefix(code: Code) -> None:
    """Unused codes own no parameters."""
    head = Case("cascade", code).build()
    digits = all_digits(code.num_labels, code.radices, code.order)
    for level, layer in enumerate([*head.inner, head.leaf]):
        assert len(layer.weight) == len({label[: level + 1] for label in digits})
    assert head.leaf.weight.shape == (code.num_labels, 5)


@given(cases(kinds=("cascade", "cascade-digit"), max_labels=150))
def test_conditionals_are_what_log_prob_sums_to(case: Case) -> None:
    """Label probabilities summed over a branch are the first head's softmax: the chain rule backwards."""
    head, features = case.build(), case.features((4,))
    digits = all_digits(case.code.num_labels, case.code.radices, case.code.order)
    first = torch.tensor([code[0] for code in digits])
    used = int(first.max()) + 1
    mass = torch.zeros(4, used, dtype=torch.float64).index_add(1, first, head.log_prob(features).exp())
    logits = head.inner[0](features)[:, :used]
    torch.testing.assert_close(mass.log(), logits.log_softmax(-1), rtol=1e-7, atol=1e-7)


def test_one_branch_that_takes_the_first_digit_but_loses_the_label() -> None:
    """Branch 0 has 0.6 spread over 4 labels, branch 1 has 0.4 on one: the best label is in branch 1."""
    head = Case("cascade", Code(8, (2, 4)), {}, in_features=1).build(scale=0.0)
    with torch.no_grad():
        head.inner[0].bias.copy_(torch.tensor([0.6, 0.4]).log())
        head.leaf.bias[6] = 20.0
    x = torch.zeros(1, dtype=torch.float64)
    assert int(head.predict(x)) == 6
    assert head.topk(x, 5)[1].tolist() == [6, 0, 1, 2, 3]


@given(codes(max_labels=300, heads=(2, 3, 4)), st.integers(0, 999), st.integers(1, 12))
def test_topk_with_misleading_first_digits(code: Code, seed: int, k: int) -> None:
    """First digits nearly flat, later ones sharp: most branches must be looked into."""
    case = Case("cascade", code, {}, in_features=4, seed=seed)
    head, features = case.build(), case.features((5,))
    with torch.no_grad():
        head.inner[0].weight.mul_(0.01)
        head.inner[0].bias.mul_(0.01)
        head.leaf.weight.mul_(5.0)
    k = min(k, code.num_labels)
    values, labels = head.topk(features, k)
    expected = head.log_prob(features).detach().topk(k)
    torch.testing.assert_close(values, expected.values, rtol=1e-9, atol=1e-9)
    assert torch.equal(labels, expected.indices)


@pytest.mark.parametrize("order", [None, shuffled(23, 3)])
@pytest.mark.parametrize("radices", [(4, 6), (2, 3, 4)])
def test_tied_leaf_learns_only_its_branches(order: tuple[int, ...] | None, radices: tuple[int, ...]) -> None:
    """The tied gradient falls on the embedding rows of the labels that share the target's prefix."""
    code = Code(23, radices, order)
    case = Case("cascade", code)
    head, features = case.build(), case.features((2,))
    embedding = nn.Embedding(23, 5, dtype=torch.float64)
    head.tie_weight(embedding.weight)
    target = torch.tensor([7, 20])
    head.loss(features, target).backward()
    digits = all_digits(23, radices, order)
    prefixes = {digits[7][:-1], digits[20][:-1]}
    expected = [digits[label][:-1] in prefixes for label in range(23)]
    learned = (embedding.weight.grad != 0).any(-1)
    assert all(not learned[label] for label in range(23) if not expected[label])
    assert learned.any()


def test_tied_and_own_tables_agree() -> None:
    """A tied table has its rows in label order, a table of the head's own in rank order."""
    order = shuffled(23, 3)
    case = Case("cascade", Code(23, (4, 6), order))
    own, tied = case.build(), case.build()
    tied.tie_weight(nn.Parameter(by_label(own.leaf.weight.detach(), order)))
    features, target = case.features(), case.labels()
    with torch.no_grad():
        tied.leaf.bias.copy_(by_label(own.leaf.bias, order))
    torch.testing.assert_close(tied.log_prob(features), own.log_prob(features))
    torch.testing.assert_close(tied(features, target).nll, own(features, target).nll)
    assert torch.equal(tied.topk(features, 9)[1], own.topk(features, 9)[1])


@pytest.mark.parametrize("hidden", [None, 1, 3, 9])
def test_digit_parameters_do_not_grow_with_the_labels(hidden: int | None) -> None:
    """Sum of radices, not their product."""
    sizes = []
    for radix in (10, 20, 40):
        options = {"conditioning": "digit", "hidden_features": hidden}
        head = Case("cascade", Code(radix * radix, (radix, radix)), options).build()
        sizes.append(sum(parameter.numel() for parameter in head.parameters()))
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])
