"""Image sets in the form that the training loop reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision_xmc.data.augment import Augment
from vision_xmc.data.pictures import ImageSet

Item = tuple[Tensor, int]


class TrainingView(Dataset[Item]):
    """Augmented images and labels by ``(epoch, index)``. They and the seed determine the augmentation.

    Items are ``(channels, height, width)`` uint8 tensors and ints.
    """

    def __init__(self, images: ImageSet, augment: Augment, seed: int) -> None:
        self.images, self._augment, self._seed = images, augment, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        rng = np.random.default_rng((self._seed, epoch, index))
        return as_tensor(self._augment(self.images.image(index), rng)), int(self.images.labels[index])


class EvaluationView(Dataset[Item]):
    """Images and labels by index, after ``prepare``."""

    def __init__(self, images: ImageSet, prepare: Callable[[np.ndarray], np.ndarray]) -> None:
        self.images, self._prepare = images, prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Item:
        return as_tensor(self._prepare(self.images.image(index))), int(self.images.labels[index])


def as_tensor(image: np.ndarray) -> Tensor:
    """``(height, width, channels)`` to ``(channels, height, width)``, uint8."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
