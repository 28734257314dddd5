"""What the training loop reads: augmented training images, and pairs of pictures to verify."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.views import as_tensor
from vision_xmc.face.data.pairs import Pairs


@dataclass(frozen=True)
class FaceAugment:
    """Scales RGB images to ``size × size`` and, with ``flip``, mirrors half of them at random."""

    size: int
    flip: bool = True

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image = ResizeTo(self.size, self.size)(image)
        return image[:, ::-1] if self.flip and rng.random() < 0.5 else image


class PairView(Dataset[tuple[Tensor, Tensor, bool, int]]):
    """Items are pairs: two images ``(3, size, size)`` uint8, whether they show one person, and the number.

    Args:
        pairs: the pairs to verify.
        size: height and width that the pictures are scaled to.
    """

    def __init__(self, pairs: Pairs, size: int) -> None:
        self.pairs, self._scale = pairs, ResizeTo(size, size)

    def __len__(self) -> int:
        return len(self.pairs.same)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, bool, int]:
        pairs = self.pairs
        first, second = (
            as_tensor(self._scale(pairs.pictures[int(side[index])])) for side in (pairs.first, pairs.second)
        )
        return first, second, bool(pairs.same[index]), index
