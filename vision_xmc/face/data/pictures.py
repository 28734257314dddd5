"""Pictures of faces that are read one at a time, from files or from memory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vision_xmc.data.pictures import decode_rgb, read_rgb


class Pictures(Protocol):
    """Pictures by index, each ``(height, width)`` or ``(height, width, 1 or 3)`` uint8."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


class PictureFiles:
    """Image files; ``UsageError`` when one is read that is none."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return read_rgb(self.paths[index])


class EncodedPictures:
    """Image files in memory, which errors call by ``names``; ``UsageError`` when one is read that is none."""

    def __init__(self, contents: Sequence[bytes], names: Sequence[str]) -> None:
        self._contents, self._names = contents, names

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return decode_rgb(io.BytesIO(self._contents[index]), self._names[index])
