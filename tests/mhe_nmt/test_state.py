"""State dicts: round trips, refusals, types of buffers, tied weights."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from mhe_nmt import CascadeHead
from mhe_nmt.heads.label_matrix import rows_change_order
from tests.mhe_nmt.strategies import KINDS, PLAIN_KINDS, Case, Code, shuffled

CODE = Code(23, (4, 6), shuffled(23, 1))
CODED = [kind for kind, (name, _) in KINDS.items() if name != "onehot"]
TIED = ["onehot", "sampling", "cascade"]


def case_of(kind: str, code: Code = CODE, seed: int = 0) -> Case:
    name, options = KINDS[kind]
    return Case(name, code, options, in_features=5, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_through_a_file(kind: str) -> None:
    case = case_of(kind)
    source, target = case.build(), case_of(kind, seed=9).build()
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(torch.load(file, weights_only=True))
    features = case.features()
    assert torch.equal(source.log_prob(features), target.log_prob(features))
    assert torch.equal(source.topk(features, 23)[1], target.topk(features, 23)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_copies_behave_alike(kind: str) -> None:
    case = case_of(kind)
    head, features, labels = case.build(), case.features(), case.labels()
    for twin in (copy.deepcopy(head), pickle.loads(pickle.dumps(head))):
        assert torch.equal(twin.log_prob(features), head.log_prob(features))
        assert torch.equal(twin.topk(features, 5)[1], head.topk(features, 5)[1])
        assert torch.equal(twin(features, labels).nll, head(features, labels).nll)


@pytest.mark.parametrize("kind", CODED)
def test_code_is_in_the_state_dict(kind: str) -> None:
    state = case_of(kind).build().state_dict()
    held = {key.rsplit(".", 1)[-1]: value for key, value in state.items() if not value.is_floating_point()}
    assert held["radices"].tolist() == [4, 6]
    assert held["order"].tolist() == list(CODE.order)


@pytest.mark.parametrize("kind", KINDS)
def test_integer_buffers_stay_int64(kind: str) -> None:
    case = case_of(kind)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        head = case.build().to(dtype)
        assert all(parameter.dtype == dtype for parameter in head.parameters())
        for name, buffer in head.named_buffers():
            if name.rsplit(".", 1)[-1] in ("radices", "order", "labels_by_rank"):
                assert buffer.dtype == torch.int64, name
    assert case.build(dtype=torch.float32).half().state_dict().keys() == case.build().state_dict().keys()


@pytest.mark.parametrize("kind", [kind for kind in PLAIN_KINDS if kind in CODED])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("code", "word"),
    [
        (Code(23, (6, 4), shuffled(23, 1)), "radices"),
        (Code(23, (5, 5), shuffled(23, 1)), "radices"),
        (Code(23, (3, 8), shuffled(23, 1)), "radices"),
        (Code(23, (2, 2, 6), shuffled(23, 1)), "radices"),
        (Code(22, (4, 6), shuffled(22, 1)), "label"),
        (Code(24, (4, 6), shuffled(24, 1)), "label"),
        (Code(23, (4, 6), shuffled(23, 2)), "order"),
        (Code(23, (4, 6), None), "order"),
    ],
)
def test_another_code_is_refused(kind: str, strict: bool, code: Code, word: str) -> None:
    """Weights mean nothing under other digits, so strict=False does not let them in either."""
    state = case_of(kind, code, seed=4).build().state_dict()
    head = case_of(kind).build()
    before = {key: value.clone() for key, value in head.state_dict().items()}
    with pytest.raises((ValueError, RuntimeError), match=word):
        head.load_state_dict(state, strict=strict)
    for key in ("codec.radices", "codec.order"):
        assert torch.equal(head.state_dict()[key], before[key])


@pytest.mark.parametrize("kind", CODED)
def test_another_code_is_refused_inside_a_model(kind: str) -> None:
    def model(code: Code) -> nn.Module:
        return nn.ModuleDict({"body": nn.Linear(5, 5), "out": case_of(kind, code).build()})

    with pytest.raises((ValueError, RuntimeError), match="radices"):
        model(CODE).load_state_dict(model(Code(23, (6, 4), CODE.order)).state_dict())
    twin = model(CODE)
    twin.load_state_dict(model(CODE).state_dict())


@pytest.mark.parametrize("kind", CODED)
def test_a_state_dict_without_code_is_refused_when_strict(kind: str) -> None:
    head = case_of(kind).build()
    state = {key: value for key, value in head.state_dict().items() if value.is_floating_point()}
    with pytest.raises((ValueError, RuntimeError), match=r"radices|order"):
        head.load_state_dict(state)


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize(
    "code", [CODE, Code(23, (4, 6)), Code(23, (2, 3, 4), shuffled(23, 5)), Code(24, (4, 6))]
)
def test_tied_weight_is_the_embedding(kind: str, code: Code) -> None:
    """Storage is shared, both ways see updates, and rows stand in label order."""
    case = case_of(kind, code)
    head = case.build()
    embedding = nn.Embedding(code.num_labels, 5, dtype=torch.float64)
    head.tie_weight(embedding.weight)
    assert any(parameter is embedding.weight for parameter in head.parameters())
    model = nn.ModuleDict({"embedding": embedding, "head": head})
    assert sum(parameter is embedding.weight for parameter in model.parameters()) == 1

    features, labels = case.features(), case.labels()
    before = head.log_prob(features).detach()
    with torch.no_grad():
        embedding.weight[labels[0]] += features[0]
    after = head.log_prob(features).detach()
    assert float(after[0, labels[0]]) > float(before[0, labels[0]])

    head(features, labels).nll.sum().backward()
    assert embedding.weight.grad is not None
    assert (embedding.weight.grad[labels].abs().sum(-1) > 0).all()
    torch.testing.assert_close(head(features, labels).nll, -after.gather(-1, labels[:, None])[:, 0])


@pytest.mark.parametrize("kind", TIED)
def test_tied_rows_are_in_label_order(kind: str) -> None:
    """Swapping two embedding rows of the same branch swaps exactly these two labels' probabilities."""
    case = case_of(kind, Code(23, (4, 6), shuffled(23, 1)))
    head = case.build(bias=False)
    embedding = nn.Parameter(
        torch.randn(23, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    )
    head.tie_weight(embedding)
    by_rank = sorted(range(23), key=lambda label: CODE.order[label])
    one, two = by_rank[6], by_rank[9]
    features = case.features()
    before = head.log_prob(features).detach()
    with torch.no_grad():
        embedding[[one, two]] = embedding[[two, one]]
    after = head.log_prob(features).detach()
    swapped = list(range(23))
    swapped[one], swapped[two] = two, one
    torch.testing.assert_close(after[:, swapped], before, rtol=1e-10, atol=1e-10)
    assert not torch.allclose(after[:, one], before[:, one])


@pytest.mark.parametrize("kind", TIED)
def test_reset_leaves_a_tied_weight_alone(kind: str) -> None:
    head = case_of(kind).build()
    embedding = nn.Parameter(torch.randn(23, 5, dtype=torch.float64))
    head.tie_weight(embedding)
    before = embedding.detach().clone()
    head.reset_parameters()
    assert torch.equal(embedding, before)
    assert any(parameter is embedding for parameter in head.parameters())


@pytest.mark.parametrize("kind", TIED)
def test_tied_heads_round_trip(kind: str) -> None:
    case = case_of(kind)

    def model(seed: int) -> nn.ModuleDict:
        torch.manual_seed(seed)
        embedding, head = nn.Embedding(23, 5, dtype=torch.float64), case.build()
        head.tie_weight(embedding.weight)
        return nn.ModuleDict({"embedding": embedding, "head": head})

    source, target = model(1), model(2)
    target.load_state_dict(source.state_dict())
    features = case.features()
    assert torch.equal(source["head"].log_prob(features), target["head"].log_prob(features))
    assert any(parameter is target["embedding"].weight for parameter in target["head"].parameters())


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize("direction", ["tied to untied", "untied to tied"])
def test_tied_and_untied_checkpoints_never_mix_silently(kind: str, direction: str) -> None:
    """Either the same probabilities, or a refusal: rows in another order must not pass as these."""
    case = case_of(kind)
    source, target = case.build(), case_of(kind, seed=8).build()
    (source if direction == "tied to untied" else target).tie_weight(
        nn.Parameter(torch.randn(23, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))
    )
    try:
        target.load_state_dict(source.state_dict())
    except (ValueError, RuntimeError) as error:
        assert "tie" in str(error)  # noqa: PT017
    else:
        features = case.features()
        torch.testing.assert_close(target.log_prob(features), source.log_prob(features))


@pytest.mark.parametrize("kind", KINDS)
def test_device_and_dtype_options(kind: str) -> None:
    options: dict[str, Any] = {"device": "cpu"}
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        head = case_of(kind).build(dtype=dtype, **options)
        assert {parameter.dtype for parameter in head.parameters()} == {dtype}
    meta = case_of(kind).build(dtype=torch.float32, device="meta")
    assert all(parameter.is_meta for parameter in meta.parameters())


def test_whether_rows_change_their_order_can_be_asked() -> None:
    order = torch.tensor([2, 0, 1, 3, 5, 4])
    head = CascadeHead(4, 6, radices=(3, 2), order=order)
    state = head.state_dict()
    assert not rows_change_order(head, state)
    old = {name: value for name, value in state.items() if name != "leaf.by_rank"}
    assert rows_change_order(head, old)
    assert not rows_change_order(CascadeHead(4, 6, radices=(3, 2)), old)
    assert rows_change_order(
        head, {f"decoder.head.{name}": value for name, value in old.items()}, "decoder.head."
    )
