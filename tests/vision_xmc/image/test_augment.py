"""Crops, flips and policies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vision_xmc.common.errors import UsageError
from vision_xmc.data.augment import PadCropFlip, RandomResizedCropFlip, ResizeCenterCrop, ResizeTo
from vision_xmc.data.pictures import ArrayImages, hold_out
from vision_xmc.data.views import EvaluationView, TrainingView
from vision_xmc.image.data.policies import Policy


def image(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, channels), dtype=np.uint8)


def crops(original: np.ndarray, pad: int) -> list[np.ndarray]:
    """Every crop of the padded image."""
    height, width, channels = original.shape
    padded = np.zeros((height + 2 * pad, width + 2 * pad, channels), dtype=np.uint8)
    padded[pad : pad + height, pad : pad + width] = original
    places = range(2 * pad + 1)
    return [padded[top : top + height, left : left + width] for top in places for left in places]


@given(height=st.integers(1, 9), width=st.integers(1, 9), pad=st.integers(0, 3), seed=st.integers(0, 99))
def test_crops_are_crops_of_the_padded_image(height: int, width: int, pad: int, seed: int) -> None:
    original = image(height, width)
    for flip in (False, True):
        found = PadCropFlip(pad, flip)(original, np.random.default_rng(seed))
        possible = crops(original, pad)
        if flip:
            possible += [crop[:, ::-1] for crop in possible]
        assert any(np.array_equal(found, crop) for crop in possible)


def test_every_crop_and_both_flips_occur() -> None:
    original, rng = image(6, 5), np.random.default_rng(0)
    found = {PadCropFlip(1)(original, rng).tobytes() for _ in range(500)}
    expected = crops(original, 1)
    assert found == {crop.tobytes() for crop in expected} | {crop[:, ::-1].tobytes() for crop in expected}


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 9),
)
def test_sizes(height: int, width: int, channels: int, seed: int) -> None:
    original = image(height, width, channels)
    assert RandomResizedCropFlip(16)(original, np.random.default_rng(seed)).shape == (16, 16, channels)
    assert ResizeCenterCrop(16)(original).shape == (16, 16, channels)
    assert ResizeTo(8, 24)(original).shape == (8, 24, channels)


def test_random_resized_crops_keep_the_brightness_of_a_gradient() -> None:
    """A part of a left-to-right gradient is such a gradient, or its mirror image, and covers 8% to 100%."""
    ramp = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    rng = np.random.default_rng(0)
    spans = []
    for _ in range(200):
        row = RandomResizedCropFlip(32)(ramp, rng)[16, :, 0].astype(int)
        steps = np.diff(row)
        assert (steps >= 0).all() or (steps <= 0).all()
        spans.append(abs(row[-1] - row[0]))
    assert min(spans) < 60 < 120 < max(spans)


def test_centre_crops_are_pillows() -> None:
    original = image(80, 64)
    picture = Image.fromarray(original)
    expected = picture.resize((32, 32), Image.Resampling.BILINEAR, box=(4, 12, 60, 68))
    assert np.array_equal(ResizeCenterCrop(32)(original), np.asarray(expected))


@pytest.mark.parametrize("name", ["autoaugment", "randaugment", "trivialaugment"])
def test_policies_depend_only_on_their_generator(name: str) -> None:
    policy, original = Policy(name), image(32, 32)
    first, second, other = (policy(original, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == original.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    changed = [policy(original, np.random.default_rng(seed)) for seed in range(6, 12)]
    assert any(not np.array_equal(result, first) for result in [other, *changed])


def test_a_magnitude_out_of_range() -> None:
    with pytest.raises(UsageError, match=r"--policy randaugment: .*in \(0, 30\)"):
        Policy("randaugment", magnitude=30)


def test_training_items_are_functions_of_epoch_and_index() -> None:
    images = ArrayImages(np.stack([image(8, 8)] * 20), np.arange(20) % 3, ["a", "b", "c"])
    first, second = (TrainingView(images, PadCropFlip(2), seed) for seed in (1, 2))
    pixels, label = first[(3, 7)]
    assert pixels.shape == (3, 8, 8)
    assert label == 1
    assert (first[(3, 7)][0] == pixels).all()
    assert any((first[(epoch, 7)][0] != pixels).any() for epoch in range(4, 9))
    assert any((second[(3, index)][0] != first[(3, index)][0]).any() for index in range(20))
    plain, _ = EvaluationView(images, ResizeTo(8, 8))[7]
    assert np.array_equal(plain.permute(1, 2, 0).numpy(), images.image(7))


@given(size=st.integers(2, 60), share=st.floats(0.01, 0.8), seed=st.integers(0, 3))
def test_what_is_held_out_is_not_trained_on(size: int, share: float, seed: int) -> None:
    pictures = np.arange(size, dtype=np.uint8).reshape(size, 1, 1, 1)
    images = ArrayImages(pictures, np.arange(size), [str(n) for n in range(size)])
    rest, held = hold_out(images, share, seed)
    assert sorted([*rest.labels, *held.labels]) == list(range(size))
    assert len(held) == max(1, round(share * size))
    assert all(part.image(n).item() == part.labels[n] for part in (rest, held) for n in range(len(part)))
