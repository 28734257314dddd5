"""A model's memory: the training documents most like a new one vote for their labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from vision_xmc.common.files import write_json
from vision_xmc.xmc.data.files import Documents
from vision_xmc.xmc.data.inputs import RowPreparation, TermPreparation
from vision_xmc.xmc.data.label_sets import LabelSets

_ABOUT, _ROWS, _LABELS, _TERMS = "neighbours.json", "rows.npz", "labels.npz", "terms"


@dataclass(frozen=True)
class Voting:
    """How neighbours vote, and what their vote is worth.

    Attributes:
        count: neighbours a document.
        power: a vote is the cosine to this power.
        weight: ``l`` in :meth:`Neighbours.mixed`.
    """

    count: int = 50
    power: float = 3.0
    weight: float = 0.5


class Neighbours:
    """Probabilities of labels from the ``count`` training documents with the most similar term weights.

    A neighbour's vote is ``cosine ** power``; ``p(y | x)`` is the share of the votes that have the label.
    Mixing it with what a network says, ``(1 - l) p_network + l p_neighbours``, is what Khandelwal et al.
    (2020) do with language models: rare labels are remembered rather than learned, without a parameter.

    Search is scikit-learn's exact one: time and memory grow with the number of training documents.

    Args:
        preparation: from documents to rows of term weights.
        rows: of the training documents, ``(N, T)``.
        sets: their labels.
        num_labels: ``V``.
        voting: how they vote.
    """

    def __init__(
        self,
        preparation: TermPreparation | RowPreparation,
        rows: sparse.csr_array,
        sets: LabelSets,
        num_labels: int,
        voting: Voting,
    ) -> None:
        self.preparation, self.rows, self.sets, self.num_labels = preparation, rows, sets, num_labels
        self.voting = voting
        self._labels = sets.matrix(num_labels)
        count = min(voting.count, len(sets))
        self._search = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(rows)

    def votes(self, documents: Documents) -> sparse.csr_array:
        """``p(y | x)``: ``(n, V)`` float32, all zero for a document that shares no term with any other."""
        rows = self.preparation.inputs(documents).rows
        distances, found = self._search.kneighbors(rows)
        cosines = np.clip(1 - distances, 0, None).astype(np.float32) ** self.voting.power
        cosines /= np.maximum(cosines.sum(-1, keepdims=True), 1e-12)
        ends = np.arange(len(found) + 1) * found.shape[1]
        shape = (len(found), self.rows.shape[0])
        return sparse.csr_array((cosines.ravel(), found.ravel(), ends), shape=shape) @ self._labels

    def mixed(self, probability: Tensor, voted: Tensor) -> Tensor:
        """The network's and the neighbours' probabilities as one."""
        return (1 - self.voting.weight) * probability + self.voting.weight * voted

    def save(self, folder: Path) -> None:
        """Writes the memory to ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        sparse.save_npz(folder / _ROWS, self.rows)
        np.savez(folder / _LABELS, labels=self.sets.labels, offsets=self.sets.offsets)
        if isinstance(self.preparation, TermPreparation):
            self.preparation.save(folder / _TERMS)
        write_json(folder / _ABOUT, {**vars(self.voting), "num_labels": self.num_labels})

    @classmethod
    def load(cls, folder: Path) -> Neighbours:
        """What :meth:`save` wrote."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        num_labels = about.pop("num_labels")
        rows = sparse.csr_array(sparse.load_npz(folder / _ROWS))
        with np.load(folder / _LABELS) as stored:
            sets = LabelSets(stored["labels"], stored["offsets"])
        preparation: TermPreparation | RowPreparation = RowPreparation(rows.shape[1])
        if (folder / _TERMS).is_dir():
            preparation = TermPreparation.load(folder / _TERMS)
        return cls(preparation, rows, sets, num_labels, Voting(**about))


def voted_labels(votes: sparse.csr_array) -> Tensor:
    """The labels that have votes, ``(n, M)`` int64; shorter rows are filled with one that they have, or 0."""
    counts = np.diff(votes.indptr)
    width = int(counts.max(initial=1))
    places = np.minimum(np.arange(width), np.maximum(counts - 1, 0)[:, None]) + votes.indptr[:-1, None]
    padded = np.append(votes.indices, 0)
    return torch.from_numpy(padded[np.where(counts[:, None] > 0, places, len(padded) - 1)].astype(np.int64))


def votes_of(votes: sparse.csr_array, labels: Tensor) -> Tensor:
    """``p(y | x)`` of ``labels`` ``(n, K)``: ``(n, K)`` float32."""
    rows = np.arange(len(labels)).repeat(labels.size(1))
    found = votes[rows, np.array(labels).ravel()]
    return torch.from_numpy(np.asarray(found, dtype=np.float32)).view(labels.shape)


def best_distinct(values: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` largest values and their labels among ``(N, M)``; a label that comes again counts once.

    ``values`` are not negative, and equal where labels are; a row has ``k`` different labels.
    """
    ordered, order = labels.sort(dim=-1, stable=True)
    again = torch.zeros_like(ordered, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    found, places = values.gather(-1, order).masked_fill(again, -1.0).topk(k)
    return found, ordered.gather(-1, places)
