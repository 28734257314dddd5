"""Image folders in ImageNet's layout: ``train/CLASS/*.JPEG`` and ``val/CLASS/*.JPEG``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vision_xmc.common.errors import UsageError
from vision_xmc.data.pictures import ImageSet, read_rgb

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")


class FolderImages(ImageSet):
    """The images below one folder, which has a sub-folder for each class. Files are read when needed.

    Args:
        folder: such as ``…/train``. Classes are its sub-folders, sorted by name; images may lie deeper.
        class_names: those of the training set, for a validation or test set; ``None`` for the sub-folders.

    Raises:
        UsageError: if the folder is missing or has no classes, if a class has no image (in a training set),
            or if it has a class that is not among ``class_names``.
    """

    def __init__(self, folder: Path, class_names: Sequence[str] | None = None) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; --data-path must hold train/CLASS/… and val/CLASS/…")
        folders = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
        if not folders:
            raise UsageError(f"{folder} has no sub-folders; images must lie in one folder for each class")
        self.class_names = list(folders if class_names is None else class_names)
        label_of = {name: label for label, name in enumerate(self.class_names)}
        self.paths: list[Path] = []
        labels: list[int] = []
        for name in folders:
            if name not in label_of:
                raise UsageError(f"{folder / name}: there is no class {name!r} in the training folder")
            images = sorted(images_below(folder / name))
            if not images and class_names is None:
                raise UsageError(
                    f"{folder / name} has no images ({', '.join(EXTENSIONS)}); put some there, or delete the "
                    "folder"
                )
            self.paths += images
            labels += [label_of[name]] * len(images)
        self.labels = np.array(labels, dtype=np.int64)
        if not self.paths:
            raise UsageError(f"{folder} has no images")

    def image(self, index: int) -> np.ndarray:
        try:
            return read_rgb(self.paths[index])
        except UsageError as error:
            raise UsageError(
                f"{error}; replace or delete it, or leave out all such files by --skip-broken-images"
            ) from None

    def drop_broken(self, workers: int) -> list[str]:
        """Decodes every image once and leaves out those that cannot be read; returns a sentence for each."""
        with ThreadPoolExecutor(max(1, workers)) as pool:
            sentences = list(pool.map(_why_broken, self.paths))
        good = [number for number, sentence in enumerate(sentences) if sentence is None]
        self.paths, self.labels = [self.paths[number] for number in good], self.labels[good]
        if not self.paths:
            raise UsageError("none of the images can be read")
        return [sentence for sentence in sentences if sentence is not None]


def images_below(folder: Path) -> list[Path]:
    """Image files in a folder and below it, in any order. Links are followed, but not in circles."""
    paths: list[Path] = []
    seen: set[str] = set()
    for parent, below, names in os.walk(folder, followlinks=True):
        # A link may lead back to a folder above it.
        real = os.path.realpath(parent)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        images = (name for name in names if name.lower().endswith(EXTENSIONS) and not name.startswith("."))
        paths += [Path(parent) / name for name in images]
    return paths


def _why_broken(path: Path) -> str | None:
    try:
        read_rgb(path)
    except UsageError as error:
        return str(error)
    return None
