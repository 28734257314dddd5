"""Finds the files of a data set, in any of their layouts, and splits off a validation part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import sparse

from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.data.files import (
    Documents,
    Part,
    read_json_lines,
    read_matrices,
    read_repository_format,
    read_text_pair,
)
from vision_xmc.xmc.data.label_sets import LabelSets

_ROLES = {"train": ("train", "trn"), "valid": ("valid", "val", "dev"), "test": ("test", "tst")}


@dataclass(frozen=True)
class Split:
    """Documents and their label sets.

    Labels from ``len(XmcData.label_names)`` upwards are on no training document.
    """

    documents: Documents
    sets: LabelSets

    def __len__(self) -> int:
        return len(self.sets)

    def take(self, numbers: np.ndarray) -> Split:
        """The documents with these numbers, in the given order."""
        if isinstance(self.documents, list):
            chosen: Documents = [self.documents[int(number)] for number in numbers]
        else:
            chosen = sparse.csr_array(self.documents[numbers])
        return Split(chosen, self.sets.take(numbers))


@dataclass(frozen=True)
class XmcData:
    """One data set.

    Attributes:
        train, valid, test: its parts; ``valid`` and ``test`` may be ``None``.
        label_names: names of the labels ``0 … V - 1``: those of the training part before documents were held
            out of it.
        unseen: names of the labels ``V, V + 1, …``, which only files other than the training part have.
    """

    train: Split
    valid: Split | None
    test: Split | None
    label_names: list[str]
    unseen: list[str]


def load_parts(path: Path) -> dict[str, Part]:
    """The parts of the data set at ``path``, by role: ``"train"``, perhaps ``"valid"`` and ``"test"``.

    ``path`` is a folder with one of these layouts:

    - ``train_texts.txt`` (or ``train_raw_texts.txt``) and ``train_labels.txt``;
    - ``train.jsonl`` (or ``trn.json.gz`` and the like);
    - ``X.trn.npz`` and ``Y.trn.npz``, or ``trn.X.npz`` and ``trn.Y.npz``;
    - ``train.txt`` in the Extreme Classification Repository's format.

    The files of the other parts have ``valid`` or ``test`` in place of ``train``. Or ``path`` is the common
    beginning of ``….X.npz``, ``….Y.npz`` and perhaps ``….labels.txt``: one part that is not split yet.

    Raises:
        UsageError: if there is no training part in any layout.
    """
    if not path.is_dir():
        matrices = [path.with_name(f"{path.name}.{letter}.npz") for letter in "XY"]
        if all(matrix.is_file() for matrix in matrices):
            names = path.with_name(f"{path.name}.labels.txt")
            return {"train": read_matrices(matrices[0], matrices[1], names)}
        raise UsageError(
            f"--dataset {path}: no such folder, nor {matrices[0].name} with {matrices[1].name}; "
            "docs/guides/text.md lists the layouts"
        )
    parts = {role: part for role, words in _ROLES.items() if (part := _find(path, words)) is not None}
    if "train" not in parts:
        raise UsageError(
            f"{path} holds no training part: neither train_texts.txt with train_labels.txt, nor train.jsonl, "
            "nor X.trn.npz with Y.trn.npz, nor train.txt"
        )
    return parts


def _find(folder: Path, words: Sequence[str]) -> Part | None:
    for word in words:
        labels = folder / f"{word}_labels.txt"
        for name in (f"{word}_texts.txt", f"{word}_raw_texts.txt"):
            if (folder / name).is_file():
                if not labels.is_file():
                    raise UsageError(
                        f"{folder / name} needs {labels.name} next to it, with one line of labels per text"
                    )
                return read_text_pair(folder / name, labels)
        for name in (f"{word}.jsonl", f"{word}.json", f"{word}.jsonl.gz", f"{word}.json.gz"):
            if (folder / name).is_file():
                return read_json_lines(folder / name)
        for x, y in ((f"X.{word}.npz", f"Y.{word}.npz"), (f"{word}.X.npz", f"{word}.Y.npz")):
            if (folder / x).is_file() and (folder / y).is_file():
                return read_matrices(folder / x, folder / y, folder / "labels.txt")
        for file in sorted(folder.glob(f"*{word}.txt")):
            return read_repository_format(file)
    return None


def assemble(
    parts: dict[str, Part], valid_size: float | None, test_size: float, seed: int, say: Callable[[str], None]
) -> XmcData:
    """Numbers the labels, and holds validation and test parts out of the training part if they are missing.

    Args:
        parts: see :func:`load_parts`.
        valid_size: share (below 1) or number of documents to hold out for validation; 0 for none, ``None``
            for a default that tells epochs apart and costs the training little.
        test_size: share or number of documents to hold out for testing; 0 for none.
        seed: of the choice of documents.
        say: called with a sentence about each oddity, such as labels that only the test part has.

    Raises:
        UsageError: if nothing is left to train on, or a part does not fit the training part.
    """
    used = {
        role: {part.names[label] for label in np.unique(part.sets.labels)} for role, part in parts.items()
    }
    known = sorted(used["train"], key=_as_number)
    unseen = sorted(set().union(*used.values()) - used["train"], key=_as_number)
    numbers = {name: number for number, name in enumerate(known + unseen)}
    splits: dict[str, Split] = {}
    for role, part in parts.items():
        # A name that no document has may get any number, because it does not occur in the sets.
        new_numbers = np.array([numbers.get(name, 0) for name in part.names], dtype=np.int64)
        sets = part.sets.renumbered(new_numbers, len(numbers))
        splits[role] = Split(part.documents, sets)
        _remark(part, sets, say)
        if not isinstance(part.documents, list):
            splits[role] = replace(splits[role], documents=_as_wide(part, parts["train"]))
    for role, size in (("test", test_size), ("valid", valid_size)):
        if role not in splits and size != 0:
            splits["train"], splits[role] = _held_out(splits["train"], size, seed, role)
    if unseen:
        say(
            f"{len(unseen):,} labels are on no training document, such as {unseen[0]}; they count as true "
            "labels that are never predicted"
        )
    if len(known) < 3:
        raise UsageError(
            f"{parts['train'].source} has {len(known)} different labels; a training needs at least 3"
        )
    return XmcData(splits["train"], splits.get("valid"), splits.get("test"), known, unseen)


def _as_number(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isdecimal() else (-1, name)


def _remark(part: Part, sets: LabelSets, say: Callable[[str], None]) -> None:
    if not len(sets):
        raise UsageError(f"{part.source} holds no document; remove the file or add documents")
    if sets.without_labels:
        say(f"{part.source}: {sets.without_labels:,} of {len(sets):,} documents have no label")
    if isinstance(part.documents, list):
        empty = [number for number, text in enumerate(part.documents, start=1) if not text.strip()]
    else:
        empty = (np.flatnonzero(np.diff(part.documents.indptr) == 0) + 1).tolist()
    if empty:
        say(f"{part.source}: {len(empty):,} documents are empty, the first on line {empty[0]:,}")


def _as_wide(part: Part, train: Part) -> sparse.csr_array:
    terms = train.documents.shape[1]  # type: ignore[union-attr]
    matrix = sparse.csr_array(part.documents)
    if matrix.shape[1] > terms:
        raise UsageError(
            f"{part.source} has {matrix.shape[1]:,} terms but {train.source} has {terms:,}; both need the "
            "same columns"
        )
    matrix.resize(matrix.shape[0], terms)
    return matrix


def _held_out(split: Split, size: float | None, seed: int, role: str) -> tuple[Split, Split]:
    if size is None:
        size = max(1, min(max(len(split) // 50, 250), len(split) // 10))
    count = round(size * len(split)) if size < 1 else int(size)
    if not 1 <= count < len(split):
        raise UsageError(
            f"--{role}-size {size:g} holds out {count:,} of {len(split):,} documents; give another size"
        )
    order = np.random.default_rng((seed, len(role))).permutation(len(split))
    return split.take(np.sort(order[count:])), split.take(np.sort(order[:count]))
