"""Heads without values: built on the meta device, filled later; and steps there, in which nothing can wait.

A tensor on the meta device has a shape and a dtype but no values. Whatever asks for one, as ``item``,
``tolist``, ``nonzero``, ``unique`` or a Python ``if`` do, fails there. On a real device the host would wait.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mhe_nmt import LabelCodec, MultiLabelCascade, OutputHead, build_head, waiting
from tests.mhe_nmt.oracles import by_label
from tests.mhe_nmt.strategies import KINDS, Case, Code, shuffled

CODES = {"order": Code(23, (4, 6), shuffled(23, 1)), "three digits": Code(24, (2, 3, 4))}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_code = pytest.mark.parametrize("code", CODES.values(), ids=CODES)


def case_of(kind: str, code: Code) -> Case:
    name, options = KINDS[kind]
    return Case(name, code, options)


def built_on_meta(kind: str, code: Code, how: str = "context", **more: Any) -> OutputHead:
    name, options = KINDS[kind]
    options = {**options, "dtype": torch.float64, **more}
    if name != "onehot":
        options.update(radices=code.radices, order=code.order)
    if how == "argument":
        return build_head(name, 5, code.num_labels, device="meta", **options)
    with torch.device("meta"):
        return build_head(name, 5, code.num_labels, **options)


def assert_same_scores(found: OutputHead, expected: OutputHead, case: Case) -> None:
    features, labels = case.features(), case.labels()
    torch.testing.assert_close(found.log_prob(features), expected.log_prob(features), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found(features, labels).nll, expected(features, labels).nll)
    assert torch.equal(found.topk(features, 5)[1], expected.topk(features, 5)[1])


@every_kind
@every_code
@pytest.mark.parametrize(("how", "fill"), [("context", "empty"), ("argument", "assign")])
def test_built_without_values_and_filled(kind: str, code: Code, how: str, fill: str) -> None:
    case = case_of(kind, code)
    source, head = case.build(), built_on_meta(kind, code, how).eval()
    assert all(tensor.is_meta for tensor in [*head.parameters(), *head.buffers()])
    if fill == "empty":
        head.to_empty(device="cpu").load_state_dict(source.state_dict())
    else:
        head.load_state_dict(source.state_dict(), assign=True)
    assert not any(tensor.is_meta for tensor in [*head.parameters(), *head.buffers()])
    assert_same_scores(head, source, case)


@pytest.mark.parametrize("kind", ["cascade", "sampling"])
@pytest.mark.parametrize("fill", ["empty", "assign"])
def test_a_state_with_rows_in_label_order(kind: str, fill: str) -> None:
    code = CODES["order"]
    case = case_of(kind, code)
    source, head = case.build(), built_on_meta(kind, code).eval()
    state = source.state_dict()
    prefix = "leaf." if kind == "cascade" else "matrix."
    del state[prefix + "by_rank"]
    for name in ("weight", "bias"):
        state[prefix + name] = by_label(state[prefix + name], code.order)
    if fill == "empty":
        head.to_empty(device="cpu")
    head.load_state_dict(state, assign=fill == "assign")
    assert_same_scores(head, source, case)


@pytest.mark.parametrize("kind", ["onehot", "cascade", "sampling"])
def test_a_tied_model(kind: str) -> None:
    code = CODES["order"]
    case = case_of(kind, code)
    source = case.build()
    embedding = nn.Embedding(23, 5, dtype=torch.float64)
    source.tie_weight(embedding.weight)
    with torch.device("meta"):
        twin = nn.Embedding(23, 5, dtype=torch.float64)
        head = built_on_meta(kind, code).eval()
        head.tie_weight(twin.weight)
    model = nn.ModuleDict({"embedding": twin, "out": head}).to_empty(device="cpu")
    # torch itself breaks ties where parameters are replaced.
    head.tie_weight(model["embedding"].weight)
    model.load_state_dict(nn.ModuleDict({"embedding": embedding, "out": source}).state_dict())
    assert_same_scores(head, source, case)
    assert any(parameter is twin.weight for parameter in head.parameters())


def test_the_code_has_its_values_as_soon_as_there_is_room() -> None:
    """They are no parameters, so a codec needs no state dict."""
    order = shuffled(23, 1)
    with torch.device("meta"):
        codec = LabelCodec(23, (4, 6), order=order)
    codec.to_empty(device="cpu")
    assert torch.equal(
        codec.encode(torch.arange(23)), LabelCodec(23, (4, 6), order=order).encode(torch.arange(23))
    )
    assert codec.decode(codec.encode(torch.arange(23))).tolist() == list(range(23))
    assert codec.radices.tolist() == [4, 6]
    with torch.device("meta"), pytest.raises(ValueError, match="meta device; make it on the CPU"):
        LabelCodec(23, (4, 6), order=torch.arange(23))


def test_a_wrong_order_is_refused_on_the_meta_device_too() -> None:
    with torch.device("meta"), pytest.raises(ValueError, match="not a permutation"):
        LabelCodec(4, (2, 2), order=(0, 1, 2, 2))


def test_the_head_of_several_labels() -> None:
    with torch.device("meta"):
        head = MultiLabelCascade(5, 23, order=shuffled(23, 1), dtype=torch.float64)
    source = MultiLabelCascade(5, 23, order=shuffled(23, 1), dtype=torch.float64)
    head.to_empty(device="cpu").load_state_dict(source.state_dict())
    features = torch.randn(3, 5, dtype=torch.float64)
    assert torch.equal(head.log_prob(features), source.log_prob(features))


@every_kind
def test_targets_of_another_integer_type(kind: str) -> None:
    case = case_of(kind, CODES["order"])
    features, target = case.features(), case.labels()
    head = case.build(label_smoothing=0.1)
    for mode in (False, True):
        head.train(mode)
        losses = []
        for labels in (target, target.to(torch.int32)):
            torch.manual_seed(1)
            losses.append(torch.cat([*head(features, labels), head.loss(features, labels).view(1)]))
        assert torch.equal(*losses)


# What a step on a device must not ask for.

#: Widths that grouped_mm takes; in the first the last block is short.
WIDE = {"order": Code(2040, (32, 64), shuffled(2040, 1)), "three digits": Code(2040, (16, 16, 8))}
needs_grouped_mm = pytest.mark.skipif(not hasattr(F, "grouped_mm"), reason="torch has no grouped_mm yet")
every_wide_code = pytest.mark.parametrize("code", WIDE.values(), ids=WIDE)
#: A training step of sampling asks how many targets are distinct, and for numbers of the generator.
NEVER_WAITING = [kind for kind in KINDS if not kind.startswith("sampling")]


def wide_on_meta(kind: str, code: Code, **more: Any) -> OutputHead:
    name, options = KINDS[kind]
    options = {**options, "dtype": torch.bfloat16, **more}
    if name != "onehot":
        options.update(radices=code.radices, order=code.order)
    if "hidden_features" in options:
        options["hidden_features"] = 8
    return build_head(name, 16, code.num_labels, device="meta", **options)


def on_meta(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.empty(*shape, device="meta", dtype=dtype)


@needs_grouped_mm
@every_wide_code
@pytest.mark.parametrize("kind", NEVER_WAITING)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_training_step_never_waits(kind: str, code: Code, smoothing: float) -> None:
    head = wide_on_meta(kind, code, label_smoothing=smoothing)
    if smoothing and KINDS[kind][0] in ("onehot", "cascade") and "digit" not in kind:
        head.tie_weight(nn.Parameter(on_meta(2040, 16)))
    features = on_meta(3, 7, 16).requires_grad_()
    target = on_meta(3, 7, dtype=torch.int64)
    head.loss(features, target).backward()
    assert features.grad is not None
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape
    head(features, target)
    head.total(features, target, 0.9, smoothing)


@needs_grouped_mm
@every_wide_code
@pytest.mark.parametrize("kind", KINDS)
def test_dense_scores_never_wait(kind: str, code: Code) -> None:
    head = wide_on_meta(kind, code).eval()
    features = on_meta(3, 7, 16).requires_grad_()
    log_prob = head.log_prob(features)
    assert log_prob.shape == (3, 7, 2040)
    log_prob.sum().backward()


@needs_grouped_mm
@every_wide_code
@pytest.mark.parametrize("kind", ["sampling", "sampling-blocks", "sampling-projection"])
def test_an_evaluation_step_of_sampling_never_waits(kind: str, code: Code) -> None:
    head = wide_on_meta(kind, code, label_smoothing=0.1).eval()
    features = on_meta(3, 7, 16).requires_grad_()
    head.loss(features, on_meta(3, 7, dtype=torch.int64)).backward()


@needs_grouped_mm
@every_wide_code
@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_given_labels_never_wait(kind: str, code: Code) -> None:
    head = wide_on_meta(kind, code).eval()
    assert head.score(on_meta(3, 7, 16), on_meta(3, 7, 4, dtype=torch.int64)).shape == (3, 7, 4)


@needs_grouped_mm
@every_wide_code
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [10])
def test_a_search_waits_once_at_most(kind: str, code: Code, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for the certificate, which is in order here: a product has no open rows, a cascade is complete."""
    asked = []

    def answer(tensor: Tensor) -> bool:
        asked.append(tensor)
        return KINDS[kind][0] == "cascade"

    head = wide_on_meta(kind, code).eval()
    monkeypatch.setattr(Tensor, "__bool__", answer)
    excluded = on_meta(2040, dtype=torch.bool)
    found = head.beam_topk(on_meta(3, 5, 16), on_meta(3, 5), k, excluded)
    assert [part.shape for part in found] == [(3, k)] * 3
    assert len(asked) <= 1


def test_the_meta_device_notices() -> None:
    """The test of the tests."""
    assert not waiting.may_wait(on_meta(1))
    labels = on_meta(5, dtype=torch.int64)
    for ask in (Tensor.tolist, Tensor.unique, Tensor.nonzero, lambda x: bool(x.any()), lambda x: x[x > 0]):
        with pytest.raises((RuntimeError, NotImplementedError)):
            ask(labels)


# The way without waiting, on a CPU, where its numbers can be compared.


@every_kind
@pytest.mark.parametrize("training", [False, True])
def test_masking_gives_what_selecting_gives(
    kind: str, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ignored positions stay in, with label 0, and count nowhere: neither in gradients nor in counts."""
    case = case_of(kind, CODES["order"])
    target = case.labels((7,))
    target[[0, 4]] = -100
    found = []
    for may_wait in (True, False):
        monkeypatch.setattr(waiting, "may_wait", lambda tensor, answer=may_wait: answer)
        head = case.build(label_smoothing=0.1).train(training)
        features = case.features((7,)).requires_grad_()
        torch.manual_seed(2)
        out, loss = head(features, target), head.loss(features, target)
        loss.backward()
        buffers = [buffer for name, buffer in head.named_buffers() if name.endswith("counts")]
        grads = [features.grad, *(parameter.grad for parameter in head.parameters())]
        found.append([*out, loss.detach(), *grads, *buffers])
    is_sampled = training and kind.startswith("sampling")
    for number, (theirs, ours) in enumerate(zip(*found, strict=True)):
        if is_sampled and "blocks" not in kind and number < len(found[0]) - 2:
            # Label 0 of ignored positions is one target more, so the estimate is another.
            assert torch.isfinite(ours).all()
        else:
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
