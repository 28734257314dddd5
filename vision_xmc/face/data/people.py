"""Sets of images in which each person is a class, and the removal of people and images from such sets."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vision_xmc.common.errors import UsageError
from vision_xmc.data.folder import EXTENSIONS, images_below
from vision_xmc.data.pictures import ImageSet, read_rgb

Say = Callable[[str], None]


class PeopleFolder(ImageSet):
    """``PERSON/*.jpg``: the images below a folder that has a sub-folder per person.

    Args:
        folder: its sub-folders are the people, sorted by name; images may lie deeper.
        say: called with a sentence about people without an image, who are left out.

    Raises:
        UsageError: if the folder does not exist, or no sub-folder has an image.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        if not folder.is_dir():
            raise UsageError(f"--data-path {folder}: no such folder; it must hold PERSON/*.jpg")
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
        files = {name: sorted(images_below(folder / name)) for name in names}
        empty = [name for name in names if not files[name]]
        if empty:
            say(f"left out: {_some(empty)} in {folder} without an image ({', '.join(EXTENSIONS)})")
        self.class_names = [name for name in names if files[name]]
        if not self.class_names:
            raise UsageError(
                f"{folder} has no images in sub-folders; --data-path must hold one folder per person, "
                "PERSON/*.jpg"
            )
        self.paths = [path for name in self.class_names for path in files[name]]
        self.labels = np.repeat(
            np.arange(len(self.class_names)), [len(files[name]) for name in self.class_names]
        )

    def image(self, index: int) -> np.ndarray:
        return read_rgb(self.paths[index])


class People(ImageSet):
    """Some images of another set; the people who remain are numbered from 0.

    Args:
        images: the other set.
        indices: ``(N,)`` int64, the images to keep.
    """

    def __init__(self, images: ImageSet, indices: np.ndarray) -> None:
        self._images, self._indices = images, indices
        kept, self.labels = np.unique(images.labels[indices], return_inverse=True)
        self.class_names = [images.class_names[label] for label in kept]

    def image(self, index: int) -> np.ndarray:
        return self._images.image(int(self._indices[index]))


class Advised(ImageSet):
    """The images of another set; errors about unreadable ones name the option that leaves these out."""

    def __init__(self, images: ImageSet) -> None:
        self._images, self.labels, self.class_names = images, images.labels, images.class_names

    def image(self, index: int) -> np.ndarray:
        try:
            return self._images.image(index)
        except UsageError as error:
            raise UsageError(
                f"{error}; replace it, or leave out all such images with --skip-broken-images"
            ) from None


def readable(images: ImageSet, workers: int, say: Say) -> ImageSet:
    """Decodes every image once, and leaves out those that cannot be read.

    Args:
        images: the images to try.
        workers: number of threads.
        say: called with a sentence about each image that is left out.

    Raises:
        UsageError: if no image can be read.
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:
        sentences = list(pool.map(lambda index: _why_broken(images, index), range(len(images))))
    good = [index for index, sentence in enumerate(sentences) if sentence is None]
    for sentence in sentences:
        if sentence is not None:
            say(f"left out: {sentence}")
    if not good:
        raise UsageError("none of the images can be read; check --data-path")
    return images if len(good) == len(images) else People(images, np.array(good))


def with_enough(images: ImageSet, least: int, say: Say) -> ImageSet:
    """Leaves out people with fewer than ``least`` images.

    A person with a single image can be trained on, as a direction to keep away from, but has no pair.

    Args:
        images: of all people.
        least: smallest number of images per person.
        say: called with sentences about how many people have too few images, or a single one.

    Raises:
        UsageError: if fewer than two people remain.
    """
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    few = int(np.count_nonzero(counts < least))
    if few:
        people = "1 person has" if few == 1 else f"{few:,} people have"
        say(f"left out: {people} fewer than {least} images (--min-images)")
        images = People(images, np.flatnonzero(counts[images.labels] >= least))
    single = int(np.count_nonzero(counts == 1)) if least <= 1 else 0
    if single:
        people = "1 person has" if single == 1 else f"{single:,} people have"
        say(f"{people} a single image; --min-images 2 leaves them out")
    if len(images.class_names) < 2:
        raise UsageError(
            f"{len(images.class_names)} people with at least {least} images are too few to train on; give "
            "more people or a smaller --min-images"
        )
    return images


def without(images: ImageSet, names: Collection[str], source: Path) -> ImageSet:
    """Leaves out people by name.

    Args:
        images: of all people.
        names: the people to leave out.
        source: the file of the names, for messages.

    Raises:
        UsageError: if nobody has one of these names.
    """
    missing = sorted(set(names) - set(images.class_names))
    if missing:
        raise UsageError(f"--leave-out {source}: there are no images of {_some(missing)}; remove the lines")
    left_out = np.array([name in names for name in images.class_names])
    return People(images, np.flatnonzero(~left_out[images.labels]))


def _why_broken(images: ImageSet, index: int) -> str | None:
    try:
        images.image(index)
    except UsageError as error:
        return str(error)
    return None


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"
