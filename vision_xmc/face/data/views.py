"""Pictures of people as the training loop reads them: single training images, and pairs to verify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from vision_xmc.common.errors import UsageError
from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.pictures import ImageSet
from vision_xmc.data.views import as_tensor
from vision_xmc.face.data.people import People
from vision_xmc.face.data.pictures import Pictures

#: Pictures of a held-out person that are paired; a person with hundreds would outweigh all others.
MOST_PICTURES = 20


@dataclass(frozen=True)
class FaceAugment:
    """Scales to ``size × size``; every second training image is mirrored.

    Grey images have become RGB when they were read.
    """

    size: int
    flip: bool = True

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image = ResizeTo(self.size, self.size)(image)
        return image[:, ::-1] if self.flip and rng.random() < 0.5 else image


class Images(Protocol):
    """Images by index, see :meth:`vision_xmc.data.pictures.ImageSet.image`; they need no labels."""

    def image(self, index: int) -> np.ndarray: ...


@dataclass(frozen=True)
class ImagesOf:
    """Colour pictures as images."""

    pictures: Pictures

    def image(self, index: int) -> np.ndarray:
        return self.pictures[index]


@dataclass(frozen=True)
class Pairs:
    """Pairs of images.

    Attributes:
        images: where they are.
        first, second: ``(N,)`` int64, indices in it.
        same: ``(N,)`` bool, whether they show one person.
    """

    images: Images
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


class PairView(Dataset[tuple[Tensor, Tensor, bool, int]]):
    """Both images of a pair ``(3, size, size)`` uint8, whether they show one person, and its number."""

    def __init__(self, pairs: Pairs, size: int) -> None:
        self.pairs, self._scale = pairs, ResizeTo(size, size)

    def __len__(self) -> int:
        return len(self.pairs.same)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, bool, int]:
        pairs = self.pairs
        first, second = (
            as_tensor(self._scale(pairs.images.image(int(where[index]))))
            for where in (pairs.first, pairs.second)
        )
        return first, second, bool(pairs.same[index]), index


def hold_out_people(images: ImageSet, people: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Sets some people with two images or more apart: the others, and those.

    Raises:
        UsageError: if there are too few such people, or fewer than two others are left.
    """
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    able = np.flatnonzero(counts >= 2)
    if people < 2 or people > len(able) or len(counts) - people < 2:
        raise UsageError(
            f"--validation-identities {people} must be at least 2 and leave 2 of {len(counts):,} people, and "
            f"{len(able):,} people have the two images that a pair needs; give another number, or 0 to "
            "validate on nothing"
        )
    chosen = np.random.default_rng((seed, len(counts))).choice(able, size=people, replace=False)
    held_out = np.isin(images.labels, chosen)
    return People(images, np.flatnonzero(~held_out)), People(images, np.flatnonzero(held_out))


def make_pairs(images: ImageSet, wanted: int, seed: int) -> Pairs:
    """As many pairs of one person as of two, ``wanted`` together or as many as there are; none comes twice.

    At most :data:`MOST_PICTURES` pictures of a person are used.
    """
    rng = np.random.default_rng((seed, len(images)))
    order = rng.permutation(len(images))
    of_person = [order[images.labels[order] == label][:MOST_PICTURES] for label in np.unique(images.labels)]
    alike = np.array([(a, b) for own in of_person for at, a in enumerate(own) for b in own[at + 1 :]])
    pictures = np.concatenate(of_person)
    labels = images.labels[pictures]
    sizes = np.array([len(own) for own in of_person])
    unlike = (len(pictures) ** 2 - int((sizes**2).sum())) // 2
    half = min(wanted // 2, len(alike), unlike)
    alike = rng.permutation(alike)[:half]
    different: dict[tuple[int, int], None] = {}
    while len(different) < half:
        for a, b in rng.integers(len(pictures), size=(2 * half, 2)):
            if labels[a] != labels[b] and len(different) < half:
                different[int(min(a, b)), int(max(a, b))] = None
    both = np.concatenate([alike, pictures[np.array(list(different))]])
    return Pairs(images, both[:, 0], both[:, 1], np.arange(2 * half) < half)
