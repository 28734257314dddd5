"""Which labels share a group: the choices of ``--label-order``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from mhe_nmt.order import named_order, recursive_bisection
from vision_xmc.common.cache import digest, made_once
from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.data.inputs import Inputs, RowInputs
from vision_xmc.xmc.data.splits import XmcData
from vision_xmc.xmc.data.terms import TermWeights


def label_ranks(
    choice: str, data: XmcData, inputs: Inputs, *, group_size: int, seed: int, min_documents: int, cache: Path
) -> Tensor | None:
    """The rank of each label; runs of ``group_size`` ranks are groups.

    Args:
        choice: ``"clustered"``, ``"given"``, ``"random"`` or the path of a file with one rank per line.
        data: the data set; labels are clustered by their training documents.
        inputs: of the training documents; given rows are clustered as they are.
        group_size: labels per group.
        seed: of the clusters or of the random order.
        min_documents: texts are clustered by terms in at least that many of them.
        cache: folder for clustered orders.

    Returns:
        ``(V,)`` int64, or ``None`` for the given order.

    Raises:
        UsageError: if the file is missing or does not hold a permutation of the ranks.
    """
    num_labels = len(data.label_names)
    if choice == "given":
        return None
    if choice == "clustered":
        return _clustered_ranks(data, inputs, min_documents, group_size, seed, cache)
    try:
        return named_order(
            choice, num_labels, seed, what=f"--label-order {choice}", names="clustered, given, random"
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _clustered_ranks(
    data: XmcData, inputs: Inputs, min_documents: int, group_size: int, seed: int, cache: Path
) -> Tensor:
    documents, sets = data.train.documents, data.train.sets

    def make(folder: Path) -> None:
        if isinstance(inputs, RowInputs):
            features = inputs.rows
        else:
            assert isinstance(documents, list)
            features = TermWeights.fitted(documents, min_documents, cache).rows(documents, cache)
        centroids = label_centroids(features, sets.matrix(len(data.label_names)))
        np.save(folder / "ranks.npy", clustered_order(centroids, group_size, seed=seed))

    if isinstance(documents, list):
        content = digest(documents)
    else:
        content = digest([part.tobytes() for part in (documents.data, documents.indices, documents.indptr)])
    options = f"{min_documents} {group_size} {seed}"
    name = digest([content, sets.labels.tobytes(), sets.offsets.tobytes(), options])
    return torch.from_numpy(np.load(made_once(cache / f"order-{name}", make) / "ranks.npy"))


def label_centroids(features: sparse.csr_array, labels: sparse.csr_array) -> sparse.csr_array:
    """For each label, the sum of its documents' features, scaled to length 1.

    Args:
        features: ``(N, T)``, such as TF-IDF.
        labels: ``(N, V)``, 1 where the document has the label.

    Returns:
        ``(V, T)`` float32; the row of a label without documents, or with empty ones only, is 0.
    """
    centroids = sparse.csr_array(labels.T @ features, dtype=np.float32)
    return _with_unit_rows(centroids)


def clustered_order(
    centroids: sparse.csr_array, group_size: int, *, seed: int = 1, rounds: int = 10
) -> np.ndarray:
    """Ranks that put labels with similar centroids into one group, and similar groups next to each other.

    The method is recursive bisection by balanced spherical 2-means, as in Parabel (Prabhu et al., 2018), but
    with groups of exactly equal size.

    Args:
        centroids: ``(V, T)``, see :func:`label_centroids`.
        group_size: labels per group; the last group may have fewer.
        seed: of the axes that 2-means starts from.
        rounds: largest number of rounds of 2-means per bisection.

    Returns:
        ``(V,)`` int64: the rank of each label.
    """
    random = np.random.default_rng(seed)

    def coordinate(labels: np.ndarray) -> np.ndarray:
        part = centroids[labels]
        # The start is a mixture of all labels. Two labels would not do: labels far from both lie at 0. Two
        # steps of the power method turn it towards the axis along which the labels differ most.
        along = random.standard_normal(len(labels)).astype(np.float32)
        for _ in range(2):
            along = part @ (part.T @ (along - along.mean()))
        axis = part.T @ (along - along.mean())
        half = len(labels) // 2
        upper = np.zeros(len(labels), dtype=bool)
        for round_number in range(rounds):
            along = part @ axis
            now = np.zeros(len(labels), dtype=bool)
            now[np.argsort(along, kind="stable")[half:]] = True
            if round_number and np.array_equal(now, upper):
                break
            upper = now
            axis = _direction(part, upper) - _direction(part, ~upper)
        return part @ axis

    by_rank = recursive_bisection(centroids.shape[0], group_size, coordinate)
    ranks = np.empty(len(by_rank), dtype=np.int64)
    ranks[by_rank] = np.arange(len(by_rank))
    return ranks


def _direction(part: sparse.csr_array, members: np.ndarray) -> np.ndarray:
    """The sum of the rows in ``members``, scaled to length 1."""
    total = part.T @ members.astype(np.float32)
    return total / max(float(np.linalg.norm(total)), 1e-12)


def _with_unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    scale = 1 / np.sqrt(np.maximum(squares, 1e-24))
    return sparse.csr_array(sparse.diags_array(scale.astype(np.float32)) @ matrix)
