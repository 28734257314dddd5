"""The heads for several labels a document against plain loops over documents, groups and labels."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt import MultiLabelCascade, OneVsAllHead
from mhe_nmt.heads import MultiLabelHead
from tests.mhe_nmt.multi_label_cases import Case, cases


def log_sigmoid(z: float) -> float:
    return -math.log1p(math.exp(-z)) if z > -30 else z


def binary_cross_entropy(z: float, true: bool) -> float:
    return -log_sigmoid(z if true else -z)


def logits(case: Case, document: int) -> tuple[list[float], list[float]]:
    """Logits of all groups, and of all labels, by label."""
    head, x = case.head, case.features[document]
    hidden = x if head.bottleneck is None else head.bottleneck.weight @ x + head.bottleneck.bias
    if isinstance(head, OneVsAllHead):
        return [], (head.linear.weight @ hidden + head.linear.bias).tolist()
    of_groups = (head.groups.weight @ x + head.groups.bias).tolist()
    by_rank = (head.label_weight.weight @ hidden + head.label_bias.weight[:, 0]).tolist()
    return of_groups, [by_rank[int(rank)] for rank in head.codec.order]


def groups_of_labels(head: MultiLabelHead) -> list[int]:
    if isinstance(head, OneVsAllHead):
        return [0] * head.num_labels
    return [int(rank) // head.group_size for rank in head.codec.order]


def plain_loss(case: Case, document: int) -> tuple[float, float]:
    """Term by term: over all groups, and over the labels of candidate groups."""
    of_groups, of_labels = logits(case, document)
    own, group_of = set(case.sets[document]), groups_of_labels(case.head)
    true = {group_of[label] for label in own}
    candidates = {0}
    if isinstance(case.head, MultiLabelCascade):
        best = sorted(range(len(of_groups)), key=lambda group: -of_groups[group])
        candidates = true | set(best[: case.head.candidates])
    return (
        sum(binary_cross_entropy(z, group in true) for group, z in enumerate(of_groups)),
        sum(
            binary_cross_entropy(s, label in own)
            for label, s in enumerate(of_labels)
            if group_of[label] in candidates
        ),
    )


def plain_scores(case: Case, document: int) -> list[float]:
    of_groups, of_labels = logits(case, document)
    group_of = groups_of_labels(case.head)
    return [
        log_sigmoid(s) + (log_sigmoid(of_groups[group_of[label]]) if of_groups else 0.0)
        for label, s in enumerate(of_labels)
    ]


@given(cases())
def test_loss(case: Case) -> None:
    found = case.head(case.features, case.labels, case.offsets)
    for document in range(len(case.sets)):
        of_groups, of_labels = plain_loss(case, document)
        assert found.groups[document].item() == pytest.approx(of_groups, rel=1e-9, abs=1e-9)
        assert found.labels[document].item() == pytest.approx(of_labels, rel=1e-9, abs=1e-9)
    total = case.head.loss(case.features, case.labels, case.offsets, "sum")
    assert total.item() == pytest.approx((found.groups + found.labels).sum().item(), rel=1e-9)


@given(cases())
def test_scores(case: Case) -> None:
    dense = case.head.log_prob(case.features)
    expected = torch.tensor([plain_scores(case, document) for document in range(len(case.sets))])
    torch.testing.assert_close(dense, expected.double().view_as(dense), rtol=1e-5, atol=1e-5)
    random_labels = torch.randint(case.head.num_labels, (len(case.sets), 4))
    torch.testing.assert_close(case.head.score(case.features, random_labels), dense.gather(1, random_labels))


@given(cases(), st.data())
def test_topk_is_exact(case: Case, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, case.head.num_labels))
    scores, labels = case.head.topk(case.features, k)
    dense = case.head.log_prob(case.features)
    torch.testing.assert_close(scores, dense.topk(k).values)
    torch.testing.assert_close(scores, dense.gather(1, labels))
    for row in labels.tolist():
        assert len(set(row)) == k


@given(cases(("cascade",)), st.data())
def test_topk_of_few_groups(case: Case, data: st.DataObject) -> None:
    """As the paper does it: the best labels of the best groups, however good the others are."""
    head = case.head
    assert isinstance(head, MultiLabelCascade)
    k = data.draw(st.integers(1, head.num_labels))
    candidates = data.draw(st.integers(1, head.num_groups))
    opened = min(head.num_groups, max(candidates, -(-k // head.group_size) + 1))
    scores, labels = head.topk(case.features, k, candidates)
    group_of = groups_of_labels(head)
    for document in range(len(case.sets)):
        of_groups, _ = logits(case, document)
        best = set(sorted(range(len(of_groups)), key=lambda group: -of_groups[group])[:opened])
        everything = plain_scores(case, document)
        allowed = sorted((s for y, s in enumerate(everything) if group_of[y] in best), reverse=True)
        assert scores[document].tolist() == pytest.approx(allowed[:k], rel=1e-9, abs=1e-9)
        assert [everything[label] for label in labels[document]] == pytest.approx(allowed[:k])


@given(cases(max_labels=20))
def test_gradients(case: Case) -> None:
    assert_gradients(case)


@pytest.mark.slow
@given(cases())
def test_gradients_with_more_labels(case: Case) -> None:
    assert_gradients(case)


def assert_gradients(case: Case) -> None:
    """Against differences; the candidates must not change within them, hence all groups or none."""
    head = case.head
    if isinstance(head, MultiLabelCascade) and head.candidates:
        head.candidates = head.num_groups
    if not case.sets:
        return
    names = [name for name, _ in head.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in head.parameters()]
    features = case.features.clone().requires_grad_()
    if isinstance(head, MultiLabelCascade) and head.sparse:
        # gradcheck knows dense gradients only: the sparse ones are to be the same.
        dense = [parameter.grad for parameter in _backward(case, sparse=False).parameters()]
        sparse = [parameter.grad for parameter in _backward(case, sparse=True).parameters()]
        for one, other in zip(dense, sparse, strict=True):
            torch.testing.assert_close(one, other.to_dense() if other.is_sparse else other)
        return

    def total(features: Tensor, *parameters: Tensor) -> Tensor:
        output = torch.func.functional_call(
            head, dict(zip(names, parameters, strict=True)), (features, case.labels, case.offsets)
        )
        return (output.groups + 2 * output.labels).sum()

    assert torch.autograd.gradcheck(total, (features, *values), atol=1e-6)


def _backward(case: Case, sparse: bool) -> MultiLabelCascade:
    head = case.head
    assert isinstance(head, MultiLabelCascade)
    head.zero_grad()
    head.sparse = head.label_weight.sparse = head.label_bias.sparse = sparse
    copy = MultiLabelCascade(
        head.in_features, head.num_labels, radices=head.codec.radix_list, order=head.codec.order,
        hidden_features=head.hidden_features, candidates=head.candidates, sparse=sparse,
        dtype=torch.float64,
    )  # fmt: skip
    copy.load_state_dict(head.state_dict())
    copy.loss(case.features, case.labels, case.offsets, "sum").backward()
    return copy


def test_the_loss_is_a_likelihood_without_wrong_groups() -> None:
    """exp(-loss) is the probability that the chain of group and label coins falls on the label set."""
    torch.manual_seed(2)
    head = MultiLabelCascade(3, 6, num_groups=2, candidates=0, dtype=torch.float64)
    x = torch.randn(1, 3, dtype=torch.float64)
    total = 0.0
    for code in range(2**6):
        own = [label for label in range(6) if code >> label & 1]
        labels, offsets = torch.tensor(own, dtype=torch.int64), torch.tensor([0, len(own)])
        total += math.exp(-head.loss(x, labels, offsets).item())
    # What is missing is the mass of "a group is true and none of its labels is".
    _, of_labels = logits(Case(head, x, [[]]), 0)
    p = [math.exp(log_sigmoid(z)) for z in head.groups(x)[0].tolist()]
    none = [math.prod(1 - math.exp(log_sigmoid(s)) for s in of_labels[3 * g : 3 * g + 3]) for g in (0, 1)]
    assert total == pytest.approx((1 - p[0] * none[0]) * (1 - p[1] * none[1]), rel=1e-9)
