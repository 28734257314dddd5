"""ResNets from transformers with random weights, as feature extractors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel
from transformers.models.resnet.modeling_resnet import (
    ResNetBasicLayer,
    ResNetBottleNeckLayer,
    ResNetConvLayer,
)


@dataclass(frozen=True)
class _Arch:
    block: str
    depths: tuple[int, ...]
    widths: tuple[int, ...]


_BASIC, _BOTTLENECK = (64, 128, 256, 512), (256, 512, 1024, 2048)

#: He et al., "Deep Residual Learning" (2016): table 1 for ImageNet, section 4.2 for the two small ones.
ARCHITECTURES: dict[str, _Arch] = {
    "resnet8": _Arch("basic", (1, 1, 1), (16, 32, 64)),
    "resnet20": _Arch("basic", (3, 3, 3), (16, 32, 64)),
    "resnet18": _Arch("basic", (2, 2, 2, 2), _BASIC),
    "resnet34": _Arch("basic", (3, 4, 6, 3), _BASIC),
    "resnet50": _Arch("bottleneck", (3, 4, 6, 3), _BOTTLENECK),
    "resnet101": _Arch("bottleneck", (3, 4, 23, 3), _BOTTLENECK),
    "resnet152": _Arch("bottleneck", (3, 8, 36, 3), _BOTTLENECK),
}


class ResNet(nn.Module):
    """A ResNet without classifier: images ``(N, C, height, width)`` to features ``(N, out_features)``.

    Args:
        arch: a name in :data:`ARCHITECTURES`.
        in_channels: ``C``.
        small_images: 3×3 stem without stride and pooling, for images of about 32×32 pixels; otherwise the
            7×7 stem for ImageNet.
        zero_init_residual: starts the last batch norm of each block at 0, so that blocks begin as identities
            (Goyal et al., 2017, section 5.1).
    """

    def __init__(
        self, arch: str, in_channels: int = 3, *, small_images: bool = False, zero_init_residual: bool = True
    ) -> None:
        super().__init__()
        shape = ARCHITECTURES[arch]
        stem_width = min(64, shape.widths[0])
        config = ResNetConfig(
            num_channels=in_channels,
            embedding_size=stem_width,
            hidden_sizes=list(shape.widths),
            depths=list(shape.depths),
            layer_type=shape.block,
        )
        self.net = ResNetModel(config)
        self.out_features = shape.widths[-1]
        if small_images:
            stem = ResNetConvLayer(in_channels, stem_width, kernel_size=3, stride=1)
            nn.init.kaiming_normal_(stem.convolution.weight, mode="fan_out", nonlinearity="relu")
            self.net.embedder.embedder = stem
            self.net.embedder.register_module("pooler", nn.Identity())
        if zero_init_residual:
            for block in self.net.modules():
                if isinstance(block, (ResNetBasicLayer, ResNetBottleNeckLayer)):
                    last: Any = block.layer[-1]
                    nn.init.zeros_(last.normalization.weight)

    def forward(self, images: Tensor) -> Tensor:
        return torch.flatten(self.net(images, return_dict=True).pooler_output, 1)
