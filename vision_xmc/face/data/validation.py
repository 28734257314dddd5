"""Pairs from a file as the validation of a training, and the removal of their people from the training."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from vision_xmc.common.errors import UsageError
from vision_xmc.data.pictures import ImageSet
from vision_xmc.face.data.pairs import FoldedPairs, Pairs, pairs_of_folds, read_bin, read_pairs
from vision_xmc.face.data.people import People, Say
from vision_xmc.face.data.pictures import PictureFiles
from vision_xmc.face.options import FaceOptions


def chosen_pairs(options: FaceOptions) -> FoldedPairs | None:
    """The pairs that ``--pairs`` and ``--pairs-folds`` name; ``None`` without ``--pairs``.

    Raises:
        UsageError: if the file cannot be read, names a missing picture or lacks one of the folds, or if these
            pairs lack one of the two kinds.
    """
    source = options.pairs
    if source is None:
        return None
    if source.suffix == ".bin":
        pairs = read_bin(source)
    else:
        folder = options.pairs_images or options.data_path
        assert folder is not None
        pairs = read_pairs(source, folder, "--pairs-images")
    if options.pairs_folds is not None:
        pairs = pairs_of_folds(pairs, options.pairs_folds, source, "--pairs-folds")
    for kind, count in (("one person", int(pairs.same.sum())), ("two people", int((~pairs.same).sum()))):
        if not count:
            raise UsageError(
                f"--pairs {source}: none of the {len(pairs):,} pairs shows {kind}; use a file with both kinds"
            )
    return pairs


def without_verified(images: ImageSet, pairs: Pairs, options: FaceOptions, say: Say) -> ImageSet:
    """Leaves the people of the pairs out of the training images, and says how many there are.

    A person's name is that of a folder: the first one on the way from ``--pairs-images`` or ``--data-path``
    to a picture. If people have no such names, nobody is left out.

    Args:
        images: the training images.
        pairs: the pairs to validate on.
        options: of the command line.
        say: called with a sentence about who is left out.

    Raises:
        UsageError: if nobody remains to train on.
    """
    if options.dataset != "folder" or not isinstance(pairs.pictures, PictureFiles):
        say(
            f"people of --pairs {options.pairs} have no names that --dataset {options.dataset} knows: nobody "
            "is left out, so make sure that none of them is in the training data"
        )
        return images
    folders = [folder for folder in (options.pairs_images, options.data_path) if folder is not None]
    names = people_in(pairs, folders)
    verified = np.array([name in names for name in images.class_names])
    kept = np.flatnonzero(~verified[images.labels])
    count = int(np.count_nonzero(verified))
    if not len(kept):
        raise UsageError(
            f"--pairs {options.pairs} has all {count:,} people of {options.data_path}, so nobody is left to "
            "train on; choose fewer pairs with --pairs-folds, or train on other people"
        )
    people = "1 person" if count == 1 else f"{count:,} people"
    say(f"left out: {people} of {options.data_path} who are in the pairs to validate on")
    return People(images, kept) if count else images


def people_in(pairs: Pairs, folders: list[Path]) -> set[str]:
    """Names of the people in the pairs.

    A name is that of the first folder on the way from one of ``folders`` to a picture that is in a pair.
    Paths count both as they are written and with their links resolved. Pictures in memory have no names.
    """
    if not isinstance(pairs.pictures, PictureFiles):
        return set()
    used = torch.cat([pairs.first, pairs.second]).unique().tolist()
    pictures = [pairs.pictures.paths[index] for index in used]
    starts = {place for folder in folders for place in _places(folder)}
    names = set()
    for picture in pictures:
        for place in _places(picture):
            for start in starts:
                if place.is_relative_to(start):
                    parts = place.relative_to(start).parts
                    names |= set(parts[:1]) if len(parts) > 1 else set()
    return names


def _places(path: Path) -> tuple[Path, Path]:
    return Path(os.path.abspath(path)), path.resolve()
