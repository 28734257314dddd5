"""Labelled images, and image files of any kind as RGB."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vision_xmc.common.errors import UsageError


class ImageSet(ABC):
    """Labelled images.

    Attributes:
        labels: ``(N,)`` int64, in ``[0, len(class_names))``.
        class_names: a name for each label.
    """

    labels: np.ndarray
    class_names: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def image(self, index: int) -> np.ndarray:
        """Image ``index``: ``(height, width, channels)`` uint8.

        Raises:
            UsageError: if its file cannot be read.
        """


class ArrayImages(ImageSet):
    """Images in memory: ``(N, height, width, channels)`` uint8 and their labels ``(N,)``."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
        self._images, self.labels, self.class_names = images, labels, class_names

    def image(self, index: int) -> np.ndarray:
        return self._images[index]


class SomeImages(ImageSet):
    """The images of another set at ``indices``."""

    def __init__(self, images: ImageSet, indices: np.ndarray) -> None:
        self._images, self._indices = images, indices
        self.labels, self.class_names = images.labels[indices], images.class_names

    def image(self, index: int) -> np.ndarray:
        return self._images.image(int(self._indices[index]))


def hold_out(images: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Holds out a random ``share`` of the images, at least one; returns the rest and the held-out ones."""
    mixed = np.random.default_rng((seed, len(images))).permutation(len(images))
    count = max(1, round(share * len(images)))
    return SomeImages(images, np.sort(mixed[count:])), SomeImages(images, np.sort(mixed[:count]))


def read_rgb(path: Path) -> np.ndarray:
    """An image file as ``(height, width, 3)`` uint8, see :func:`decode_rgb`."""
    return decode_rgb(path, str(path))


def decode_rgb(source: Path | BinaryIO, name: str) -> np.ndarray:
    """An encoded image as ``(height, width, 3)`` uint8, upright as its EXIF data says.

    Grey, palette, CMYK and 16-bit images are converted; transparency is laid on white.

    Args:
        source: a file, or an open one.
        name: its name in messages.

    Raises:
        UsageError: if it is no image, is broken or cut short, or is so large that Pillow refuses it.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large images, but reads them nevertheless.
            warnings.simplefilter("ignore")
            with Image.open(source) as file:
                picture = ImageOps.exif_transpose(file)
                return np.asarray(_as_rgb(picture))
    except FileNotFoundError:
        raise UsageError(f"{name}: no such image") from None
    except UnidentifiedImageError:
        raise UsageError(f"{name} is not an image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{name} cannot be read as an image ({error})") from None


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        # 16-bit grey keeps its high byte; Pillow alone would clip it to white.
        scale = 257.0 if values.max(initial=0) > 255 else 1.0
        picture = Image.fromarray(np.clip(values / scale, 0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")
