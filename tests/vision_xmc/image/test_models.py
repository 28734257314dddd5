"""The backbones are the networks that their names promise."""

from __future__ import annotations

import pytest
import torch

from vision_xmc.image.resnet import ResNet

#: Parameters of the standard networks with 1000 outputs, less those of the output layer.
PARAMETERS = {
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
    "resnet152": 60_192_808 - 2_049_000,
}


@pytest.mark.parametrize("arch", PARAMETERS)
def test_sizes(arch: str) -> None:
    with torch.device("meta"):
        model = ResNet(arch)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[arch]
    assert model.out_features == (512 if arch in ("resnet18", "resnet34") else 2048)


def test_the_small_stem_keeps_the_resolution() -> None:
    model = ResNet("resnet18", small_images=True)
    # The first layer has 3 × 3 filters instead of 7 × 7.
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS["resnet18"] - 64 * 3 * (49 - 9)
    assert model.net.embedder(torch.randn(1, 3, 32, 32)).shape == (1, 64, 32, 32)
    assert ResNet("resnet8").net.embedder(torch.randn(1, 3, 32, 32)).shape == (1, 16, 8, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_features(channels: int) -> None:
    model = ResNet("resnet8", channels, small_images=True)
    assert model(torch.randn(2, channels, 8, 24)).shape == (2, 64)


def test_blocks_begin_as_identities() -> None:
    torch.manual_seed(0)
    model = ResNet("resnet20", small_images=True).eval()
    block = model.net.encoder.stages[0].layers[1]
    inputs = torch.randn(2, 16, 6, 6)
    torch.testing.assert_close(block(inputs), inputs.relu())
    plain = (
        ResNet("resnet20", small_images=True, zero_init_residual=False).eval().net.encoder.stages[0].layers[1]
    )
    assert not torch.allclose(plain(inputs), inputs.relu())
