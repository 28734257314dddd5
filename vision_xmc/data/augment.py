"""Random crops and flips of training images, and resizing of others.

Images are ``(height, width, channels)`` uint8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class PadCropFlip:
    """Pads with black, crops at random to the old size, and flips every second image: the standard for CIFAR.

    Args:
        padding: pixels on each side.
        flip: whether to flip; not for digits.
    """

    padding: int = 4
    flip: bool = True

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        pad = self.padding
        height, width, _ = image.shape
        top, left = rng.integers(0, 2 * pad + 1, size=2)
        padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
        crop = padded[top : top + height, left : left + width]
        return _flipped(crop, rng) if self.flip else crop


@dataclass(frozen=True)
class RandomResizedCropFlip:
    """A random part of the image, scaled to ``size × size``, and a flip: the standard for ImageNet.

    The part has 8% to 100% of the area and an aspect ratio from 3/4 to 4/3 (Szegedy et al., 2015).
    """

    size: int

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width, _ = image.shape
        for _ in range(10):
            area = height * width * rng.uniform(0.08, 1.0)
            ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
            if w <= width and h <= height:
                break
        else:
            # Very long images have no such part. Then take the largest part of that ratio in the middle.
            w, h = min(width, height * 4 / 3), min(height, width * 4 / 3)
        left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
        return _flipped(_resized(image, (self.size, self.size), (left, top, left + w, top + h)), rng)


@dataclass(frozen=True)
class ResizeCenterCrop:
    """The shorter side scaled to ``size / 0.875``, then the middle ``size × size``, as usual on ImageNet."""

    size: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        height, width, _ = image.shape
        side = min(height, width) * 0.875
        left, top = (width - side) / 2, (height - side) / 2
        return _resized(image, (self.size, self.size), (left, top, left + side, top + side))


@dataclass(frozen=True)
class ResizeTo:
    """The whole image scaled to ``height × width``; unchanged if it has that size."""

    height: int
    width: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] == (self.height, self.width):
            return image
        return _resized(image, (self.width, self.height), (0, 0, image.shape[1], image.shape[0]))


@dataclass(frozen=True)
class Chain:
    """One augmentation after the other."""

    steps: tuple[Augment, ...]

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for step in self.steps:
            image = step(image, rng)
        return image


def _flipped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image[:, ::-1] if rng.random() < 0.5 else image


def _resized(image: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """The part ``(left, top, right, bottom)`` scaled to ``(width, height)``, antialiased."""
    grey = image.shape[-1] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    resized = np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))
    return resized[..., None] if grey else resized
