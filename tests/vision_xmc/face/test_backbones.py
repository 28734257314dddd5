"""The backbones are the networks that their names promise, also at other sizes and precisions."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.vision_xmc.face.pictures_made import learn_statistics
from vision_xmc.face.backbones.build import BACKBONES, build_backbone
from vision_xmc.face.backbones.iresnet import IResNet

#: Parameters in millions with embeddings of size 512, as published for arcface_torch.
MILLIONS = {"iresnet18": 24.03, "iresnet34": 34.14, "iresnet50": 43.59, "iresnet100": 65.16}


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", MILLIONS)
def test_published_sizes(name: str) -> None:
    with torch.device("meta"):
        model = build_backbone(name)
    assert round(parameters(model) / 1e6, 2) == MILLIONS[name]


def test_sizes_by_hand() -> None:
    """iResNet-200 has 6, 26, 60 and 6 blocks; the paper's MobileFaceNet is below a million parameters."""
    with torch.device("meta"):
        large, mobile = build_backbone("iresnet200"), build_backbone("mobilefacenet", 128)
    expected = 3 * 64 * 9 + 3 * 64
    for depth, inputs, width in ((6, 64, 64), (26, 64, 128), (60, 128, 256), (6, 256, 512)):
        first = 2 * inputs + 9 * inputs * width + 9 * width * width + 5 * width
        shortcut = inputs * width + 2 * width
        expected += first + shortcut + (depth - 1) * (18 * width * width + 7 * width)
    expected += 2 * 512 + 512 * 49 * 512 + 512 + 2 * 512
    assert parameters(large) == expected
    # Table 1 counts a batch norm as one bias per channel, as after folding it into the convolution.
    folded = parameters(mobile) - sum(
        part.num_features for part in mobile.modules() if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm1d))
    )
    assert round(folded / 1e6, 2) == 0.99


def test_depths_and_resolution() -> None:
    with torch.device("meta"):
        model = build_backbone("iresnet100")
    assert isinstance(model, IResNet)
    hidden, sizes = torch.empty(1, 64, 112, 112, device="meta"), []
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        hidden = stage(hidden)
        sizes.append((len(stage), *hidden.shape[1:3]))
    assert sizes == [(3, 64, 56), (13, 128, 28), (30, 256, 14), (3, 512, 7)]


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("size", [112, 32])
def test_shapes(name: str, size: int) -> None:
    with torch.device("meta"):
        model = build_backbone(name, embedding=96, image_size=size)
        assert model(torch.empty(2, 3, size, size)).shape == (2, 96)


def test_the_last_layer_keeps_its_scale() -> None:
    model = build_backbone("iresnet18", 16, 32)
    fixed = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert fixed == ["features.weight"]
    assert bool((model.features.weight == 1).all())


def test_refusals() -> None:
    for arguments, sentence in (
        (("resnet50",), "there is no backbone 'resnet50'; choose one of iresnet18"),
        (("iresnet18", 512, 100), "images must be a multiple of 16, such as 112, got 100"),
        (("iresnet18", 512, 0), "images must be a multiple of 16"),
        (("mbf", 0), "embedding must be at least 1, got 0"),
        (("mbf", 8, 32, 1.0), r"dropout must be in \[0, 1\), got 1.0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            build_backbone(*arguments)


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet"])
class TestArithmetic:
    def model(self, name: str, **options: bool) -> nn.Module:
        torch.manual_seed(0)
        return build_backbone(name, 16, 16, **options)

    def images(self) -> Tensor:
        return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1

    def test_half_precision(self, name: str) -> None:
        """Autocast and weights of half precision change the embeddings by no more than rounding."""
        torch.manual_seed(0)
        # Smaller images would make the batch statistics so noisy that they amplify rounding.
        model, images = build_backbone(name, 16, 32), torch.rand(16, 3, 32, 32) * 2 - 1
        learn_statistics(model, images)
        with torch.no_grad():
            full = model(images)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                mixed = model(images)
            half = copy.deepcopy(model).to(torch.bfloat16)(images.to(torch.bfloat16))
        assert mixed.dtype == torch.float32
        assert half.dtype == torch.bfloat16
        for other in (mixed, half.float()):
            similar = torch.cosine_similarity(full[:, None], other[None], dim=-1)
            assert bool((similar.diag() > 0.99).all())
            # The embeddings of other pictures are far away.
            assert float((similar - torch.eye(len(similar)) * similar).max()) < 0.8

    def test_training_under_autocast(self, name: str) -> None:
        model = self.model(name)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(self.images()).square().mean().backward()
        assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)

    def test_checkpointing_changes_nothing(self, name: str) -> None:
        plain, recomputing = self.model(name), self.model(name, checkpointing=True)
        for model in (plain, recomputing):
            model(self.images())[:, 0].sum().backward()
        states = plain.state_dict(), recomputing.state_dict()
        for (key, value), other in zip(states[0].items(), states[1].values(), strict=True):
            assert torch.equal(value, other), key
        for (key, one), two in zip(plain.named_parameters(), recomputing.parameters(), strict=True):
            assert one.grad is two.grad is None or torch.allclose(one.grad, two.grad, atol=1e-6), key

    def test_checkpointing_keeps_less(self, name: str) -> None:
        def kept(model: nn.Module) -> int:
            sizes = []

            def pack(tensor: Tensor) -> Tensor:
                sizes.append(tensor.numel())
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                model(self.images())
            return sum(sizes)

        assert kept(self.model(name, checkpointing=True)) < kept(self.model(name)) / 2
