"""Embeddings in batches against embeddings one by one, and alignment against SciPy's interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import affine_transform
from torch import Tensor, nn

from tests.vision_xmc.face.pictures_made import face
from vision_xmc.common.errors import UsageError
from vision_xmc.face.data.alignment import ARCFACE_POINTS, align_face, similarity_transform
from vision_xmc.face.embed import embed_pictures


class Small(nn.Module):
    """A network that is not symmetric, and noisy in training mode."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.Flatten(), nn.Linear(4 * 49, 5), nn.Dropout(0.5)
        )
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return self.layers(images)


PICTURES = [face(person, 0, 16) for person in range(7)]


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_one_by_one(flip: bool, batch_size: int) -> None:
    backbone = Small().train()
    embeddings = embed_pictures(backbone, PICTURES, batch_size, flip, image_size=16)
    assert backbone.training
    backbone.eval()
    for picture, embedding in zip(PICTURES, embeddings, strict=True):
        pixels = torch.tensor((picture.astype(np.float32) / 255 - 0.5) / 0.5).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = backbone(pixels)
            if flip:
                expected = expected + backbone(torch.from_numpy(pixels.numpy()[..., ::-1].copy()))
        expected = expected / expected.norm()
        torch.testing.assert_close(embedding, expected[0], atol=1e-5, rtol=1e-4)


def test_lengths_are_kept_on_request() -> None:
    backbone = Small()
    plain = embed_pictures(backbone, PICTURES, 4, image_size=16, normalise=False)
    unit = embed_pictures(backbone, PICTURES, 4, image_size=16)
    assert plain.norm(dim=1).std() > 0.01
    torch.testing.assert_close(plain / plain.norm(dim=1, keepdim=True), unit)


def test_grey_and_other_sizes() -> None:
    backbone = Small()
    grey = PICTURES[0][..., 0]
    as_three = np.repeat(grey[..., None], 3, axis=-1)
    large = np.full((40, 30, 3), 200, dtype=np.uint8)
    embeddings = embed_pictures(backbone, [grey, grey[..., None], as_three, large], 8, image_size=16)
    torch.testing.assert_close(embeddings[0], embeddings[2])
    torch.testing.assert_close(embeddings[1], embeddings[2])
    assert backbone.seen[0].shape == (4, 3, 16, 16)
    torch.testing.assert_close(backbone.seen[0][3], torch.full((3, 16, 16), (200 / 255 - 0.5) / 0.5))


def test_refusals() -> None:
    with pytest.raises(UsageError, match="no pictures to embed"):
        embed_pictures(Small(), [], 4)
    backbone = Small()
    backbone.layers[2].bias.data.fill_(float("nan"))  # type: ignore[union-attr,operator]
    with pytest.raises(UsageError, match="embeddings that are not finite"):
        embed_pictures(backbone, PICTURES, 4, image_size=16)


@given(st.floats(-3, 3), st.floats(0.2, 4), st.floats(-90, 90), st.floats(-90, 90))
def test_a_similarity_is_recovered(angle: float, scale: float, right: float, down: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity_transform(ARCFACE_POINTS, ARCFACE_POINTS @ turn.T + [right, down])
    np.testing.assert_allclose(matrix, np.column_stack([turn, [right, down]]), atol=1e-6)


def test_least_squares_without_mirroring() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 5, 2))

    def error(angle: float, scale: float) -> float:
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = (source - source.mean(0)) @ turn.T
        return float(((moved - (target - target.mean(0))) ** 2).sum())

    matrix = similarity_transform(source, target)
    smallest = float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())
    grid = [
        error(angle, scale) for angle in np.linspace(-np.pi, np.pi, 361) for scale in np.linspace(0, 3, 301)
    ]
    assert smallest <= min(grid) + 1e-12
    assert smallest > min(grid) - 1e-3
    assert np.linalg.det(matrix[:, :2]) > 0
    with pytest.raises(ValueError, match="all points are at one place"):
        similarity_transform(np.zeros((5, 2)), target)


def test_aligned_pictures_stay_as_they_are() -> None:
    picture = face(1, 0, 112)
    # Pillow rounds down.
    np.testing.assert_allclose(align_face(picture, ARCFACE_POINTS).astype(int), picture.astype(int), atol=1)
    shifted = align_face(picture, ARCFACE_POINTS + np.array([10, -4]))
    np.testing.assert_allclose(shifted[4:, :-10].astype(int), picture[:-4, 10:].astype(int), atol=1)
    assert (shifted[:4] == 0).all()


@pytest.mark.parametrize("size", [112, 64])
def test_alignment_is_interpolation(size: int) -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (20, 24, 3)).astype(np.float64)
    picture = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
    points = 1.2 * ARCFACE_POINTS @ np.array([[0.97, 0.2], [-0.2, 0.97]]) + [40, 5]
    aligned = align_face(picture, points, size)
    back = np.linalg.inv(
        np.vstack([similarity_transform(points, (ARCFACE_POINTS + 0.5) * size / 112 - 0.5), [0, 0, 1]])
    )
    # SciPy counts rows first.
    swapped = back[[1, 0]][:, [1, 0, 2]]
    for channel in range(3):
        expected = affine_transform(
            picture[..., channel].astype(float), swapped[:, :2], swapped[:, 2], (size, size), order=1
        )
        inside = (slice(size // 4, -size // 4),) * 2
        assert np.abs(aligned[..., channel] - expected)[inside].max() <= 1.5
