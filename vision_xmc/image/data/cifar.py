"""CIFAR-10 and CIFAR-100 from the official Python pickles, read without running any code in them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from vision_xmc.common.errors import UsageError
from vision_xmc.data.array_pickle import load_arrays
from vision_xmc.data.pictures import ArrayImages


class _Layout:
    def __init__(
        self, folder: str, train: list[str], test: list[str], meta: str, labels: str, names: str, classes: int
    ) -> None:
        self.folder, self.files, self.meta = folder, {"train": train, "test": test}, meta
        self.labels, self.names, self.classes = labels, names, classes


_LAYOUTS = {
    "cifar10": _Layout(
        "cifar-10-batches-py",
        [f"data_batch_{number}" for number in range(1, 6)],
        ["test_batch"],
        "batches.meta",
        "labels",
        "label_names",
        10,
    ),
    "cifar100": _Layout(
        "cifar-100-python", ["train"], ["test"], "meta", "fine_labels", "fine_label_names", 100
    ),
}


def load_cifar(name: str, data_path: Path) -> tuple[ArrayImages, ArrayImages]:
    """The training and the test set.

    Args:
        name: ``"cifar10"`` or ``"cifar100"``.
        data_path: the folder with the pickles, the folder that holds it, or the official ``.tar.gz``.

    Raises:
        UsageError: naming a file that is missing, is no pickle of arrays, or holds wrong shapes or labels.
    """
    layout = _LAYOUTS[name]
    files = _open(layout, data_path)
    class_names = _class_names(layout, files)
    train, test = (
        ArrayImages(*_read_split(layout, files, split), class_names) for split in ("train", "test")
    )
    return train, test


class _Files:
    """The pickles, in a folder or in an archive."""

    def __init__(self, folder: Path, archive: dict[str, bytes] | None = None) -> None:
        self.folder, self._archive = folder, archive

    def read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if self._archive is not None:
            if name not in self._archive:
                raise UsageError(f"{self.folder} holds no {name}; it is not the official archive")
            return _unpickle(self._archive[name], path)
        if not path.is_file():
            raise UsageError(f"{path}: no such file; give --data-path the folder of the official pickles")
        return _unpickle(path.read_bytes(), path)


def _open(layout: _Layout, data_path: Path) -> _Files:
    names = [*layout.files["train"], *layout.files["test"], layout.meta]
    if data_path.is_file():
        try:
            with tarfile.open(data_path) as archive:
                members = {Path(member.name).name: member for member in archive if member.isfile()}
                opened = {name: archive.extractfile(members[name]) for name in names if name in members}
                return _Files(data_path, {name: file.read() for name, file in opened.items() if file})
        except (tarfile.TarError, EOFError, OSError) as error:
            raise UsageError(
                f"{data_path} cannot be read as a .tar.gz archive ({error}); download it again"
            ) from error
    for folder in (data_path, data_path / layout.folder):
        if (folder / names[0]).is_file():
            return _Files(folder)
    if not data_path.exists():
        raise UsageError(f"--data-path {data_path}: no such folder or archive")
    raise UsageError(
        f"--data-path {data_path} holds neither {names[0]} nor {layout.folder}/{names[0]}; unpack the "
        "official archive there, or name the archive"
    )


def _unpickle(content: bytes, path: Path) -> dict[str, Any]:
    try:
        table = load_arrays(content)
    except ValueError as error:
        raise UsageError(
            f"{path} is not an official CIFAR pickle, which holds arrays and plain types only ({error}); "
            "use the official file"
        ) from error
    if not isinstance(table, dict):
        raise UsageError(f"{path} holds no table of images; use the official file")
    return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in table.items()}


def _read_split(layout: _Layout, files: _Files, split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for name in layout.files[split]:
        path, content = files.folder / name, files.read(name)
        if "data" not in content or layout.labels not in content:
            raise UsageError(
                f"{path} has no {layout.labels!r}; is --dataset right? It has {', '.join(content)}"
            )
        pixels, ids = np.asarray(content["data"]), np.asarray(content[layout.labels])
        if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != 3 * 32 * 32 or not len(pixels):
            raise UsageError(f"{path}: the images must be uint8 of shape (N, 3072), not {pixels.shape}")
        if ids.shape != (len(pixels),) or ids.dtype.kind not in "iu":
            raise UsageError(f"{path}: there must be one integer label for each of its {len(pixels)} images")
        if ids.min() < 0 or ids.max() >= layout.classes:
            bad = int(np.argmax((ids < 0) | (ids >= layout.classes)))
            raise UsageError(
                f"{path}, image {bad}: label {ids[bad]} is outside [0, {layout.classes}); "
                "use the official file"
            )
        images.append(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(ids.astype(np.int64))
    return np.concatenate(images), np.concatenate(labels)


def _class_names(layout: _Layout, files: _Files) -> list[str]:
    content = files.read(layout.meta)
    names = [n.decode() if isinstance(n, bytes) else str(n) for n in content.get(layout.names, [])]
    if len(names) != layout.classes:
        raise UsageError(
            f"{files.folder / layout.meta} must name {layout.classes} classes under {layout.names!r}, but "
            f"it names {len(names)}"
        )
    return names
