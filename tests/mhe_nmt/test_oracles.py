"""Dense log-probabilities of every head against oracles built from its parameters by hand.

The other tests lean on log_prob; this one shows that log_prob is what the formulas say.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor, nn

from tests.mhe_nmt.oracles import (
    all_digits,
    by_label,
    cascade_log_prob,
    composed_weights,
    digit_conditional,
    joint_log_prob,
    mixture_log_prob,
    table_conditional,
    with_prototypes,
)
from tests.mhe_nmt.strategies import KINDS, Case, cases

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


def digits(case: Case) -> list[tuple[int, ...]]:
    return all_digits(case.code.num_labels, case.code.radices, case.code.order)


@given(cases(kinds=("onehot", "onehot-nobias")))
def test_onehot_is_a_linear_layer(case: Case) -> None:
    head, features = case.build(), case.features()
    expected = F.log_softmax(F.linear(features, head.weight, head.bias), dim=-1)
    torch.testing.assert_close(head.log_prob(features), expected, **CLOSE)


@given(cases(kinds=("product", "product-nobias"), max_labels=200))
def test_product_is_a_full_softmax_with_composed_weights(case: Case) -> None:
    """The product over heads of softmaxes, renormalised over the used codes, in one matrix."""
    head, features, target = case.build(), case.features(), case.labels()
    weight, bias = composed_weights(head.weight, head.bias, digits(case), case.code.radices)
    assert weight.shape == (case.code.num_labels, case.in_features)
    expected = F.log_softmax(F.linear(features, weight, bias), dim=-1)
    torch.testing.assert_close(head.log_prob(features), expected, **CLOSE)
    nll, smooth = head(features, target)
    torch.testing.assert_close(nll, F.nll_loss(expected, target, reduction="none"), **CLOSE)
    torch.testing.assert_close(smooth, -expected.sum(-1), **CLOSE)


@given(cases(kinds=("mixture",), max_labels=60))
@settings(max_examples=20)
def test_mixture_by_explicit_sums(case: Case) -> None:
    head, features = case.build(), case.features((2,))
    target = case.labels((2,))
    out = head(features, target)
    for n, x in enumerate(features):
        scores = F.linear(x, head.prior.weight, head.prior.bias).tolist()
        expected, smooth = mixture_log_prob(
            head.weight, head.bias, scores, x, digits(case), case.code.radices
        )
        expected = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(head.log_prob(x), expected, **CLOSE)
        torch.testing.assert_close(out.nll[n], -expected[target[n]], **CLOSE)
        torch.testing.assert_close(out.smooth[n], torch.tensor(smooth, dtype=torch.float64), **CLOSE)


@given(cases(kinds=("joint", "joint-nobias"), max_labels=60))
@settings(max_examples=20)
def test_joint_by_explicit_loops(case: Case) -> None:
    head, features = case.build(), case.features((2,))
    for x in features:
        expected = joint_log_prob(
            head.weight, head.bias, case.options["groups"], x, digits(case), case.code.radices
        )
        torch.testing.assert_close(head.log_prob(x), torch.tensor(expected, dtype=torch.float64), **CLOSE)


def pair(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    return layer.weight, layer.bias


@given(cases(kinds=tuple(kind for kind in KINDS if kind.startswith("cascade")), max_labels=60))
@settings(max_examples=80)
def test_cascade_by_the_chain_rule(case: Case) -> None:
    head, features, target = case.build(), case.features((2,)), case.labels((2,))
    out = head(features, target)
    for n, x in enumerate(features):
        inner = [pair(layer) for layer in head.inner]
        if case.options.get("conditioning") == "digit":
            embeddings = [[table.weight for table in level] for level in head.digit_embeddings]
            conditional = digit_conditional(inner, [pair(layer) for layer in head.hidden], embeddings, x)
        else:
            projection = None if head.leaf.projection is None else head.leaf.projection.weight
            conditional = table_conditional(inner, pair(head.leaf), x, case.code.radices, projection)
        if prototypes := case.options.get("prototypes"):
            conditional = with_prototypes(conditional, inner[0], prototypes, x)
        expected, smooth = cascade_log_prob(conditional, digits(case), case.code.radices)
        expected = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(head.log_prob(x), expected, **CLOSE)
        torch.testing.assert_close(out.nll[n], -expected[target[n]], **CLOSE)
        torch.testing.assert_close(
            out.smooth[n], torch.tensor(smooth[target[n]], dtype=torch.float64), **CLOSE
        )


@given(cases(kinds=("sampling", "sampling-nobias", "sampling-projection")))
def test_sampling_in_evaluation_is_a_linear_layer(case: Case) -> None:
    """The matrix is stored in rank order. Both loss terms follow."""
    head, features, target = case.build(), case.features(), case.labels()
    projection = head.matrix.projection
    inputs = features if projection is None else features + features @ projection.weight.T
    bias = None if head.matrix.bias is None else by_label(head.matrix.bias, case.code.order)
    weight = by_label(head.matrix.weight, case.code.order)
    expected = F.log_softmax(F.linear(inputs, weight, bias), dim=-1)
    torch.testing.assert_close(head.log_prob(features), expected, **CLOSE)
    nll, smooth = head(features, target)
    torch.testing.assert_close(nll, F.nll_loss(expected, target, reduction="none"), **CLOSE)
    torch.testing.assert_close(smooth, -expected.sum(-1), **CLOSE)
    exported = head.to_onehot()
    torch.testing.assert_close(exported.log_prob(features), expected, **CLOSE)
