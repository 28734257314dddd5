"""What every head promises, measured against its own dense log-probabilities.

That the dense log-probabilities are themselves right is shown in test_oracles.py.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mhe_nmt import HEADS, HeadOutput, OutputHead
from tests.mhe_nmt.oracles import dense_nll, dense_smooth
from tests.mhe_nmt.strategies import EXACT_SMOOTHING, KINDS, Case, Code, cases, leading_shapes

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def gradients(value: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """d value.sum() / d inputs, zeros where there is no path."""
    found = torch.autograd.grad(value.sum(), inputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


def assert_all_close(found: list[Tensor], expected: list[Tensor], names: list[str]) -> None:
    for ours, theirs, name in zip(found, expected, names, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


def test_heads_are_registered() -> None:
    assert set(HEADS) == {"onehot", "product", "cascade", "sampling"}
    assert all(issubclass(head, OutputHead) for head in HEADS.values())


@given(cases(), leading_shapes)
def test_log_prob_sums_to_one(case: Case, leading: tuple[int, ...]) -> None:
    found = case.build().log_prob(case.features(leading))
    assert found.shape == (*leading, case.code.num_labels)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.logsumexp(-1), torch.zeros(leading, dtype=torch.float64), **CLOSE)
    assert torch.isfinite(found).all()


@given(cases(), leading_shapes)
def test_nll_is_minus_log_prob_of_the_target(case: Case, leading: tuple[int, ...]) -> None:
    head, features, target = case.build(), case.features(leading), case.labels(leading)
    out = head(features, target)
    assert isinstance(out, HeadOutput)
    assert out.nll.shape == out.smooth.shape == target.shape
    assert out.nll.dtype == out.smooth.dtype == torch.float64
    torch.testing.assert_close(out.nll, dense_nll(head.log_prob(features), target), **CLOSE)


@given(cases(kinds=EXACT_SMOOTHING), leading_shapes)
def test_smoothing_term_is_exact(case: Case, leading: tuple[int, ...]) -> None:
    head, features, target = case.build(), case.features(leading), case.labels(leading)
    expected = dense_smooth(head.log_prob(features), target)
    torch.testing.assert_close(head(features, target).smooth, expected, **CLOSE)


@given(cases(kinds=("cascade", "cascade-nobias", "cascade-digit")))
def test_smoothing_of_the_cascade_leaves_out_other_branches(case: Case) -> None:
    head, features, target = case.build(), case.features(), case.labels()
    exact = dense_smooth(head.log_prob(features), target)
    found = head(features, target).smooth
    assert (found <= exact + 1e-9).all()


@given(cases(kinds=("mixture",)))
def test_smoothing_of_the_mixture_is_an_upper_bound(case: Case) -> None:
    head, features, target = case.build(), case.features(), case.labels()
    exact = dense_smooth(head.log_prob(features), target)
    assert (head(features, target).smooth >= exact - 1e-9).all()


@given(cases(), st.sampled_from([(), (3,), (2, 2)]))
def test_gradient_of_nll(case: Case, leading: tuple[int, ...]) -> None:
    head, target = case.build(), case.labels(leading)
    features = case.features(leading).requires_grad_()
    inputs, names = [features, *head.parameters()], ["features", *dict(head.named_parameters())]
    weights = torch.linspace(0.5, 2.0, max(target.numel(), 1), dtype=torch.float64)[: target.numel()]
    weights = weights.view(leading)
    found = gradients(head(features, target).nll * weights, inputs)
    expected = gradients(dense_nll(head.log_prob(features), target) * weights, inputs)
    assert_all_close(found, expected, names)


@given(cases(kinds=EXACT_SMOOTHING), st.sampled_from([(), (3,), (2, 2)]))
def test_gradient_of_smoothing(case: Case, leading: tuple[int, ...]) -> None:
    head, target = case.build(), case.labels(leading)
    features = case.features(leading).requires_grad_()
    inputs, names = [features, *head.parameters()], ["features", *dict(head.named_parameters())]
    found = gradients(head(features, target).smooth, inputs)
    expected = gradients(dense_smooth(head.log_prob(features), target), inputs)
    assert_all_close(found, expected, names)


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(kind: str) -> None:
    """Finite differences for both loss terms: also where the smoothing term is a substitute."""
    name, options = KINDS[kind]
    case = Case(name, Code(11, (2, 3, 2), tuple(reversed(range(11)))), options, in_features=2, seed=3)
    head = case.build()
    target = torch.tensor([10, 0, 5])
    names = list(dict(head.named_parameters()))

    def terms(features: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        named = dict(zip(names, parameters, strict=True))
        return tuple(torch.func.functional_call(head, named, (features, target)))

    inputs = [case.features((3,)), *(parameter.detach().clone() for parameter in head.parameters())]
    assert torch.autograd.gradcheck(terms, [value.requires_grad_() for value in inputs])


@given(cases(), leading_shapes, st.integers(0, 7))
def test_score_gathers(case: Case, leading: tuple[int, ...], width: int) -> None:
    """Any labels in any order, repeated ones too."""
    head, features, labels = case.build(), case.features(leading), case.labels((*leading, width))
    found = head.score(features, labels)
    assert found.shape == labels.shape
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, head.log_prob(features).gather(-1, labels), **CLOSE)


@given(cases())
def test_score_of_every_label_is_log_prob(case: Case) -> None:
    head, features = case.build(), case.features()
    labels = torch.arange(case.code.num_labels).expand(6, -1)
    torch.testing.assert_close(head.score(features, labels), head.log_prob(features), **CLOSE)


@given(cases())
def test_score_has_gradients(case: Case) -> None:
    head, labels = case.build(), case.labels((6, 3))
    features = case.features().requires_grad_()
    inputs, names = [features, *head.parameters()], ["features", *dict(head.named_parameters())]
    found = gradients(head.score(features, labels), inputs)
    assert_all_close(found, gradients(head.log_prob(features).gather(-1, labels), inputs), names)


@given(cases(), leading_shapes, st.sampled_from([-100, -1, 0, 1]))
def test_ignored_positions(case: Case, leading: tuple[int, ...], ignore_index: int) -> None:
    """Loss terms 0, no gradient from them; ignore_index may be a label, such as padding."""
    head = case.build(ignore_index=ignore_index)
    target = case.labels(leading)
    flat = target.view(-1)
    flat[::2] = ignore_index
    features = case.features(leading).requires_grad_()
    ignored = target == ignore_index
    out = head(features, target)
    assert (out.nll[ignored] == 0).all()
    assert (out.smooth[ignored] == 0).all()
    torch.testing.assert_close(
        out.nll, dense_nll(head.log_prob(features), target, ignore_index).detach(), check_dtype=True, **CLOSE
    )
    (out.nll.sum() + out.smooth.sum()).backward()
    assert (features.grad[ignored] == 0).all()
    inputs = list(head.parameters())
    found = [torch.zeros_like(value) if value.grad is None else value.grad for value in inputs]
    kept = head(features.detach()[~ignored], target[~ignored])
    assert_all_close(found, gradients(kept.nll + kept.smooth, inputs), list(dict(head.named_parameters())))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_ignored(kind: str) -> None:
    name, options = KINDS[kind]
    case = Case(name, Code(11, (3, 4)), options)
    head = case.build()
    features = case.features((2, 3)).requires_grad_()
    target = torch.full((2, 3), -100)
    out = head(features, target)
    assert out.nll.tolist() == out.smooth.tolist() == [[0.0] * 3] * 2
    loss = head.loss(features, target, reduction="sum")
    loss.backward()
    assert features.grad is None or (features.grad == 0).all()
    assert head.loss(features, target, reduction="none").shape == (2, 3)


@given(cases(), st.sampled_from([(), (5,), (2, 3)]), st.sampled_from([0.0, 0.1, 0.9]))
def test_loss_reductions(case: Case, leading: tuple[int, ...], epsilon: float) -> None:
    head = case.build(label_smoothing=epsilon)
    features, target = case.features(leading), case.labels(leading)
    if target.numel() > 2:
        target.view(-1)[1] = -100
    nll, smooth = head(features, target)
    expected = (1 - epsilon) * nll + epsilon / case.code.num_labels * smooth
    torch.testing.assert_close(head.loss(features, target, reduction="none"), expected, **CLOSE)
    torch.testing.assert_close(head.loss(features, target, reduction="sum"), expected.sum(), **CLOSE)
    mean = expected.sum() / int((target != -100).sum())
    torch.testing.assert_close(head.loss(features, target, reduction="mean"), mean, **CLOSE)
    torch.testing.assert_close(head.loss(features, target), mean, **CLOSE)


@given(
    cases(kinds=EXACT_SMOOTHING), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from(["mean", "sum", "none"])
)
def test_loss_is_torch_cross_entropy(case: Case, epsilon: float, reduction: str) -> None:
    """Log-probabilities are valid logits: torch's own label smoothing over V labels must agree."""
    head = case.build(label_smoothing=epsilon)
    features, target = case.features((7,)), case.labels((7,))
    target[3] = -100
    expected = F.cross_entropy(
        head.log_prob(features), target, ignore_index=-100, reduction=reduction, label_smoothing=epsilon
    )
    torch.testing.assert_close(head.loss(features, target, reduction=reduction), expected, **CLOSE)


@given(cases(), st.sampled_from([(4,), (2, 3)]))
def test_noncontiguous_features(case: Case, leading: tuple[int, ...]) -> None:
    head, features, target = case.build(), case.features(leading), case.labels(leading)
    twisted = features.transpose(0, -1).contiguous().transpose(0, -1)
    flipped = target.transpose(0, -1).contiguous().transpose(0, -1)
    torch.testing.assert_close(head(twisted, flipped).nll, head(features, target).nll, **CLOSE)
    torch.testing.assert_close(head.log_prob(twisted), head.log_prob(features), **CLOSE)
    assert torch.equal(head.topk(twisted, 2)[1], head.topk(features, 2)[1])
    labels = target.unsqueeze(-1).expand(*leading, 3)
    torch.testing.assert_close(head.score(twisted, labels), head.score(features, labels), **CLOSE)


@given(cases(), st.sampled_from([(4,), (2, 3)]))
def test_inputs_are_left_alone(case: Case, leading: tuple[int, ...]) -> None:
    head, features, target = case.build(), case.features(leading), case.labels(leading)
    before = [features.clone(), target.clone(), *(value.clone() for value in head.state_dict().values())]
    head(features, target)
    head.loss(features, target)
    head.log_prob(features)
    head.score(features, target.unsqueeze(-1))
    head.topk(features, 2)
    head.predict(features)
    for old, new in zip(before, [features, target, *head.state_dict().values()], strict=True):
        assert torch.equal(old, new)


@given(cases())
def test_rows_do_not_see_each_other(case: Case) -> None:
    head, features, target = case.build(), case.features((6,)), case.labels((6,))
    together = head(features, target)
    alone = [head(features[i], target[i]) for i in range(6)]
    torch.testing.assert_close(together.nll, torch.stack([out.nll for out in alone]), **CLOSE)
    torch.testing.assert_close(together.smooth, torch.stack([out.smooth for out in alone]), **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_order_only_renames_labels(kind: str) -> None:
    """A permuted head with the same weights gives label y what the plain head gives rank order[y]."""
    name, options = KINDS[kind]
    if name in ("onehot", "sampling") or (name == "cascade" and "conditioning" not in options):
        return  # their rows may be kept in label order, so equal weights are not equal heads
    order = (4, 9, 0, 2, 7, 10, 1, 3, 8, 6, 5)
    plain = Case(name, Code(11, (3, 4)), options)
    permuted = Case(name, Code(11, (3, 4), order), options)
    expected = plain.build().log_prob(plain.features())[:, list(order)]
    torch.testing.assert_close(permuted.build().log_prob(permuted.features()), expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss(kind: str) -> None:
    """A few Adam steps from reset_parameters learn a toy rule, in train mode."""
    name, options = KINDS[kind]
    torch.manual_seed(0)
    case = Case(name, Code(22, (5, 5), tuple((7 * i + 3) % 22 for i in range(22))), options, in_features=8)
    head = case.build(dtype=torch.float32)
    head.reset_parameters()
    head.train()
    features = torch.randn(22, 8)
    target = torch.arange(22)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    start = float(head.eval().loss(features, target).detach())
    for _ in range(60):
        optimiser.zero_grad()
        head.train().loss(features, target).backward()
        optimiser.step()
    assert float(head.eval().loss(features, target).detach()) < 0.75 * start


@pytest.mark.parametrize("kind", KINDS)
def test_reset_parameters_draws_anew_and_by_seed(kind: str) -> None:
    name, options = KINDS[kind]
    head = Case(name, Code(50, (7, 8)), options, in_features=16).build(dtype=torch.float32)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        head.reset_parameters()
        draws.append({key: value.detach().clone() for key, value in head.named_parameters()})
    assert all(torch.equal(draws[0][key], draws[1][key]) for key in draws[0])
    assert any(not torch.equal(draws[0][key], draws[2][key]) for key in draws[0])
    assert all(torch.isfinite(value).all() for value in draws[0].values())
    log_prob = head.log_prob(torch.randn(4, 16))
    assert (log_prob.exp().sum(-1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_extra_repr_says_what_it_is(kind: str) -> None:
    name, options = KINDS[kind]
    head = Case(name, Code(50, (7, 8)), options, in_features=16).build()
    text = repr(head)
    assert "50" in text
    assert "16" in text
    if name != "onehot":
        assert "7" in text
        assert "8" in text
