"""MobileFaceNet: Chen et al., "MobileFaceNets" (2018), table 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision_xmc.face.backbones.precision import in_full_precision
from vision_xmc.face.backbones.recompute import recomputed


class MobileFaceNet(nn.Module):
    """From aligned faces ``(N, 3, image_size, image_size)`` float to ``(N, embedding)``, not normalised.

    Args:
        embedding: size of an embedding; 128 in the paper.
        image_size: height and width of the pictures, divisible by 16.
        dropout: probability of dropout before the last layer; the paper has none.
        width: factor of the channels between the bottlenecks. Inside the bottlenecks and in the last layers,
            the channels are those of the paper.
        depths: units at a half, a quarter, an eighth and a sixteenth of the resolution. A single unit in the
            first stage is a plain depthwise convolution; several are bottlenecks.
        checkpointing: compute the activations of each unit again in the backward pass, to save memory.
    """

    def __init__(
        self,
        embedding: int = 128,
        image_size: int = 112,
        dropout: float = 0.0,
        width: int = 1,
        depths: tuple[int, int, int, int] = (1, 4, 6, 2),
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        narrow, wide = 64 * width, 128 * width
        first = (
            [_convolution(narrow, narrow, 3, groups=64)]
            if depths[0] == 1
            else [Bottleneck(narrow, narrow, 128) for _ in range(depths[0])]
        )
        self.trunk = nn.Sequential(
            _convolution(3, narrow, 3, stride=2),
            *first,
            Bottleneck(narrow, narrow, 128, stride=2),
            *(Bottleneck(narrow, narrow, 128) for _ in range(depths[1])),
            Bottleneck(narrow, wide, 256, stride=2),
            *(Bottleneck(wide, wide, 256) for _ in range(depths[2])),
            Bottleneck(wide, wide, 512, stride=2),
            *(Bottleneck(wide, wide, 256) for _ in range(depths[3])),
            _convolution(wide, 512, 1),
        )
        # Global depthwise convolution: average pooling with a learned weight per place.
        pooling = image_size // 16
        self.pooling = nn.Sequential(
            nn.Conv2d(512, 512, pooling, groups=512, bias=False), nn.BatchNorm2d(512), nn.Flatten()
        )
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Sequential(nn.Linear(512, embedding, bias=False), nn.BatchNorm1d(embedding))
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        hidden = images
        for unit in self.trunk:
            recompute = self.checkpointing and self.training and torch.is_grad_enabled()
            hidden = recomputed(unit, hidden) if recompute else unit(hidden)
        return in_full_precision(self.embedding, self.dropout(self.pooling(hidden)))


class Bottleneck(nn.Module):
    """The bottleneck of Sandler et al., "MobileNetV2" (2018), with PReLU; residual if it keeps the shape."""

    def __init__(self, inputs: int, outputs: int, inside: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            _convolution(inputs, inside, 1),
            _convolution(inside, inside, 3, stride, groups=inside),
            nn.Conv2d(inside, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.layers(inputs)
        return inputs + outputs if self.residual else outputs


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.PReLU(outputs),
    )
