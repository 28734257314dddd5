"""Wrong options and wrong inputs are refused with a sentence that names the numbers."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
import torch

from mhe_nmt import (
    CascadeHead,
    LabelCodec,
    OneHotHead,
    ProductHead,
    SamplingHead,
    balanced_radices,
    build_head,
)
from tests.mhe_nmt.strategies import KINDS, PLAIN_KINDS, Case, Code

CODED = ("product", "cascade", "sampling")


def is_a_sentence(text: str) -> bool:
    return len(text.split()) >= 4


@pytest.mark.parametrize(
    ("options", "mentioned"),
    [
        ({"num_labels": 10, "radices": (3, 3)}, ("9", "10")),
        ({"num_labels": 10, "radices": (1, 10)}, ("1",)),
        ({"num_labels": 10, "radices": (0, 10)}, ("0",)),
        ({"num_labels": 10, "radices": (-5, -5)}, ("-5",)),
        ({"num_labels": 10, "radices": (10,)}, ("10",)),
        ({"num_labels": 10, "radices": ()}, ("2",)),
        ({"num_labels": 1, "radices": (2, 2)}, ("1",)),
        ({"num_labels": 1}, ("1",)),
        ({"num_labels": 0}, ("0",)),
        ({"num_labels": -3}, ("-3",)),
        ({"num_labels": 10, "num_heads": 1}, ("1",)),
        ({"num_labels": 10, "num_heads": 0}, ("0",)),
        ({"num_labels": 4, "radices": (2, 2), "order": (0, 1, 2)}, ("4",)),
        ({"num_labels": 4, "radices": (2, 2), "order": (0, 1, 2, 3, 4)}, ("4",)),
        ({"num_labels": 4, "radices": (2, 2), "order": (0, 1, 2, 2)}, ("permutation",)),
        ({"num_labels": 4, "radices": (2, 2), "order": (0, 1, 2, 4)}, ("permutation",)),
        ({"num_labels": 4, "radices": (2, 2), "order": (-1, 1, 2, 3)}, ("permutation",)),
        ({"num_labels": 4, "radices": (2, 2), "order": [[0, 1], [2, 3]]}, ("4",)),
        ({"num_labels": 4, "radices": (2, 2), "order": torch.tensor([0.0, 1.0, 2.0, 3.0])}, ("integer",)),
    ],
)
@pytest.mark.parametrize("name", ["codec", *CODED])
def test_code_options(name: str, options: dict[str, Any], mentioned: tuple[str, ...]) -> None:
    options = dict(options)
    num_labels = options.pop("num_labels")
    build = partial(build_head, name, 5) if name != "codec" else LabelCodec
    with pytest.raises(ValueError, match=re.escape(mentioned[0])) as caught:
        build(num_labels, **options)
    assert all(number in str(caught.value) for number in mentioned)
    assert is_a_sentence(str(caught.value))


@pytest.mark.parametrize("radices", [(2.5, 4), (3.0, 4.9)])
def test_radices_that_are_not_integers(radices: tuple[Any, ...]) -> None:
    """A radix is never rounded silently: 2.5 is a mistake."""
    with pytest.raises((ValueError, TypeError)):
        LabelCodec(8, radices)


@pytest.mark.parametrize(("num_labels", "num_heads"), [(1, 2), (0, 2), (-1, 2), (10, 1), (10, 0)])
def test_balanced_radices(num_labels: int, num_heads: int) -> None:
    with pytest.raises(ValueError, match=r"-?\d"):
        balanced_radices(num_labels, num_heads)


@pytest.mark.parametrize("name", ["onehot", *CODED])
@pytest.mark.parametrize(
    ("options", "mentioned"),
    [
        ({"label_smoothing": 1.0}, "1"),
        ({"label_smoothing": -0.1}, "-0.1"),
        ({"label_smoothing": 3}, "3"),
        ({"label_smoothing": float("nan")}, "nan"),
    ],
)
def test_label_smoothing(name: str, options: dict[str, Any], mentioned: str) -> None:
    with pytest.raises(ValueError, match=f"label_smoothing.*{mentioned}"):
        build_head(name, 5, 12, **options)


@pytest.mark.parametrize("name", ["onehot", *CODED])
def test_sizes(name: str) -> None:
    with pytest.raises(ValueError, match="in_features"):
        build_head(name, 0, 12)
    with pytest.raises(ValueError, match="1"):
        build_head(name, 5, 1)


@pytest.mark.parametrize(
    ("name", "options", "mentioned"),
    [
        ("product", {"groups": 0}, "groups"),
        ("product", {"groups": -2}, "-2"),
        ("product", {"form": "sum"}, "sum"),
        ("product", {"form": "joint"}, "joint"),
        ("product", {"form": "joint", "groups": 1}, "groups"),
        ("cascade", {"conditioning": "tree"}, "tree"),
        ("cascade", {"conditioning": "digit", "hidden_features": 0}, "hidden_features"),
        ("cascade", {"conditioning": "table", "hidden_features": 8}, "hidden_features"),
        ("cascade", {"prototypes": 0}, "prototypes"),
        ("cascade", {"conditioning": "digit", "projection": True}, "projection"),
        ("sampling", {"sample_fraction": 0.0}, "sample_fraction"),
        ("sampling", {"sample_fraction": -0.5}, "-0.5"),
        ("sampling", {"sample_fraction": 1.01}, "1.01"),
        ("sampling", {"sample_fraction": float("nan")}, "nan"),
    ],
)
def test_own_options(name: str, options: dict[str, Any], mentioned: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mentioned)) as caught:
        build_head(name, 5, 12, **options)
    assert is_a_sentence(str(caught.value))


@pytest.mark.parametrize("name", ["softmax", "", "Product", "one-hot"])
def test_unknown_head(name: str) -> None:
    with pytest.raises(ValueError, match="product") as caught:
        build_head(name, 5, 12)
    assert repr(name) in str(caught.value) or f'"{name}"' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("onehot", "radices"),
        ("onehot", "num_heads"),
        ("onehot", "order"),
        ("onehot", "groups"),
        ("product", "conditioning"),
        ("product", "sample_fraction"),
        ("cascade", "groups"),
        ("sampling", "form"),
        ("product", "temperature"),
    ],
)
def test_unknown_option(name: str, option: str) -> None:
    with pytest.raises(ValueError, match=option) as caught:
        build_head(name, 5, 12, **{option: 3})
    assert name in str(caught.value)


def heads() -> list[Any]:
    return [pytest.param(Case(*_split(kind)), id=kind) for kind in PLAIN_KINDS]


def _split(kind: str) -> tuple[str, Code, dict[str, Any]]:
    name, options = KINDS[kind]
    return name, Code(11, (3, 4)), options


def test_the_plain_kinds_are_of_every_class() -> None:
    plain, every = ({type(Case(*_split(kind)).build()) for kind in kinds} for kinds in (PLAIN_KINDS, KINDS))
    assert plain == every


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("shape", [(4, 6), (4, 4), (6,), (5, 1), (0, 6)])
def test_features_of_the_wrong_width(case: Case, shape: tuple[int, ...]) -> None:
    head, features = case.build(), torch.zeros(shape, dtype=torch.float64)
    target = torch.zeros(shape[:-1], dtype=torch.int64)
    for call in (
        lambda: head(features, target),
        lambda: head.loss(features, target),
        lambda: head.log_prob(features),
        lambda: head.score(features, target.unsqueeze(-1)),
        lambda: head.topk(features, 2),
        lambda: head.predict(features),
    ):
        with pytest.raises(ValueError, match="5") as caught:
            call()
        assert is_a_sentence(str(caught.value))


@pytest.mark.parametrize("case", heads())
def test_features_that_are_no_vector_of_floats(case: Case) -> None:
    head = case.build()
    with pytest.raises(ValueError, match="features"):
        head.log_prob(torch.tensor(1.0, dtype=torch.float64))
    with pytest.raises(ValueError, match="features"):
        head.log_prob(torch.zeros(3, 5, dtype=torch.int64))


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("shape", [(), (3,), (5,), (4, 1), (1, 4), (2, 2)])
def test_target_of_the_wrong_shape(case: Case, shape: tuple[int, ...]) -> None:
    head = case.build()
    for call in (head.forward, head.loss):
        with pytest.raises(ValueError, match="4") as caught:
            call(case.features((4,)), torch.zeros(shape, dtype=torch.int64))
        assert is_a_sentence(str(caught.value))


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("bad", [11, 12, 10**6, -1, -99])
@pytest.mark.parametrize("training", [True, False])
def test_target_out_of_range(case: Case, bad: int, training: bool) -> None:
    """Also a rank that the radices could encode: 11 is an unused code of 3 x 4."""
    head = case.build().train(training)
    with pytest.raises((ValueError, IndexError), match=str(bad)):
        head(case.features((3,)), torch.tensor([0, bad, 1]))
    with pytest.raises((ValueError, IndexError), match=str(bad)):
        head.loss(case.features(()), torch.tensor(bad))


@pytest.mark.parametrize("case", heads())
def test_target_of_a_wrong_type(case: Case) -> None:
    """Torch's own complaint about the index type will do; rounding would not."""
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        case.build()(case.features((3,)), torch.tensor([0.0, 1.5, 2.0]))


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("bad", [11, 12, 10**6, -1, -100])
def test_scored_label_out_of_range(case: Case, bad: int) -> None:
    with pytest.raises((ValueError, IndexError), match=str(bad)):
        case.build().score(case.features((2,)), torch.tensor([[0, 1], [bad, 2]]))


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("shape", [(), (4,), (3, 2), (4, 2, 1), (2, 4)])
def test_scored_labels_of_the_wrong_shape(case: Case, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="4"):
        case.build().score(case.features((4,)), torch.zeros(shape, dtype=torch.int64))


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("k", [0, -1, 12, 1000])
def test_k_out_of_range(case: Case, k: int) -> None:
    for leading in ((4,), (), (0,)):
        with pytest.raises(ValueError, match=str(k)) as caught:
            case.build().topk(case.features(leading), k)
        assert "11" in str(caught.value)
        assert is_a_sentence(str(caught.value))


@pytest.mark.parametrize("case", heads())
@pytest.mark.parametrize("reduction", ["avg", "", None])
def test_unknown_reduction(case: Case, reduction: Any) -> None:
    with pytest.raises(ValueError, match="reduction"):
        case.build().loss(case.features((4,)), case.labels((4,)), reduction=reduction)


@pytest.mark.parametrize("kind", ["product", "mixture", "joint", "cascade-digit", "cascade-digit-hidden"])
def test_tying_what_cannot_be_tied(kind: str) -> None:
    case = Case(*_split(kind))
    with pytest.raises(ValueError, match="tie") as caught:
        case.build().tie_weight(torch.nn.Parameter(torch.zeros(11, 5, dtype=torch.float64)))
    assert is_a_sentence(str(caught.value))


@pytest.mark.parametrize("kind", ["onehot", "sampling", "cascade"])
@pytest.mark.parametrize("shape", [(12, 5), (11, 4), (11,), (5, 11), (10, 5)])
def test_tying_the_wrong_shape(kind: str, shape: tuple[int, ...]) -> None:
    case = Case(*_split(kind))
    with pytest.raises(ValueError, match="11"):
        case.build().tie_weight(torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)))


def test_classes_refuse_what_build_head_refuses() -> None:
    with pytest.raises(ValueError, match="20"):
        ProductHead(5, 20, radices=(4, 4))
    with pytest.raises(ValueError, match="20"):
        CascadeHead(5, 20, radices=(4, 4))
    with pytest.raises(ValueError, match="20"):
        SamplingHead(5, 20, radices=(4, 4))
    with pytest.raises(ValueError, match="1"):
        OneHotHead(5, 1)
