"""Pictures without labels, read one at a time: from files, from memory or from a set of images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vision_xmc.data.pictures import ImageSet, decode_rgb, read_rgb


class Pictures(Protocol):
    """Pictures by index, each ``(height, width)`` or ``(height, width, 1 or 3)`` uint8."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


class PictureFiles:
    """Image files; reading one that is not an image raises ``UsageError``."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return read_rgb(self.paths[index])


class EncodedPictures:
    """Image files in memory; reading one that is not an image raises ``UsageError`` with its name.

    Args:
        contents: the bytes of each file.
        names: the name of each file in error messages.
    """

    def __init__(self, contents: Sequence[bytes], names: Sequence[str]) -> None:
        self._contents, self._names = contents, names

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return decode_rgb(io.BytesIO(self._contents[index]), self._names[index])


class ImagePictures:
    """The images of a labelled set."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return self._images.image(index)
