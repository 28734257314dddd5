"""Pairs of pictures to verify: from LFW's view 2, from plain lists and from insightface's ``.bin`` files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision_xmc.common.errors import UsageError
from vision_xmc.data.array_pickle import load_arrays
from vision_xmc.face.data.pictures import EncodedPictures, PictureFiles, Pictures

#: Extensions of a person's picture, in the order in which they are tried.
EXTENSIONS = (".jpg", ".png", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp")
#: Files without folds are cut into this number of parts, as insightface does.
FOLDS = 10


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures.

    Attributes:
        pictures: the pictures; some may be in several pairs or in none.
        first, second: ``(N,)`` int64, indices in ``pictures``.
        same: ``(N,)`` bool, whether a pair shows one person.
    """

    pictures: Pictures
    first: Tensor
    second: Tensor
    same: Tensor

    def __len__(self) -> int:
        return len(self.same)


@dataclass(frozen=True)
class FoldedPairs(Pairs):
    """Pairs in folds.

    Attributes:
        folds: ``(N,)`` int64, the fold of each pair, from 1.
        folds_in_file: whether the file has folds; otherwise its pairs were cut into parts, in their order.
    """

    folds: Tensor
    folds_in_file: bool = True


def read_pairs(path: Path, images: Path, option: str = "--images") -> FoldedPairs:
    """Pairs from a text file in one of two formats.

    LFW's view 2 (Huang et al., 2007): the first line holds the number of folds, and the number of pairs of
    each kind per fold. Each further line is a pair: ``NAME NUMBER NUMBER`` for two pictures of one person,
    ``NAME NUMBER NAME NUMBER`` for two people. A picture is ``NAME/NAME_0001.jpg`` (or ``.png`` …).

    A plain list: two paths and 1 (one person) or 0 (two people) per line. The list is cut into ten folds, in
    its order.

    Fields are separated by tabs if the line has any, otherwise by spaces.

    Args:
        path: the file.
        images: the folder that names and paths are relative to.
        option: the option that names this folder, for messages.

    Raises:
        UsageError: naming file and line, if a line cannot be read or a picture is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file of pairs; check the path") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise UsageError(
            f"{path} is not a text file of pairs; name insightface's .bin files with --bin"
        ) from None
    if not images.is_dir():
        raise UsageError(f"{images}: no such folder of pictures; name the folder with {option}")
    rows = [(number, _fields(line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise UsageError(f"{path} holds no pairs; use another file")
    if all(field.isdigit() for field in rows[0][1]):
        return _view_2(path, rows, _PictureFinder(path, images, option))
    return _plain_list(path, rows, _PictureFinder(path, images, option))


def read_bin(path: Path) -> FoldedPairs:
    """Pairs from insightface's pickle of encoded pictures, two per pair, and a list of which pairs are same.

    The pickle may be of Python 2, and pictures may be bytes or uint8 arrays. Code that a pickle asks for is
    never run. The pairs are cut into ten folds, in their order.

    Raises:
        UsageError: if there is no such file, or it is not such a pickle.
    """
    try:
        content = load_arrays(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file of pairs; check the path") from None
    except ValueError as error:
        raise UsageError(
            f"{path} is not insightface's .bin file, a pickle of encoded pictures and a list ({error}); use "
            "another file"
        ) from error
    if not (isinstance(content, (tuple, list)) and len(content) == 2):
        raise UsageError(
            f"{path} must hold a list of pictures and a list of whether pairs are same; use another file"
        )
    encoded, same = (list(part) if isinstance(part, (tuple, list, np.ndarray)) else [] for part in content)
    if not same or len(encoded) != 2 * len(same):
        raise UsageError(
            f"{path} holds {len(encoded)} pictures for {len(same)} pairs, but must hold two per pair; use "
            "another file"
        )
    collector = _PairCollector()
    contents = [_as_bytes(picture, path, number) for number, picture in enumerate(encoded)]
    for place, kind in enumerate(same):
        collector.add(contents[2 * place], contents[2 * place + 1], bool(kind), 0)
    distinct: list[Any] = list(collector.index)
    position = {picture: number for number, picture in reversed(list(enumerate(contents)))}
    names = [f"{path}, picture {position[picture]}" for picture in distinct]
    return collector.finish(lambda keys: EncodedPictures(keys, names), in_parts(len(same)))


def pairs_of_folds(pairs: FoldedPairs, folds: Collection[int], source: Path, option: str) -> FoldedPairs:
    """The pairs of some folds, over the same pictures.

    Args:
        pairs: the pairs of all folds.
        folds: numbers of the wanted folds, at least one.
        source: the file of the pairs, for messages.
        option: the option that names the folds, for messages.

    Raises:
        UsageError: if the file has no folds, or lacks one of these.
    """
    if not pairs.folds_in_file:
        raise UsageError(
            f"{option}: {source} has no folds, because only LFW's view 2 has any; leave {option} out"
        )
    existing = sorted(set(pairs.folds.tolist()))
    for fold in folds:
        if fold not in existing:
            raise UsageError(f"{option} {fold}: {source} has folds {existing[0]} to {existing[-1]}")
    inside = torch.isin(pairs.folds, torch.tensor(sorted(folds)))
    first, second, same = (part[inside] for part in (pairs.first, pairs.second, pairs.same))
    return FoldedPairs(pairs.pictures, first, second, same, pairs.folds[inside])


def in_parts(count: int, parts: int = FOLDS) -> Tensor:
    """Folds for ``count`` pairs that have none: ``(count,)`` int64 from 1, in order, as even as possible."""
    parts = min(parts, count)
    sizes = [count // parts + (part < count % parts) for part in range(parts)]
    return torch.arange(1, parts + 1).repeat_interleave(torch.tensor(sizes))


class _PairCollector:
    """Gathers pairs as they are read; equal keys are one picture."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self._rows: list[tuple[int, int, bool, int]] = []

    def add(self, first: Hashable, second: Hashable, same: bool, fold: int) -> None:
        one, two = (self.index.setdefault(key, len(self.index)) for key in (first, second))
        self._rows.append((one, two, same, fold))

    def finish(self, pictures: Callable[[list[Any]], Pictures], folds: Tensor | None = None) -> FoldedPairs:
        """The pairs.

        Args:
            pictures: turns the distinct keys into pictures.
            folds: ``(N,)`` int64 in place of the folds that were added.
        """
        first, second, same, added = (torch.tensor(column) for column in zip(*self._rows, strict=True))
        distinct = pictures(list(self.index))
        return FoldedPairs(distinct, first, second, same, added if folds is None else folds, folds is None)


def _view_2(path: Path, rows: list[tuple[int, list[str]]], finder: _PictureFinder) -> FoldedPairs:
    header, rows = rows[0][1], rows[1:]
    if len(header) != 2 or "0" in header:
        raise UsageError(
            f"{path}, line 1: expected two numbers, of folds and of pairs of each kind per fold, as in view 2"
        )
    folds, each = int(header[0]), int(header[1])
    if len(rows) != 2 * folds * each:
        raise UsageError(
            f"{path} announces {folds} folds with 2 × {each} pairs, {2 * folds * each} in all, but holds "
            f"{len(rows)}; correct line 1 or get the whole file"
        )
    collector = _PairCollector()
    for place, (number, fields) in enumerate(rows):
        if len(fields) == 3:
            people = (fields[0], fields[1]), (fields[0], fields[2])
        elif len(fields) == 4:
            people = (fields[0], fields[1]), (fields[2], fields[3])
        else:
            raise UsageError(f"{path}, line {number}: expected NAME NUMBER NUMBER or NAME NUMBER NAME NUMBER")
        for _, picture in people:
            if not picture.isdigit():
                raise UsageError(f"{path}, line {number}: {picture!r} is not the number of a picture")
        one, two = (finder.of_person(name, int(picture), number) for name, picture in people)
        collector.add(one, two, len(fields) == 3, place // (2 * each) + 1)
    return collector.finish(PictureFiles)


def _plain_list(path: Path, rows: list[tuple[int, list[str]]], finder: _PictureFinder) -> FoldedPairs:
    collector = _PairCollector()
    for number, fields in rows:
        if len(fields) != 3 or fields[2] not in ("0", "1"):
            raise UsageError(
                f"{path}, line {number}: expected two paths and 0 or 1 (or, in line 1, the two numbers of "
                "LFW's view 2)"
            )
        one, two = (finder.at(Path(name), number) for name in fields[:2])
        collector.add(one, two, fields[2] == "1", 0)
    return collector.finish(PictureFiles, in_parts(len(rows)))


class _PictureFinder:
    """Looks for each picture once, and refuses those that do not exist."""

    def __init__(self, pairs: Path, images: Path, option: str) -> None:
        self._pairs, self._images, self._option = pairs, images, option
        self._known: dict[Path, Path] = {}

    def of_person(self, name: str, picture: int, line: int) -> Path:
        stem = Path(name) / f"{name}_{picture:04d}"
        return self._look(stem, [stem.with_name(stem.name + extension) for extension in EXTENSIONS], line)

    def at(self, name: Path, line: int) -> Path:
        return self._look(name, [name], line)

    def _look(self, key: Path, names: list[Path], line: int) -> Path:
        if key not in self._known:
            existing = [self._images / name for name in names if (self._images / name).is_file()]
            if not existing:
                raise UsageError(
                    f"{self._pairs}, line {line}: there is no {self._images / names[0]}; check {self._option}"
                )
            self._known[key] = existing[0]
        return self._known[key]


def _fields(line: str) -> list[str]:
    return [field.strip() for field in (line.strip().split("\t") if "\t" in line else line.split())]


def _as_bytes(picture: Any, path: Path, number: int) -> bytes:
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8:
        return picture.tobytes()
    if isinstance(picture, bytes):
        return picture
    raise UsageError(
        f"{path}, picture {number}: expected bytes or a uint8 array, got {type(picture).__name__}"
    )
