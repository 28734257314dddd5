"""Readers of extreme classification files: texts and labels by line, JSON lines, bags of words."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.datasets import load_svmlight_file

from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.data.label_sets import LabelSets

#: Texts, or one row of term weights per document.
Documents: TypeAlias = list[str] | sparse.csr_array


def num_documents(documents: Documents) -> int:
    """Number of texts or rows."""
    return len(documents) if isinstance(documents, list) else documents.shape[0]


@dataclass(frozen=True)
class Part:
    """The documents of one file.

    Attributes:
        documents: ``N`` texts, or ``(N, T)`` float32.
        sets: their label sets, in numbers of this file only.
        names: label names by these numbers.
        source: the file's name for messages.
    """

    documents: Documents
    sets: LabelSets
    names: list[str]
    source: str

    def __len__(self) -> int:
        return len(self.sets)

    def first(self, count: int) -> Part:
        """The first ``count`` documents, or all if there are fewer."""
        sets = self.sets.take(np.arange(min(count, len(self))))
        return Part(self.documents[:count], sets, self.names, self.source)


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, without line ends and byte order mark.

    Raises:
        UsageError: naming the line that is not UTF-8.
    """
    with path.open("rb") as file:
        lines = file.read().split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    decoded = []
    for number, line in enumerate(lines, start=1):
        try:
            decoded.append(line.rstrip(b"\r").decode("utf-8"))
        except UnicodeDecodeError:
            raise UsageError(
                f"{path}, line {number}, is not UTF-8; convert the file (iconv -t utf-8)"
            ) from None
    if decoded:
        decoded[0] = decoded[0].removeprefix("\ufeff")
    return decoded


def read_text_pair(texts: Path, labels: Path) -> Part:
    """One text per line and, in the other file, its labels separated by spaces (LightXML, AttentionXML).

    Raises:
        UsageError: if the files do not have the same number of lines.
    """
    documents = read_lines(texts)
    sets, names = LabelSets.of_names(line.split() for line in read_lines(labels))
    if len(documents) != len(sets):
        raise UsageError(
            f"{texts} has {len(documents):,} lines but {labels} has {len(sets):,}; line n of one file must "
            "belong to line n of the other"
        )
    return Part(documents, sets, names, str(texts))


def read_json_lines(path: Path) -> Part:
    """One object per line with ``text`` (or ``title`` and ``content``) and ``labels`` (or ``target_ind``).

    The names in brackets are those of the Extreme Classification Repository's raw text. A ``.gz`` file is
    unpacked.

    Raises:
        UsageError: naming the line that is not such an object.
    """

    def labels_of(item: dict[str, Any]) -> list[str]:
        return [str(label) for label in item["labels" if "labels" in item else "target_ind"]]

    documents: list[str] = []

    def sets() -> Iterator[list[str]]:
        for text, labels in _parsed(path, lambda item: (text_of(item), labels_of(item))):
            documents.append(text)
            yield labels

    return Part(documents, *LabelSets.of_names(sets()), str(path))


def read_json_texts(path: Path) -> list[str]:
    """The texts of JSON lines, with or without labels.

    Raises:
        UsageError: naming the line without a text.
    """
    return list(_parsed(path, text_of))


def _parsed(path: Path, read: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield read(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError):
                raise UsageError(
                    f'{path}, line {number}: expected an object such as {{"text": "…", "labels": ["…"]}}'
                ) from None


def text_of(item: dict[str, Any]) -> str:
    """``text``, or ``title`` and ``content`` together, on one line."""
    if "text" in item:
        text = item["text"]
    else:
        text = " ".join(item[name] for name in ("title", "content") if item.get(name)) or item["title"]
    return " ".join(text.split("\n"))


def read_repository_format(path: Path) -> Part:
    """The Extreme Classification Repository's bags of words.

    The first line is ``N T V``: numbers of documents, terms and labels. Each further line is a document,
    ``l1,l2 t1:w1 t2:w2 …``.

    Raises:
        UsageError: naming the line that is not of this form.
    """
    with path.open("rb") as file:
        header = file.readline().split()
        try:
            documents, terms, _ = (int(number) for number in header)
        except ValueError:
            raise UsageError(
                f"{path}, line 1: expected the numbers of documents, terms and labels, got "
                f"{b' '.join(header)[:60]!r}"
            ) from None
        try:
            rows, labels = load_svmlight_file(
                file, n_features=terms, dtype=np.float32, multilabel=True, zero_based=True
            )
        except ValueError as error:
            raise UsageError(
                f"{path}, line {_first_bad_line(path, terms)}: expected 'l1,l2 t1:w1 …'"
            ) from error
    if len(labels) != documents:
        raise UsageError(
            f"{path}, line 1, announces {documents:,} documents but {len(labels):,} lines follow; correct "
            "the number or get the whole file"
        )
    sets, names = LabelSets.of_names((str(int(label)) for label in document) for document in labels)
    return Part(sparse.csr_array(rows, dtype=np.float32), sets, names, str(path))


def _first_bad_line(path: Path, terms: int) -> int | str:
    for number, line in enumerate(path.open("rb"), start=1):
        if number > 1:
            try:
                load_svmlight_file(io.BytesIO(line), n_features=terms, multilabel=True, zero_based=True)
            except ValueError:
                return number
    return "?"


def read_matrices(features: Path, labels: Path, names: Path | None = None) -> Part:
    """Two scipy ``.npz`` matrices, documents × terms and documents × labels, and names of the labels.

    Args:
        features: file of the documents × terms.
        labels: file of the documents × labels.
        names: file with one name per label; the labels are named by number if there is none.

    Raises:
        UsageError: if the shapes do not fit.
    """
    x, y = read_matrix(features), read_matrix(labels)
    if x.shape[0] != y.shape[0]:
        raise UsageError(
            f"{features} has {x.shape[0]:,} rows but {labels} has {y.shape[0]:,}; both need one per document"
        )
    if names is not None and names.is_file():
        known = read_lines(names)
        if len(known) != y.shape[1]:
            raise UsageError(
                f"{names} has {len(known):,} lines but {labels} has {y.shape[1]:,} columns; write one "
                "name per column"
            )
    else:
        known = [str(number) for number in range(y.shape[1])]
    return Part(x, LabelSets.of_matrix(y), known, str(features))


def read_matrix(path: Path) -> sparse.csr_array:
    """A sparse matrix that ``scipy.sparse.save_npz`` wrote, as float32.

    Raises:
        UsageError: if the file holds no such matrix.
    """
    try:
        return sparse.csr_array(sparse.load_npz(path), dtype=np.float32)
    except (ValueError, OSError, KeyError, AttributeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise UsageError(
            f"{path} is not a matrix written by scipy.sparse.save_npz; save the matrix with it"
        ) from error
