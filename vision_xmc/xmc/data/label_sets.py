"""The label sets of many documents, in CSR form."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class LabelSets:
    """Document ``n`` has ``labels[offsets[n]:offsets[n + 1]]``.

    Attributes:
        labels: ``(M,)`` int64.
        offsets: ``(N + 1,)`` int64, from 0 to ``M``.
    """

    labels: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, sets: Sequence[Sequence[int] | np.ndarray]) -> LabelSets:
        """From one sequence of labels per document."""
        offsets = np.zeros(len(sets) + 1, dtype=np.int64)
        np.cumsum([len(labels) for labels in sets], out=offsets[1:])
        arrays = [np.asarray(labels, dtype=np.int64) for labels in sets]
        return cls(np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64), offsets)

    @classmethod
    def of_names(cls, sets: Iterable[Iterable[str]]) -> tuple[LabelSets, list[str]]:
        """From one sequence of label names per document; names are numbered in order of appearance.

        Returns:
            The label sets, and the names by number.
        """
        numbers: dict[str, int] = {}
        labels, offsets = array("q"), array("q", [0])
        for names in sets:
            labels.extend(numbers.setdefault(name, len(numbers)) for name in names)
            offsets.append(len(labels))
        return cls(np.array(labels, dtype=np.int64), np.array(offsets, dtype=np.int64)), list(numbers)

    def renumbered(self, numbers: np.ndarray, num_labels: int) -> LabelSets:
        """Replaces each ``label`` by ``numbers[label]``; the sets come out sorted, without repetition.

        Args:
            numbers: new number of each label, below ``num_labels``.
            num_labels: number of labels afterwards.
        """
        matrix = LabelSets(numbers[self.labels], self.offsets).matrix(num_labels)
        matrix.sort_indices()
        return LabelSets.of_matrix(matrix)

    @classmethod
    def of_matrix(cls, matrix: sparse.csr_array) -> LabelSets:
        """From a matrix of documents × labels; entries other than 0 are labels of the document."""
        matrix = sparse.csr_array(matrix)
        matrix.eliminate_zeros()
        return cls(matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, document: int) -> np.ndarray:
        return self.labels[self.offsets[document] : self.offsets[document + 1]]

    def take(self, documents: np.ndarray) -> LabelSets:
        """The label sets of some documents, in the given order."""
        return LabelSets.of([self[document] for document in documents.tolist()])

    def counts(self, num_labels: int) -> np.ndarray:
        """Number of documents per label, for ``num_labels`` labels: ``(V,)`` int64."""
        return np.bincount(self.labels, minlength=num_labels)

    def matrix(self, num_labels: int) -> sparse.csr_array:
        """Documents × labels, float32: 1 where the document has the label."""
        ones = np.ones(len(self.labels), dtype=np.float32)
        # Copies, because duplicates are summed in place.
        parts = (ones, self.labels.copy(), self.offsets.copy())
        matrix = sparse.csr_array(parts, shape=(len(self), num_labels))
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix

    @property
    def without_labels(self) -> int:
        """Number of documents without a label."""
        return int((np.diff(self.offsets) == 0).sum())
