"""A training step and a decoding step of a layer, as times and waits see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.device import Device
from benchmarks.gpu.layers import LAYERS

NATS = 2.4
"""Mean entropy of the distributions in decoding, as in trained models."""

SENTENCES, BEAM, K = 64, 5, 10

#: Rows whose entropy is measured while features are sharpened.
_ROWS = 8


@dataclass(frozen=True)
class Setting:
    """labels, features: V and d. positions: of a training step. mode: bfloat16, autocast or float32."""

    labels: int
    features: int
    positions: int
    mode: str = "bfloat16"

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters and of the features."""
        return torch.bfloat16 if self.mode == "bfloat16" else torch.float32


class Steps:
    """A layer of this setting on the device, with inputs; made anew for each row."""

    def __init__(self, name: str, setting: Setting, device: Device) -> None:
        torch.manual_seed(0)
        self.layer = LAYERS[name]
        self.setting, self.device = setting, device
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=setting.mode == "autocast")
        factory: dict[str, Any] = {"device": device.type, "dtype": setting.dtype}
        self.module: Any = self.layer.build(setting.features, setting.labels, **factory)
        self.features = torch.randn(setting.positions, setting.features, **factory).requires_grad_()
        self.target = zipf(setting.labels, setting.positions).to(device.type)

    def train(self) -> None:
        """Loss and gradients of parameters and features."""
        self.features.grad = None
        self.module.zero_grad(set_to_none=True)
        with self.autocast:
            loss = self.module.loss(self.features, self.target)
        loss.backward()

    def gradient_mb(self) -> float:
        """The memory of the gradients in MB, as they are after a training step."""
        gradients = [self.features.grad, *(parameter.grad for parameter in self.module.parameters())]
        return sum(_bytes(gradient) for gradient in gradients if gradient is not None) / 2**20

    def release(self) -> None:
        """Drops gradients, so that the memory before a training step is that of the layer."""
        self.features.grad = None
        self.module.zero_grad(set_to_none=True)

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())

    def decode(self) -> Callable[[], Any]:
        """A step of beam search, with features that are made as sharp as those of trained models."""
        self.release()
        self.module.eval()
        factory: dict[str, Any] = {"device": self.device.type, "dtype": self.setting.dtype}
        features = torch.randn(SENTENCES, BEAM, self.setting.features, **factory)
        scores = -torch.rand(SENTENCES, BEAM, device=self.device.type).cumsum(-1)
        if self.layer.ours:
            features = features * sharpness(self.module, features[:_ROWS, 0])

        @torch.no_grad()
        def step() -> Any:
            with self.autocast:
                return self.module.beam_topk(features, scores, K)

        return step


@torch.no_grad()
def sharpness(head: nn.Module, features: Tensor, nats: float = NATS) -> float:
    """The factor of `(n, d)` features at which the mean entropy of a head is `nats`.

    It lies between 0.1 and 40; a head whose entropy is beyond `nats` at either end gets that end.
    """
    low, high = 0.1, 40.0
    for _ in range(14):
        scale = math.sqrt(low * high)
        log_prob = head.log_prob(features * scale)  # type: ignore[operator]
        entropy = -torch.xlogy(log_prob.exp(), log_prob.exp()).sum(-1).mean()
        low, high = (scale, high) if float(entropy) > nats else (low, scale)
    return scale


def zipf(labels: int, positions: int) -> Tensor:
    """Targets `(positions,)` int64 whose frequency falls with the label as words' with their rank."""
    weights = 1 / (torch.arange(labels, dtype=torch.float64) + 10)
    points = torch.rand(positions, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    return torch.searchsorted(weights.cumsum(0) / weights.sum(), points).clamp(max=labels - 1)


def _bytes(tensor: Tensor) -> int:
    if tensor.is_sparse:
        parts = (tensor._indices(), tensor._values())
        return sum(part.numel() * part.element_size() for part in parts)
    return tensor.numel() * tensor.element_size()
