"""Backbone and output head as one model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mhe_nmt import OutputHead


class ImageClassifier(nn.Module):
    """Images to features, and the head that scores them.

    Args:
        backbone: ``(N, C, height, width)`` float to ``(N, d)``.
        head: over ``d`` features.
        mean, std: per channel, of pixel values in ``[0, 1]``; they travel in the state dict.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, head: OutputHead, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        # Convolutions are faster in this format, on CPUs and on GPUs.
        self.backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = head
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def normalise(self, images: Tensor) -> Tensor:
        """``(N, C, height, width)`` uint8 to float32 of zero mean and unit variance."""
        pixels = images.to(torch.float32, memory_format=torch.channels_last)
        return (pixels / 255 - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, height, width)`` uint8 to features ``(N, d)``."""
        return self.backbone(self.normalise(images))
