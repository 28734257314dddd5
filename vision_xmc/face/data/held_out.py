"""People held out of the training, and pairs of their pictures to validate on."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from vision_xmc.common.errors import UsageError
from vision_xmc.data.pictures import ImageSet
from vision_xmc.face.data.pairs import Pairs
from vision_xmc.face.data.people import People
from vision_xmc.face.data.pictures import ImagePictures

#: How many pictures of a held-out person are paired; a person with hundreds would outweigh all others.
MOST_PICTURES = 20


def hold_out_people(images: ImageSet, people: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Holds out some people with at least two images.

    Args:
        images: all people.
        people: how many people to hold out.
        seed: of the choice.

    Returns:
        The images of the other people, and those of the people held out.

    Raises:
        UsageError: if there are too few such people, or fewer than two others are left.
    """
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    with_pair = np.flatnonzero(counts >= 2)
    if people < 2 or people > len(with_pair) or len(counts) - people < 2:
        raise UsageError(
            f"--validation-identities {people} must be at least 2 and leave 2 of {len(counts):,} people, of "
            f"whom {len(with_pair):,} have the two images that a pair needs; give another number, or 0 for "
            "no validation"
        )
    chosen = np.random.default_rng((seed, len(counts))).choice(with_pair, size=people, replace=False)
    held_out = np.isin(images.labels, chosen)
    return People(images, np.flatnonzero(~held_out)), People(images, np.flatnonzero(held_out))


def make_pairs(images: ImageSet, wanted: int, seed: int) -> Pairs:
    """Distinct pairs, half of them of one person and half of two people.

    At most :data:`MOST_PICTURES` pictures of a person are used.

    Args:
        images: of at least two people, each with at least two images.
        wanted: how many pairs to make; there are fewer if the images do not allow as many.
        seed: of the choice.
    """
    rng = np.random.default_rng((seed, len(images)))
    order = rng.permutation(len(images))
    of_person = [order[images.labels[order] == label][:MOST_PICTURES] for label in np.unique(images.labels)]
    alike = np.array([pair for indices in of_person for pair in itertools.combinations(indices, 2)])
    pictures = np.concatenate(of_person)
    labels = images.labels[pictures]
    sizes = np.array([len(indices) for indices in of_person])
    unlike = (len(pictures) ** 2 - int((sizes**2).sum())) // 2
    half = min(wanted // 2, len(alike), unlike)
    alike = rng.permutation(alike)[:half]
    different: dict[tuple[int, int], None] = {}
    while len(different) < half:
        for a, b in rng.integers(len(pictures), size=(2 * half, 2)):
            if labels[a] != labels[b] and len(different) < half:
                different[int(min(a, b)), int(max(a, b))] = None
    both = torch.from_numpy(np.concatenate([alike, pictures[np.array(list(different))]]))
    return Pairs(ImagePictures(images), both[:, 0], both[:, 1], torch.arange(2 * half) < half)
