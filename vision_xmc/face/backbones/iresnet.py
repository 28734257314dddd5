"""The residual networks of ArcFace.

Deng et al., "ArcFace" (2019), section 3.1: blocks of batch norm, convolution, batch norm, PReLU, convolution
and batch norm (the improved residual unit), then batch norm, dropout, a fully connected layer and batch norm.
Parameters have the same names as in insightface's ``arcface_torch``, so weights published for it can be read.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision_xmc.face.backbones.precision import in_full_precision
from vision_xmc.face.backbones.recompute import recomputed

#: Blocks per stage, for the four stages.
DEPTHS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
    "iresnet200": (6, 26, 60, 6),
}
WIDTHS = (64, 128, 256, 512)


class IResNet(nn.Module):
    """From aligned faces ``(N, 3, image_size, image_size)`` float to ``(N, embedding)``, not normalised.

    Args:
        depths: blocks per stage, for the four stages; each stage halves height and width.
        embedding: size of an embedding.
        image_size: height and width of the pictures, divisible by 16.
        dropout: probability of dropout before the fully connected layer.
        checkpointing: compute the activations of each block again in the backward pass, to save memory.
    """

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        embedding: int = 512,
        image_size: int = 112,
        dropout: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.prelu = nn.PReLU(WIDTHS[0])
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(inputs, width, depth)
            for inputs, width, depth in zip((WIDTHS[0], *WIDTHS), WIDTHS, depths, strict=False)
        )
        self.bn2 = nn.BatchNorm2d(WIDTHS[-1])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(WIDTHS[-1] * (image_size // 16) ** 2, embedding)
        # A margin loss ignores the length of an embedding, so this layer has no scale to learn.
        self.features = nn.BatchNorm1d(embedding)
        self.features.weight.requires_grad_(False)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.1)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.prelu(self.bn1(self.conv1(images)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                recompute = self.checkpointing and self.training and torch.is_grad_enabled()
                hidden = recomputed(block, hidden) if recompute else block(hidden)
        hidden = self.dropout(torch.flatten(self.bn2(hidden), 1))
        return in_full_precision(self.features, in_full_precision(self.fc, hidden))


class Block(nn.Module):
    """The improved residual unit, from ``(N, inputs, h, w)`` to ``(N, width, h / stride, w / stride)``."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if stride > 1 or inputs != width
            else None
        )

    def forward(self, inputs: Tensor) -> Tensor:
        inside = self.prelu(self.bn2(self.conv1(self.bn1(inputs))))
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        return self.bn3(self.conv2(inside)) + shortcut


def _stage(inputs: int, width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(Block(inputs, width, 2), *(Block(width, width, 1) for _ in range(depth - 1)))
