"""Pairs of pictures to verify, from LFW's view 2, from plain lists and from insightface's ``.bin`` files."""

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

#: In this order a person's picture is looked for.
EXTENSIONS = (".jpg", ".png", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp")
#: Lists without folds of their own are cut into as many parts, as insightface does.
FOLDS = 10


@dataclass(frozen=True)
class FacePairs:
    """Pairs over distinct pictures.

    Attributes:
        pictures: each once, however many pairs it is in; possibly more than are in any.
        first, second: ``(N,)`` int64, indices in ``pictures``.
        same: ``(N,)`` bool, whether a pair shows one person.
        folds: ``(N,)`` int64, from 1.
        own_folds: whether they are the file's own; else the pairs were cut into parts in their order.
    """

    pictures: Pictures
    first: Tensor
    second: Tensor
    same: Tensor
    folds: Tensor
    own_folds: bool = True

    def __len__(self) -> int:
        return len(self.same)


def read_pairs(path: Path, images: Path, option: str = "--images") -> FacePairs:
    """Pairs from a text file.

    Either LFW's view 2 (Huang et al., 2007): a first line with the numbers of folds and of pairs of each kind
    in a fold; then ``NAME NUMBER NUMBER`` for two pictures of one person, ``NAME NUMBER NAME NUMBER`` for two
    people, where a picture is ``NAME/NAME_0001.jpg`` (or ``.png`` …). Or two paths and 1 (one person) or 0 on
    each line, cut into ten folds in their order. Fields are parted by tabs, else by any space.

    Args:
        path: the file.
        images: the folder that names and paths start from.
        option: the one that names this folder, for messages.

    Raises:
        UsageError: naming file and line, if a line cannot be read or a picture is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file of pairs") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise UsageError(f"{path} is no text file of pairs; insightface's .bin files go with --bin") from None
    if not images.is_dir():
        raise UsageError(f"{images}: no such folder of pictures; name it by {option}")
    rows = [(number, _fields(line)) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise UsageError(f"{path} holds no pairs")
    if all(field.isdigit() for field in rows[0][1]):
        return _view_2(path, rows, _Found(path, images, option))
    return _plain_list(path, rows, _Found(path, images, option))


def read_bin(path: Path) -> FacePairs:
    """Pairs from insightface's pickle of encoded pictures, two for each pair, and a list of what is same.

    Pickles of Python 2 will do, pictures may be bytes or uint8 arrays. Nothing that a pickle asks for is run.
    The pairs are cut into ten folds in their order.

    Raises:
        UsageError: if there is no such file or it is not of that kind.
    """
    try:
        content = load_arrays(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file of pairs") from None
    except ValueError as error:
        raise UsageError(
            f"{path} is not a .bin file of insightface, which holds encoded pictures and a list ({error})"
        ) from error
    if not (isinstance(content, (tuple, list)) and len(content) == 2):
        raise UsageError(f"{path} must hold a list of pictures and a list of what is same; use another file")
    encoded, same = (list(part) if isinstance(part, (tuple, list, np.ndarray)) else [] for part in content)
    if not same or len(encoded) != 2 * len(same):
        raise UsageError(
            f"{path} holds {len(encoded)} pictures for {len(same)} pairs; there must be two for each pair"
        )
    collected = _Collected()
    contents = [_as_bytes(picture, path, number) for number, picture in enumerate(encoded)]
    for place, kind in enumerate(same):
        collected.add(contents[2 * place], contents[2 * place + 1], bool(kind), 0)
    distinct: list[Any] = list(collected.index)
    position = {picture: number for number, picture in reversed(list(enumerate(contents)))}
    names = [f"{path}, picture {position[picture]}" for picture in distinct]
    return collected.finish(lambda keys: EncodedPictures(keys, names), in_parts(len(same)))


def pairs_of_folds(pairs: FacePairs, folds: Collection[int], source: Path, option: str) -> FacePairs:
    """The pairs of some folds; pictures stay as they are.

    Args:
        pairs: of all folds.
        folds: numbers of folds, at least one.
        source: the file of the pairs, for messages.
        option: the one that names the folds, for messages.

    Raises:
        UsageError: if the file has no folds, or not all of these.
    """
    if not pairs.own_folds:
        raise UsageError(f"{option}: {source} has no folds, only LFW's view 2 has; leave {option} out")
    there = sorted(set(pairs.folds.tolist()))
    for fold in folds:
        if fold not in there:
            raise UsageError(f"{option} {fold}: {source} has folds {there[0]} to {there[-1]}")
    inside = torch.isin(pairs.folds, torch.tensor(sorted(folds)))
    first, second, same = (part[inside] for part in (pairs.first, pairs.second, pairs.same))
    return FacePairs(pairs.pictures, first, second, same, pairs.folds[inside])


def in_parts(count: int, parts: int = FOLDS) -> Tensor:
    """Folds of pairs that have none: ``(count,)`` int64 from 1, in order and as even as can be."""
    parts = min(parts, count)
    sizes = [count // parts + (part < count % parts) for part in range(parts)]
    return torch.arange(1, parts + 1).repeat_interleave(torch.tensor(sizes))


class _Collected:
    """Pairs as they are read; equal keys are one picture."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self._rows: list[tuple[int, int, bool, int]] = []

    def add(self, first: Hashable, second: Hashable, same: bool, fold: int) -> None:
        one, two = (self.index.setdefault(key, len(self.index)) for key in (first, second))
        self._rows.append((one, two, same, fold))

    def finish(self, pictures: Callable[[list[Any]], Pictures], folds: Tensor | None = None) -> FacePairs:
        first, second, same, own = (torch.tensor(column) for column in zip(*self._rows, strict=True))
        found = pictures(list(self.index))
        return FacePairs(found, first, second, same, own if folds is None else folds, folds is None)


def _view_2(path: Path, rows: list[tuple[int, list[str]]], found: _Found) -> FacePairs:
    header, rows = rows[0][1], rows[1:]
    if len(header) != 2 or "0" in header:
        raise UsageError(f"{path}, line 1: view 2 begins with two numbers, folds and pairs of a kind in each")
    folds, each = int(header[0]), int(header[1])
    if len(rows) != 2 * folds * each:
        raise UsageError(
            f"{path} announces {folds} folds with 2 × {each} pairs, {2 * folds * each} in all, but holds "
            f"{len(rows)}"
        )
    collected = _Collected()
    for place, (number, fields) in enumerate(rows):
        if len(fields) == 3:
            people = (fields[0], fields[1]), (fields[0], fields[2])
        elif len(fields) == 4:
            people = (fields[0], fields[1]), (fields[2], fields[3])
        else:
            raise UsageError(f"{path}, line {number}: NAME NUMBER NUMBER or NAME NUMBER NAME NUMBER expected")
        for _, picture in people:
            if not picture.isdigit():
                raise UsageError(f"{path}, line {number}: {picture!r} is not the number of a picture")
        one, two = (found.of_person(name, int(picture), number) for name, picture in people)
        collected.add(one, two, len(fields) == 3, place // (2 * each) + 1)
    return collected.finish(PictureFiles)


def _plain_list(path: Path, rows: list[tuple[int, list[str]]], found: _Found) -> FacePairs:
    collected = _Collected()
    for number, fields in rows:
        if len(fields) != 3 or fields[2] not in ("0", "1"):
            raise UsageError(
                f"{path}, line {number}: two paths and 0 or 1 expected (LFW's view 2 has two numbers in "
                "the first line)"
            )
        one, two = (found.at(Path(name), number) for name in fields[:2])
        collected.add(one, two, fields[2] == "1", 0)
    return collected.finish(PictureFiles, in_parts(len(rows)))


class _Found:
    """Pictures that are there; each is looked for once."""

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
            there = [self._images / name for name in names if (self._images / name).is_file()]
            if not there:
                raise UsageError(
                    f"{self._pairs}, line {line}: there is no {self._images / names[0]}; check {self._option}"
                )
            self._known[key] = there[0]
        return self._known[key]


def _fields(line: str) -> list[str]:
    return [field.strip() for field in (line.strip().split("\t") if "\t" in line else line.split())]


def _as_bytes(picture: Any, path: Path, number: int) -> bytes:
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8:
        return picture.tobytes()
    if isinstance(picture, bytes):
        return picture
    raise UsageError(
        f"{path}, picture {number}: bytes or a uint8 array expected, not {type(picture).__name__}"
    )
