"""A model's memory: the training documents most similar to a new one vote for their labels."""

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
    """How the neighbours vote, and how much their votes count.

    Attributes:
        count: neighbours per document.
        power: a neighbour's vote is its cosine to this power.
        weight: of the neighbours' probabilities in :meth:`Neighbours.mixed`, from 0 to 1.
    """

    count: int = 50
    power: float = 3.0
    weight: float = 0.5


class Neighbours:
    """Label probabilities from the ``count`` training documents with the most similar term weights.

    A neighbour's vote is ``cosine ** power``; ``p(y | x)`` is the share of the votes from neighbours with
    label ``y``. It is mixed with the network's probability, ``(1 - weight) p_network + weight p_neighbours``,
    as Khandelwal et al. (2020) do in language models: rare labels are remembered rather than learned, and no
    parameter is added.

    The search is scikit-learn's exact one: its time and memory grow with the number of training documents.

    Args:
        preparation: turns documents into rows of term weights.
        rows: term weights of the training documents, ``(N, T)``.
        sets: label sets of the training documents.
        num_labels: ``V``.
        voting: how the neighbours vote.
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
        """``p(y | x)``, ``(n, V)`` float32; a row is zero if its document shares no term with any neighbour.

        Raises:
            UsageError: if the documents are not of the kind that the memory was made from.
        """
        rows = self.preparation.inputs(documents).rows
        distances, nearest = self._search.kneighbors(rows)
        shares = np.clip(1 - distances, 0, None).astype(np.float32) ** self.voting.power
        shares /= np.maximum(shares.sum(-1, keepdims=True), 1e-12)
        ends = np.arange(len(nearest) + 1) * nearest.shape[1]
        shape = (len(nearest), self.rows.shape[0])
        return sparse.csr_array((shares.ravel(), nearest.ravel(), ends), shape=shape) @ self._labels

    def mixed(self, probability: Tensor, voted: Tensor) -> Tensor:
        """The mixture of the network's ``probability`` and the neighbours' ``voted``, both of one shape."""
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
        """Reads what :meth:`save` wrote."""
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
    """The labels with votes, ``(n, M)`` int64; a shorter row is filled with one of its labels, or with 0."""
    counts = np.diff(votes.indptr)
    width = int(counts.max(initial=1))
    places = np.minimum(np.arange(width), np.maximum(counts - 1, 0)[:, None]) + votes.indptr[:-1, None]
    padded = np.append(votes.indices, 0)
    return torch.from_numpy(padded[np.where(counts[:, None] > 0, places, len(padded) - 1)].astype(np.int64))


def votes_of(votes: sparse.csr_array, labels: Tensor) -> Tensor:
    """The entries of ``votes`` at ``labels``, ``(n, K)`` int64 to ``(n, K)`` float32."""
    rows = np.arange(len(labels)).repeat(labels.size(1))
    voted = votes[rows, np.array(labels).ravel()]
    return torch.from_numpy(np.asarray(voted, dtype=np.float32)).view(labels.shape)


def best_distinct(values: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` largest values of each row and their labels, each label once: ``(N, M)`` to ``(N, k)``.

    ``values`` must not be negative, and must be equal where the labels of a row are equal. Each row must have
    at least ``k`` different labels.
    """
    ordered, order = labels.sort(dim=-1, stable=True)
    repeated = torch.zeros_like(ordered, dtype=torch.bool)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    best, places = values.gather(-1, order).masked_fill(repeated, -1.0).topk(k)
    return best, ordered.gather(-1, places)
