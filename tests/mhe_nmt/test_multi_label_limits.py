"""What the heads for several labels a document cost, what they refuse, and that they learn."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from mhe_nmt import MultiLabelCascade, OneVsAllHead
from mhe_nmt.heads import MultiLabelHead
from mhe_nmt.heads.multi_label_cascade import best_num_groups
from tests.mhe_nmt.multi_label_cases import Case, randomised
from tests.mhe_nmt.strategies import Code, shuffled
from tests.mhe_nmt.test_shapes_memory import Widest


@pytest.mark.parametrize("candidates", [0, 2])
def test_sparse_gradients_hold_the_rows_of_candidate_groups(candidates: int) -> None:
    torch.manual_seed(1)
    head = MultiLabelCascade(4, 100, num_groups=20, candidates=candidates, sparse=True)
    features = torch.randn(3, 4)
    labels, offsets = torch.tensor([7, 93, 94]), torch.tensor([0, 1, 3, 3])
    head.loss(features, labels, offsets).backward()
    opened = {1, 18} | set(head.groups(features).topk(candidates).indices.flatten().tolist())
    rows = [5 * group + place for group in sorted(opened) for place in range(5)]
    for embedding in (head.label_weight, head.label_bias):
        gradient = embedding.weight.grad
        assert gradient is not None
        assert gradient.is_sparse
        assert gradient.coalesce().indices()[0].tolist() == rows


CODES = {
    "full": Code(2500, (50, 50)),
    "some unused": Code(2480, (50, 50), shuffled(2480, 1)),
    "many unused": Code(2480, (90, 80), shuffled(2480, 2)),
}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
@pytest.mark.parametrize("sparse", [False, True])
def test_no_tensor_is_documents_times_labels(code: Code, sparse: bool) -> None:
    torch.manual_seed(1)
    documents, most = 256, 6
    head = MultiLabelCascade(
        8, code.num_labels, radices=code.radices, order=code.order, candidates=4, sparse=sparse
    )
    features = torch.randn(documents, 8, requires_grad=True)
    sets = [random.Random(n).sample(range(code.num_labels), n % most) for n in range(documents)]
    case = Case(head, features, sets)
    limit = documents * code.num_labels
    # The widest are the candidates' logits: at most their groups and the true ones, of each document.
    with Widest(documents * (4 + most) * code.radices[1] + 1) as watch:
        head.loss(features, case.labels, case.offsets).backward()
    assert not watch.offenders, watch.offenders
    for scale in (1.0, 0.0):
        randomised(head, scale, 2)
        with Widest(limit) as watch:
            head.topk(features, 5)
            head.score(features, torch.zeros(documents, 3, dtype=torch.int64))
        assert not watch.offenders, watch.offenders
    with Widest(limit) as watch:
        head.log_prob(features)
    assert watch.offenders


def test_sharp_groups_are_all_that_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact search pays for the groups that can matter: here one round of eight, for almost all."""
    torch.manual_seed(1)
    head = MultiLabelCascade(16, 10_000, num_groups=100)
    with torch.no_grad():
        # Of 100 logits of deviation 30 one or two are above 60.
        head.groups.weight.mul_(30)
        head.groups.bias.fill_(-50)
        head.label_bias.weight.zero_()
    rounds = []
    opened = head._opened
    monkeypatch.setattr(head, "_opened", lambda *inputs: rounds.append(inputs[1].shape) or opened(*inputs))
    features = torch.randn(32, 16)
    found = head.topk(features, 5)
    assert rounds[0] == (32, 8)
    assert sum(rows for rows, _ in rounds[1:]) <= 3
    torch.testing.assert_close(found[0], head.log_prob(features).topk(5).values)


def test_a_trained_head_finds_the_labels() -> None:
    """Each document has the three labels that its features name; a few hundred steps recover them."""
    torch.manual_seed(3)
    centres = torch.randn(60, 32)
    head = MultiLabelCascade(32, 60, num_groups=8, candidates=3, order=shuffled(60, 1), sparse=True)
    dense = torch.optim.Adam(head.groups.parameters(), lr=0.05)
    rows = torch.optim.SparseAdam([*head.label_weight.parameters(), *head.label_bias.parameters()], lr=0.05)
    for _ in range(400):
        labels = torch.stack([torch.randperm(60)[:3] for _ in range(32)])
        features = centres[labels].sum(1)
        head.loss(features, labels.flatten(), torch.arange(0, 97, 3)).backward()
        for optimizer in (dense, rows):
            optimizer.step()
            optimizer.zero_grad()
    labels = torch.stack([torch.randperm(60)[:3] for _ in range(200)])
    found = head.topk(centres[labels].sum(1), 3)[1]
    assert (found.unsqueeze(-1) == labels.unsqueeze(1)).any(-1).float().mean() > 0.8


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    head = MultiLabelCascade(8, 90, num_groups=9)
    features, labels, offsets = torch.randn(4, 8), torch.tensor([3, 80, 81]), torch.tensor([0, 1, 1, 3, 3])
    expected = head.loss(features, labels, offsets)
    with torch.autocast("cpu", dtype):
        found = head.loss(features, labels, offsets)
        scores, _ = head.topk(features, 3)
    assert found.dtype == scores.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    half = head.to(dtype)
    torch.testing.assert_close(half.loss(features.to(dtype), labels, offsets), expected, rtol=0.05, atol=0.1)


def test_another_order_is_refused() -> None:
    head = MultiLabelCascade(4, 30, num_groups=5, order=shuffled(30, 1))
    other = MultiLabelCascade(4, 30, num_groups=5, order=shuffled(30, 2))
    with pytest.raises(ValueError, match="label order is not this model's"):
        other.load_state_dict(head.state_dict())


def test_best_number_of_groups() -> None:
    for num_labels, candidates in ((1000, 4), (33_318, 8), (7, 1), (50, 50)):
        logits = {
            groups: groups + min(candidates, groups) * -(-num_labels // groups)
            for groups in range(2, num_labels)
        }
        found = best_num_groups(num_labels, candidates)
        assert found + candidates * num_labels / found <= 1.1 * min(logits.values()) + candidates


FEATURES, LABELS = torch.zeros(2, 4), torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_groups": 10}, "num_groups must be at least 2 and below the number of labels, 10, got 10"),
        ({"num_groups": 1}, "num_groups must be at least 2"),
        ({"num_groups": 3, "radices": (3, 4)}, "num_groups and radices say the same"),
        ({"radices": (2, 2, 3)}, r"two radices, got \[2, 2, 3\]"),
        ({"radices": (3, 3)}, "9 codes, too few for 10 labels"),
        ({"candidates": -1}, "candidates must be at least 0, got -1"),
        ({"hidden_features": 0}, "hidden_features must be at least 1, got 0"),
        ({"order": [0] * 10}, "not a permutation"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiLabelCascade(4, 10, **options)


@pytest.mark.parametrize("head", [MultiLabelCascade(4, 10, num_groups=3), OneVsAllHead(4, 10)])
def test_inputs_that_do_not_fit(head: MultiLabelHead) -> None:
    good = torch.tensor([0, 1, 2])
    for inputs, sentence in (
        ((FEATURES[:, :3], LABELS, good), r"features must have shape \(N, 4\)"),
        ((FEATURES.long(), LABELS, good), "features must be floating point"),
        ((FEATURES, LABELS, good[:2]), r"offsets of shape \(3,\)"),
        ((FEATURES, LABELS, torch.tensor([0, 1, 3])), "must rise from 0 to the number of labels, 2"),
        ((FEATURES, LABELS, torch.tensor([0, 3, 2])), "must rise from 0"),
        ((FEATURES, LABELS + 8, good), r"label 10 is outside \[0, 10\)"),
    ):
        with pytest.raises(ValueError, match=sentence):
            head(*inputs)
    with pytest.raises(ValueError, match="k must be between 1 and the number of labels, 10, got 11"):
        head.topk(FEATURES, 11)
    with pytest.raises(ValueError, match="candidates must be at least 1, got 0"):
        head.topk(FEATURES, 1, 0)
    with pytest.raises(ValueError, match=r"labels must have shape \(2, K\)"):
        head.score(FEATURES, LABELS)
    with pytest.raises(ValueError, match="reduction must be"):
        head.loss(FEATURES, LABELS, good, "total")
