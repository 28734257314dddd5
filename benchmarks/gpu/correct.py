"""Every head and verb on the device against the same head in float64 on the CPU."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.device import Device
from benchmarks.gpu.layers import random_order
from mhe_nmt import OutputHead, build_head

MODES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "autocast": torch.float32,
    "float16": torch.float16,
}
"""Dtype of the parameters by mode; "autocast" multiplies them in bfloat16."""

LIMITS: dict[str, tuple[float, float]] = {
    "float32": (1e-4, 1e-4), "bfloat16": (0.25, 0.05), "autocast": (0.25, 0.05), "float16": (0.03, 0.01),
}  # fmt: skip
"""The largest errors let through, by mode: of log-probabilities in nats, and of gradients as shares."""

IGNORED, SMOOTHING = 1, 0.1


@dataclass(frozen=True)
class Size:
    """labels, features: V and d. positions: of a training step. sentences × beam hypotheses, k best."""

    labels: int = 5000
    features: int = 128
    positions: int = 512
    sentences: int = 64
    beam: int = 5
    k: int = 10


TINY = Size(labels=300, features=32, positions=40, sentences=4, beam=3, k=6)


def heads(labels: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """The checked heads by name: kind and options, such that every way through the code is taken."""
    aligned, odd = (-(-labels // 64), 64), (-(-labels // 63), 63)
    order = random_order(labels)
    return {
        "full softmax": ("onehot", {}),
        "full softmax, projection": ("onehot", {"projection": True}),
        "product": ("product", {}),
        "product, 3 digits": ("product", {"num_heads": 3, "order": order}),
        "product, 8 groups": ("product", {"groups": 8}),
        "product, joint form": ("product", {"groups": 4, "form": "joint"}),
        "cascade by table": ("cascade", {}),
        "cascade by table, blocks of 64": ("cascade", {"radices": aligned}),
        "cascade by table, blocks of 63": ("cascade", {"radices": odd}),
        "cascade by table, label order": ("cascade", {"order": order}),
        "cascade by table, 3 digits": ("cascade", {"num_heads": 3, "prototypes": 2, "projection": True}),
        "cascade by digit": ("cascade", {"conditioning": "digit"}),
        "cascade by digit, 3 digits": (
            "cascade",
            {"conditioning": "digit", "num_heads": 3, "order": order, "hidden_features": 48},
        ),
        # All labels are drawn: the only training step of this head without chance.
        "sampling, all drawn": ("sampling", {"sample_fraction": 1.0}),
        "sampling, 15%": ("sampling", {"sample_fraction": 0.15}),
        "sampling, 15%, label order": ("sampling", {"sample_fraction": 0.15, "order": order}),
        "sampling, own block": ("sampling", {"sample_fraction": 0.15, "positives": "block", "unit": "block"}),
    }


def check(name: str, mode: str, device: Device, size: Size) -> dict[str, Any]:
    """The part of a row that says how far a head is from float64.

    Returns:
        `errors`: by verb, in nats, or for gradients as a share; `wrong`: a sentence for each that is above
        :data:`LIMITS` and for whatever else is not as it must be.
    """
    kind, options = heads(size.labels)[name]
    torch.manual_seed(0)
    base = build_head(
        kind, size.features, size.labels, ignore_index=IGNORED, label_smoothing=SMOOTHING, **options
    ).to(MODES[mode])
    subject = _Subject(copy.deepcopy(base).to(device.type), copy.deepcopy(base).double(), mode, device, size)
    subject.training()
    subject.decoding()
    nats, share = LIMITS[mode]
    wrong = list(subject.wrong)
    for verb, error in subject.errors.items():
        limit = share if verb.startswith("gradient") else nats
        if not error <= limit:
            wrong.append(f"{verb} differs from float64 by {error:.1e} (at most {limit:.0e})")
    return {"errors": subject.errors, "wrong": wrong}


class _Subject:
    """A head on the device, and the same in float64."""

    def __init__(self, head: OutputHead, oracle: OutputHead, mode: str, device: Device, size: Size) -> None:
        self.head, self.oracle, self.device, self.size = head, oracle, device, size
        self.dtype = MODES[mode]
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=mode == "autocast")
        self.errors: dict[str, float] = {}
        self.wrong: list[str] = []

    def training(self) -> None:
        """The terms and the gradients of the loss; for a head that draws, that they are finite."""
        drawn = getattr(self.head, "sample_fraction", 1.0) < 1.0
        features, target = self._batch()
        if drawn:
            self._finite_step(features, target)
        # In evaluation mode nothing is drawn, and gradients are those of the exact loss.
        self.head.train(not drawn)
        self.oracle.train(not drawn)
        got = features.to(self.device.type, copy=True).requires_grad_()
        want = features.double().requires_grad_()
        with self.autocast:
            labels = target.to(self.device.type)
            terms, single = self.head(got.detach(), labels), self.head.loss(got.detach(), labels, "none")
            total = self.head.total(got.detach(), labels, *self._weights())
            loss = self.head.loss(got, labels)
        exact_terms, exact = self.oracle(want.detach(), target), self.oracle.loss(want, target)
        loss.backward()
        exact.backward()
        self.errors["nll"] = largest(terms.nll, exact_terms.nll)
        self.errors["smooth"] = largest(
            terms.smooth / self.size.labels, exact_terms.smooth / self.size.labels
        )
        weighted = sum(weight * term for weight, term in zip(self._weights(), exact_terms, strict=True))
        kept = (target != IGNORED).sum()
        self.errors["loss"] = max(largest(loss, exact), largest(single, weighted))
        self.errors["total"] = largest(total.loss / kept, weighted.sum() / kept)
        self._compare_gradients("features", got, want)
        names = [name for name, _ in self.head.named_parameters()]
        for name, ours, theirs in zip(names, self.head.parameters(), self.oracle.parameters(), strict=True):
            self._compare_gradients(name, ours, theirs)

    def _weights(self) -> tuple[float, float]:
        """Of the negative log-likelihood and of the smoothing term in the loss."""
        return 1 - SMOOTHING, SMOOTHING / self.size.labels

    def _batch(self) -> tuple[Tensor, Tensor]:
        """Features and targets; those are all among the first half of the labels, or ignored."""
        features = torch.randn(self.size.positions, self.size.features).to(self.dtype)
        target = torch.randint(2, self.size.labels // 2, (self.size.positions,))
        target[::9] = IGNORED
        return features, target

    def _finite_step(self, features: Tensor, target: Tensor) -> None:
        self.head.train()
        x = features.to(self.device.type, copy=True).requires_grad_()
        with self.autocast:
            loss = self.head.loss(x, target.to(self.device.type))
        loss.backward()
        gradients = [x.grad, *(parameter.grad for parameter in self.head.parameters())]
        if not all(bool(_dense(gradient).isfinite().all()) for gradient in gradients if gradient is not None):
            self.wrong.append("a training step that draws has gradients that are not finite")
        self.head.zero_grad(set_to_none=True)

    def _compare_gradients(self, name: str, ours: Tensor, theirs: Tensor) -> None:
        got, want = _gradient(ours), _gradient(theirs)
        verb = "gradient of features" if name == "features" else "gradient of weights"
        self.errors[verb] = max(self.errors.get(verb, 0.0), share_of_rows(got, want))
        # Branches without positions, ignored positions: float64 has exact zeros there.
        stray = int((got[want == 0] != 0).sum())
        if stray:
            self.wrong.append(f"{stray} gradients of {name} are not zero where those of float64 are")

    @torch.no_grad()
    def decoding(self) -> None:
        """All verbs of the evaluation mode."""
        size, kind = self.size, self.device.type
        self.head.eval()
        self.oracle.eval()
        shape = (size.sentences, size.beam)
        features = torch.randn(*shape, size.features).mul(1.5).to(self.dtype)
        scores = -torch.rand(shape).cumsum(-1)
        labels = torch.randint(size.labels, (*shape, 7))
        exclude = torch.zeros(size.labels, dtype=torch.bool)
        exclude[:4] = True
        log_prob = self.oracle.log_prob(features.double())
        x = features.to(kind)
        with self.autocast:
            dense = self.head.log_prob(x)
            shared = self.head.precompute(x)
            alone, again = (self.head.score(x, labels.to(kind), part) for part in (None, shared))
            values, best = self.head.topk(x, size.k)
            first = self.head.predict(x)
            steps, beams, chosen = self.head.beam_topk(
                x, scores.to(kind), 2 * size.beam, exclude.to(kind), shared
            )
        wanted = log_prob.gather(-1, labels)
        self.errors["log_prob"] = largest(dense, log_prob)
        self.errors["score"] = max(largest(alone, wanted), largest(again, wanted))
        self.errors["topk"] = self._of_best(values, best, log_prob)
        self.errors["predict"] = self._of_best(None, first.unsqueeze(-1), log_prob)
        allowed = log_prob.masked_fill(exclude, -torch.inf)
        continued = (scores.double().unsqueeze(-1) + allowed).flatten(1)
        sums = steps + scores.to(kind).gather(-1, beams)
        self.errors["beam_topk"] = self._of_best(sums, beams * size.labels + chosen, continued)

    def _of_best(self, values: Tensor | None, ids: Tensor, exact: Tensor) -> float:
        """How far the best of each row are from the exact best: by their exact values, and as returned."""
        ids = ids.cpu()
        if bool((ids.sort(-1).values.diff(dim=-1) == 0).any()):
            self.wrong.append("a label occurs twice among the best")
        if bool(((ids < 0) | (ids >= exact.size(-1))).any()):
            return math.inf
        found, best = exact.gather(-1, ids), exact.topk(ids.size(-1)).values
        error = largest(found.sort(-1, descending=True).values, best)
        return error if values is None else max(error, largest(values, found))


def _gradient(tensor: Tensor) -> Tensor:
    """The dense gradient on the CPU in float64; none is zero."""
    gradient = tensor.grad
    return torch.zeros(tensor.shape).double() if gradient is None else _dense(gradient).double().cpu()


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


def largest(got: Tensor, want: Tensor) -> float:
    """The largest difference; infinite where `got` has other than finite numbers or another shape."""
    got = got.detach().double().cpu()
    if got.shape != want.shape or not bool(got.isfinite().all()):
        return math.inf
    return float((got - want.detach()).abs().max())


def share_of_rows(got: Tensor, want: Tensor) -> float:
    """The largest error of a row as a share of its length; of short rows, of a tenth of the longest one's.

    A row that is missing, doubled or somewhere else is wrong by 1, however small it is next to the others.
    """
    if got.shape != want.shape or not bool(got.isfinite().all()):
        return math.inf
    if want.dim() < 2:
        got, want = got.reshape(1, -1), want.reshape(1, -1)
    lengths = want.norm(dim=-1)
    longest = float(lengths.max())
    if longest == 0:
        return float(got.norm(dim=-1).max())
    return float(((got - want).norm(dim=-1) / lengths.clamp(min=0.1 * longest)).max())
