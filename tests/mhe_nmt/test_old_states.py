"""State dicts of version 0.2, whose rows stand in label order, and the way between tied and own matrices."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mhe_nmt import OutputHead, SamplingHead
from tests.mhe_nmt.oracles import by_label
from tests.mhe_nmt.strategies import KINDS, Case, Code, shuffled

#: Kinds with one row per label, and where the rows are.
MATRICES = {
    kind: {"onehot": "", "cascade": "leaf.", "sampling": "matrix."}[name]
    for kind, (name, options) in KINDS.items()
    if name != "product" and options.get("conditioning") != "digit" and not kind.endswith("nobias")
}
CODES = {
    "order": Code(23, (4, 6), shuffled(23, 1)),
    "three digits": Code(23, (2, 3, 4), shuffled(23, 3)),
    "identity": Code(23, (4, 6)),
}
pytestmark = pytest.mark.parametrize("code", CODES.values(), ids=CODES)
every_matrix = pytest.mark.parametrize("kind", MATRICES)


def case_of(kind: str, code: Code, seed: int = 0) -> Case:
    name, options = KINDS[kind]
    return Case(name, code, options, in_features=5, seed=seed)


def build(kind: str, code: Code, tied: bool, seed: int = 0) -> OutputHead:
    head = case_of(kind, code, seed).build()
    if tied:
        generator = torch.Generator().manual_seed(seed + 20)
        weight = torch.randn(code.num_labels, 5, dtype=torch.float64, generator=generator)
        head.tie_weight(nn.Parameter(weight))
    return head


def old_state(kind: str, code: Code, head: OutputHead, tied: bool) -> dict[str, Tensor]:
    """What version 0.2 would have saved: rows in label order whether tied or not, and nothing that is new."""
    state = dict(head.state_dict())
    for name in ("weight", "bias"):
        key = MATRICES[kind] + name
        if key in state and not tied and not kind.startswith("onehot"):
            state[key] = by_label(state[key], code.order)
    for key in ("leaf.by_rank", "matrix.by_rank", "draws", "drawn_counts"):
        state.pop(key, None)
    return state


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_same_scores(found: OutputHead, expected: OutputHead, kind: str, code: Code) -> None:
    features, labels = case_of(kind, code).features(), case_of(kind, code).labels()
    torch.testing.assert_close(found.log_prob(features), expected.log_prob(features), rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(found(features, labels), expected(features, labels), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert torch.equal(found.topk(features, 5)[1], expected.topk(features, 5)[1])


@every_matrix
@pytest.mark.parametrize("from_tied", [False, True])
@pytest.mark.parametrize("to_tied", [False, True])
def test_a_state_of_version_0_2_scores_as_it_did(
    kind: str, code: Code, from_tied: bool, to_tied: bool
) -> None:
    source, target = build(kind, code, from_tied), build(kind, code, to_tied, seed=8)
    state = through_a_file(old_state(kind, code, source, from_tied))
    before = {key: value.clone() for key, value in state.items()}
    target.load_state_dict(state)
    assert_same_scores(target, source, kind, code)
    assert state.keys() == before.keys()
    assert all(torch.equal(state[key], value) for key, value in before.items()), "the caller's state changed"


@every_matrix
@pytest.mark.parametrize("from_tied", [False, True])
@pytest.mark.parametrize("to_tied", [False, True])
def test_a_state_of_today_scores_as_it_did(kind: str, code: Code, from_tied: bool, to_tied: bool) -> None:
    source, target = build(kind, code, from_tied), build(kind, code, to_tied, seed=8)
    target.load_state_dict(through_a_file(source.state_dict()))
    assert_same_scores(target, source, kind, code)
    again = build(kind, code, from_tied, seed=9)
    again.load_state_dict(target.state_dict())
    assert_same_scores(again, source, kind, code)


@every_matrix
@pytest.mark.parametrize("assign", [False, True])
def test_inside_a_model(kind: str, code: Code, assign: bool) -> None:
    source, target = build(kind, code, False), build(kind, code, False, seed=8)
    state = {f"out.{key}": value for key, value in old_state(kind, code, source, False).items()}
    nn.ModuleDict({"out": target}).load_state_dict(state, assign=assign)
    assert_same_scores(target, source, kind, code)


@every_matrix
def test_a_tied_model_of_version_0_2(kind: str, code: Code) -> None:
    """The table is in the state twice, under two names, and is not permuted twice."""

    def model(seed: int) -> nn.ModuleDict:
        head, embedding = build(kind, code, False, seed), nn.Embedding(code.num_labels, 5).double()
        head.tie_weight(embedding.weight)
        return nn.ModuleDict({"embedding": embedding, "out": head})

    source, target = model(1), model(2)
    state = source.state_dict()
    for key in ("out.draws", "out.drawn_counts"):
        state.pop(key, None)
    assert not any("by_rank" in key for key in state)
    target.load_state_dict(state)
    assert torch.equal(target["embedding"].weight, source["embedding"].weight)
    assert_same_scores(target["out"], source["out"], kind, code)


@every_matrix
def test_the_order_of_rows_is_marked(kind: str, code: Code) -> None:
    """Only where it is another than that of version 0.2."""
    own = {key for key in build(kind, code, False).state_dict() if key.endswith("by_rank")}
    tied = {key for key in build(kind, code, True).state_dict() if key.endswith("by_rank")}
    has_order = code.order is not None and not kind.startswith("onehot")
    assert own == ({MATRICES[kind] + "by_rank"} if has_order else set())
    assert tied == set()


@pytest.mark.parametrize("kind", [kind for kind in MATRICES if kind.startswith("sampling")])
def test_a_resumed_sampling_head_draws_as_if_it_had_not_stopped(kind: str, code: Code) -> None:
    """Also where strata are old by then, and where they are made anew soon after."""
    head = build(kind, code, False).train()
    case = case_of(kind, code)
    features, labels = case.features((4,)), case.labels((4,))
    assert isinstance(head, SamplingHead)
    for stop in (1, 14, 40):
        while head._calls < stop:
            head(features, labels.add(head._calls).remainder(code.num_labels))
        state, random = through_a_file(head.state_dict()), torch.get_rng_state()
        straight = [head(features, labels).nll.detach() for _ in range(6)]
        resumed = build(kind, code, False, seed=5).train()
        resumed.load_state_dict(state)
        torch.set_rng_state(random)
        for expected in straight:
            assert torch.equal(resumed(features, labels).nll, expected)
        for key, value in head.state_dict().items():
            assert torch.equal(resumed.state_dict()[key], value), key


@pytest.mark.parametrize("kind", [kind for kind in MATRICES if kind.startswith("sampling")])
def test_a_sampling_state_of_version_0_2_goes_on_from_its_counts(kind: str, code: Code) -> None:
    source, target = build(kind, code, False).train(), build(kind, code, False, seed=8).train()
    case = case_of(kind, code)
    for _ in range(9):
        source(case.features(), case.labels())
    target(case.features(), case.labels())
    target.load_state_dict(old_state(kind, code, source, False))
    assert torch.equal(target.target_counts, source.target_counts)
    target(case.features(), case.labels())
    assert torch.equal(target.drawn_counts, source.target_counts)
    target.eval()
    assert_same_scores(target, source.eval(), kind, code)
