"""Parts of `python -m benchmarks.gpu`: what they check and measure, and what a wrong head is told."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.gpu import correct, measures
from benchmarks.gpu.correct import MODES, TINY, heads, largest, share_of_rows
from benchmarks.gpu.device import Budget, Device, waits_of
from benchmarks.gpu.layers import LAYERS, OURS, PEERS, PLAIN
from benchmarks.gpu.steps import Setting, Steps, sharpness, zipf
from mhe_nmt import CascadeHead, OneHotHead, build_head


@pytest.mark.parametrize("mode", MODES)
def test_every_head_is_right_on_this_device(mode: str) -> None:
    for name in heads(TINY.labels):
        row = correct.check(name, mode, Device(), TINY)
        assert row["wrong"] == [], name
        assert set(row["errors"]) == {
            "nll", "smooth", "loss", "total", "gradient of features", "gradient of weights",
            "log_prob", "score", "topk", "predict", "beam_topk",
        }  # fmt: skip


class WrongHead(CascadeHead):
    """Right in float64, where it is its own oracle, and wrong elsewhere in the way that `fault` says."""

    fault = ""

    @property
    def wrong(self) -> bool:
        return next(self.parameters()).dtype != torch.float64

    def loss(self, features: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        loss = super().loss(features, target, reduction)
        if self.wrong and self.fault == "stray gradient":
            return loss + 1e-12 * max(self.parameters(), key=Tensor.numel)[-1].sum()
        if self.wrong and self.fault == "ignored position":
            return loss + 1e-12 * features[0].sum()
        if self.wrong and self.fault == "missing gradient":
            return loss.detach() + 0 * features.sum()
        return loss

    def log_prob(self, features: Tensor) -> Tensor:
        scores = super().log_prob(features)
        return scores + 0.01 if self.wrong and self.fault == "log_prob" else scores

    def score(self, features: Tensor, labels: Tensor, shared: Any = None) -> Tensor:
        scores = super().score(features, labels, shared)
        return scores - 0.01 if self.wrong and shared is not None and self.fault == "score" else scores

    def topk(self, features: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values, labels = super().topk(features, k)
        if self.wrong and self.fault == "twice" and k > 1:
            labels[..., 1] = labels[..., 0]
        if self.wrong and self.fault == "worse label":
            labels[..., 0] = super().topk(features, k + 1)[1][..., -1]
        return values, labels

    def predict(self, features: Tensor) -> Tensor:
        best = super().predict(features)
        return best.remainder(self.num_labels - 1) + 1 if self.wrong and self.fault == "predict" else best

    def beam_topk(
        self, features: Tensor, scores: Tensor, k: int, exclude: Tensor | None = None, shared: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        values, beams, labels = super().beam_topk(features, scores, k, exclude, shared)
        if self.wrong and self.fault == "exclude" and exclude is not None:
            labels[..., 0] = 0
        return values, beams, labels


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("", None),
        ("stray gradient", "weight are not zero where"),
        ("ignored position", "gradients of features are not zero"),
        ("missing gradient", "gradient of weights differs"),
        ("log_prob", "log_prob differs from float64 by 1.0e-02"),
        ("score", "score differs from float64 by 1.0e-02"),
        ("twice", "a label occurs twice among the best"),
        ("worse label", "topk differs"),
        ("predict", "predict differs"),
        ("exclude", "beam_topk differs"),
    ],
)
def test_a_wrong_head_is_found(fault: str, said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(kind: str, features: int, labels: int, **options: Any) -> WrongHead:
        head = WrongHead(features, labels, **options)
        head.fault = fault
        return head

    monkeypatch.setattr(correct, "build_head", build)
    wrong = correct.check("cascade by table", "float32", Device(), TINY)["wrong"]
    assert any(said in sentence for sentence in wrong) if said else wrong == []


def test_errors_of_tensors() -> None:
    want = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], dtype=torch.float64)
    assert largest(want.float(), want) == pytest.approx(0, abs=1e-7)
    assert largest(want + torch.tensor([0.0, -0.25]), want) == pytest.approx(0.25)
    assert largest(torch.full_like(want, torch.nan), want) == largest(want[:1], want) == float("inf")
    # A row of a tenth of the longest one's length counts in full, a shorter one as if it had that.
    missing = want.clone()
    missing[1] = 0
    assert share_of_rows(missing, want) == pytest.approx(1)
    extra = want.clone()
    extra[2] = torch.tensor([0.0, 0.25])
    assert share_of_rows(extra, want) == pytest.approx(0.5)
    assert share_of_rows(torch.zeros(3), torch.zeros(3)) == 0
    assert share_of_rows(torch.full((3,), torch.inf), torch.zeros(3)) == float("inf")


@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("liger", "adaptive-softmax")])
def test_peers_compute_the_same_loss_as_our_full_softmax(name: str) -> None:
    torch.manual_seed(1)
    peer: Any = LAYERS[name].build(16, 60)
    ours = OneHotHead(16, 60)
    ours.load_state_dict({"weight": peer.linear.weight, "bias": peer.linear.bias})
    target = torch.randint(60, (30,))
    x, y = (torch.ones(30, 16).mul(torch.arange(30).unsqueeze(-1) / 30).requires_grad_() for _ in range(2))
    losses = [peer.loss(x, target), ours.loss(y, target)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(peer.linear.weight.grad, ours.weight.grad)


@pytest.mark.parametrize("name", [name for name, layer in PEERS.items() if layer.decodes])
def test_peers_decode_over_all_labels(name: str) -> None:
    torch.manual_seed(1)
    peer: Any = LAYERS[name].build(16, 200)
    features, scores = torch.randn(3, 2, 16), -torch.rand(3, 2)
    dense = (
        peer.log_prob if name == PLAIN else lambda x: peer.adaptive.log_prob(x.flatten(0, 1)).view(3, 2, -1)
    )
    sums = (dense(features) + scores.unsqueeze(-1)).flatten(1)
    values, ids = peer.beam_topk(features, scores, 4)
    torch.testing.assert_close(values, sums.topk(4).values)
    torch.testing.assert_close(values, sums.gather(-1, ids))


def test_a_layer_per_head_and_order() -> None:
    assert {layer.words for layer in OURS.values()} >= {"product", "cascade by digit", "sampling, 15%"}
    identity, random = (
        OURS[name].build(8, 300).codec.order for name in ("cascade-table", "cascade-table-order")
    )
    assert bool((identity == torch.arange(300)).all())
    assert not bool((random == identity).all())


def test_targets_follow_zipf() -> None:
    counts = zipf(1000, 200_000).bincount(minlength=1000)
    expected = 1 / (torch.arange(1000, dtype=torch.float64) + 10)
    torch.testing.assert_close(
        counts[:20] / 200_000, (expected / expected.sum())[:20].float(), atol=1e-3, rtol=0
    )
    assert len(counts) == 1000


def test_features_are_sharpened_to_the_entropy() -> None:
    torch.manual_seed(1)
    head, features = build_head("cascade", 64, 900), torch.randn(8, 64)
    log_prob = head.log_prob(features * sharpness(head, features, nats=2.0)).detach()
    assert float(-(log_prob.exp() * log_prob).sum(-1).mean()) == pytest.approx(2.0, abs=0.02)


def test_waits_are_counted_with_their_place(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def step() -> None:
        for _ in range(3):
            warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
        warnings.warn("Synchronization debug mode does not detect all synchronizing operations", stacklevel=1)
        os.write(2, b"Warning: called a synchronizing CUDA operation\nsomething else\n")

    places = waits_of(step)
    assert modes == ["warn", "default"]
    own, others = places
    assert Path(__file__).name in own
    assert (places[own], places[others]) == (3, 1)
    assert "synchronizing" not in capfd.readouterr().err
    with pytest.raises(ZeroDivisionError):
        waits_of(lambda: 1 // 0)
    assert modes[-1] == "default"


@pytest.mark.parametrize(
    ("name", "places", "wrong"),
    [("product", 1, 1), ("product", 2, 2), ("sampling-15-percent", 1, 0), (PLAIN, 9, 0)],
)
def test_too_many_waits_are_wrong(
    name: str, places: int, wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Device, "waits", lambda self, call: Counter({"mhe_nmt/topk.py:7": places}))
    row = measures.waits(name, Setting(300, 16, 20), Device())
    # One wait is allowed in decoding.
    assert len(row["wrong"]) == wrong
    assert row["train_waits"] == row["decode_waits"] == places
    assert all("mhe_nmt/topk.py:7" in sentence for sentence in row["wrong"])


def test_times_are_medians_of_calls_in_a_row() -> None:
    calls: list[int] = []
    row = measures.timed(lambda: calls.append(0), Device(), Budget(100), 0.001)
    assert row["calls"] == 50
    assert len(calls) == 3 + row["samples"] * 50
    assert 0 < row["ms_least"] <= row["ms"]
    assert measures.timed(lambda: calls.append(0), Device(), Budget(0), 1, in_a_row=1)["samples"] == 1


def test_gradients_are_part_of_the_memory() -> None:
    steps = Steps("product", Setting(400, 16, 30, "float32"), Device())
    steps.train()
    expected = steps.parameters() + 30 * 16
    assert steps.gradient_mb() * 2**20 == 4 * expected
    steps.release()
    assert steps.gradient_mb() == 0
