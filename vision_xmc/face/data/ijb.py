"""IJB-B and IJB-C in insightface's layout: ``meta/ijbc_….txt`` and ``loose_crop/``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vision_xmc.common.errors import UsageError
from vision_xmc.data.pictures import read_rgb
from vision_xmc.face.data.alignment import align_face

#: How many lines of the file of pairs are read at a time; IJB-C has 15.7 million lines.
LINES_AT_A_TIME = 100_000
#: Points per face.
POINTS = 5


@dataclass(frozen=True)
class TemplateSet:
    """Pictures by template and medium.

    Attributes:
        paths: files of the ``N`` pictures.
        points: five points per picture, ``(N, 5, 2)`` float64; ``None`` if the pictures are aligned already.
        detector_scores: the face detector's score of each picture, ``(N,)`` float32.
        templates, media: the template and the medium of each picture, ``(N,)`` int64 each.
        pairs: the file of pairs.
    """

    paths: Sequence[Path]
    points: np.ndarray | None
    detector_scores: Tensor
    templates: Tensor
    media: Tensor
    pairs: Path


class TemplatePictures:
    """The pictures of a set, aligned by their points.

    Args:
        templates: the set.
        size: height and width of the aligned pictures.
        aligned: give the pictures as they are; so are those of a set without points.
    """

    def __init__(self, templates: TemplateSet, size: int = 112, aligned: bool = False) -> None:
        self._paths, self._size = templates.paths, size
        self._points = None if aligned else templates.points

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int, /) -> np.ndarray:
        picture = read_rgb(self._paths[index])
        if self._points is None:
            return picture
        try:
            return align_face(picture, self._points[index], self._size)
        except ValueError as error:
            raise UsageError(
                f"{self._paths[index]} cannot be aligned: {error}; correct its line in meta/"
            ) from error


def find_target(folder: Path) -> str:
    """``"ijbb"`` or ``"ijbc"``: the beginning of the name of the folder's one ``meta/…_face_tid_mid.txt``.

    Raises:
        UsageError: if there is no such file, or more than one.
    """
    suffix = "_face_tid_mid.txt"
    names = sorted(path.name.removesuffix(suffix) for path in (folder / "meta").glob(f"*{suffix}"))
    if len(names) != 1:
        reason = (
            f"it holds those of {', '.join(names)}; choose one with --target"
            if names
            else "it holds none; check --data-path"
        )
        raise UsageError(f"{folder / 'meta'} must hold one file such as ijbc{suffix}, but {reason}")
    return names[0]


def read_templates(folder: Path, target: str) -> TemplateSet:
    """The pictures of a set, with their templates, media, points and detector scores.

    Each line of ``meta/TARGET_face_tid_mid.txt`` is a picture, its template and its medium. The same line of
    ``meta/TARGET_name_5pts_score.txt`` is the same picture, x and y of five points (left out if the pictures
    are aligned) and the face detector's score. Each line of ``meta/TARGET_template_pair_label.txt`` is two
    templates and 1 if they are of one person, else 0.

    Raises:
        UsageError: naming file and line, if a file or a picture is missing or a line cannot be read.
    """
    meta = folder / "meta"
    members, faces, pairs = (
        meta / f"{target}_{name}.txt" for name in ("face_tid_mid", "name_5pts_score", "template_pair_label")
    )
    if not pairs.is_file():
        raise UsageError(f"{pairs}: no such file; {folder} must be laid out as insightface lays it out")
    templates, media, names = [], [], []
    for number, fields in _lines(members):
        if len(fields) != 3 or not (_integer(fields[1]) and _integer(fields[2])):
            raise UsageError(f"{members}, line {number}: expected a picture, its template and its medium")
        names.append(fields[0])
        templates.append(int(fields[1]))
        media.append(int(fields[2]))
    points, scores = _read_faces(faces, names, members)
    paths = [folder / "loose_crop" / name for name in names]
    for number, path in enumerate(paths, 1):
        if not path.is_file():
            raise UsageError(
                f"{members}, line {number}: there is no {path}; get the picture or drop the line"
            )
    return TemplateSet(
        paths, points, torch.tensor(scores), torch.tensor(templates), torch.tensor(media), pairs
    )


def read_template_pairs(path: Path) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The pairs of templates, part by part: two ids ``(P,)`` int64, and whether they are of one person.

    Raises:
        UsageError: naming file and line, if a line cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        start = 1
        while lines := list(itertools.islice(file, LINES_AT_A_TIME)):
            yield _parsed(lines, path, start)
            start += len(lines)
    if start == 1:
        raise UsageError(f"{path} holds no pairs; get the file again")


def _parsed(lines: list[str], path: Path, start: int) -> tuple[Tensor, Tensor, Tensor]:
    try:
        table = np.loadtxt(lines, dtype=np.int64, ndmin=2, comments=None)
    except ValueError:
        table = np.empty((0, 0), dtype=np.int64)
    if table.shape != (len(lines), 3) or ((table[:, 2] != 0) & (table[:, 2] != 1)).any():
        for number, line in enumerate(lines, start):
            fields = line.split()
            if len(fields) != 3 or not all(map(_integer, fields)) or int(fields[2]) not in (0, 1):
                raise UsageError(f"{path}, line {number}: expected two templates and 0 or 1")
        raise UsageError(
            f"{path}, lines {start} to {start + len(lines) - 1} cannot be read; get the file again"
        )
    columns = torch.from_numpy(np.ascontiguousarray(table.T))
    return columns[0], columns[1], columns[2].bool()


def _read_faces(path: Path, names: list[str], members: Path) -> tuple[np.ndarray | None, list[float]]:
    points, scores, width = [], [], 0
    for place, (number, fields) in enumerate(_lines(path)):
        if place >= len(names) or fields[0] != names[place]:
            expected = names[place] if place < len(names) else "the end"
            raise UsageError(f"{path}, line {number}: {fields[0]} is where {members} has {expected}")
        width = width or len(fields)
        try:
            values = [float(field) for field in fields[1:]]
        except ValueError:
            values = []
        if len(fields) != width or len(values) not in (1, 2 * POINTS + 1):
            raise UsageError(
                f"{path}, line {number}: expected a picture, {POINTS} points (or none) and a score"
            )
        points.append(values[:-1])
        scores.append(values[-1])
    if len(scores) != len(names):
        raise UsageError(f"{path} has {len(scores)} lines, but {members} has {len(names)}; get both again")
    located = np.array(points).reshape(len(points), -1, 2)
    return (located if located.shape[1] else None), scores


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            number = 0
            for number, line in enumerate(file, 1):
                yield number, line.split() or [""]
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file; the folder must be laid out as insightface lays it out"
        ) from None
    if not number:
        raise UsageError(f"{path} is empty; get the file again")


def _integer(field: str) -> bool:
    return field.removeprefix("-").isdigit()
