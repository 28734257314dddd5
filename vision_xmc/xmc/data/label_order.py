"""Groups of labels whose documents are alike."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mhe_nmt.order import recursive_bisection


def label_centroids(features: sparse.csr_array, labels: sparse.csr_array) -> sparse.csr_array:
    """Unit sums of the features of each label's documents.

    Args:
        features: ``(N, T)``, such as TF-IDF.
        labels: ``(N, V)``.

    Returns:
        ``(V, T)`` float32; rows of labels without documents, or only empty ones, are 0.
    """
    centroids = sparse.csr_array(labels.T @ features, dtype=np.float32)
    return _with_unit_rows(centroids)


def clustered_order(
    centroids: sparse.csr_array, group_size: int, *, seed: int = 1, rounds: int = 10
) -> np.ndarray:
    """Ranks such that runs of ``group_size`` are labels with like centroids, and neighbouring runs near.

    Recursive bisection by balanced spherical 2-means, as in Parabel (Prabhu et al., 2018), here into groups
    of exactly equal size.

    Args:
        centroids: ``(V, T)``, see :func:`label_centroids`.
        group_size: labels a group; the last may have fewer.
        seed: of the axes that the two means begin with.
        rounds: of 2-means, at most.

    Returns:
        ``(V,)`` int64: the rank of each label.
    """
    random = np.random.default_rng(seed)

    def coordinate(labels: np.ndarray) -> np.ndarray:
        part = centroids[labels]
        # A mixture of all labels rather than two of them: labels far from both would all lie at 0. Two steps
        # of the power method take it towards the axis along which the labels differ most.
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
    """The unit sum of some rows."""
    total = part.T @ members.astype(np.float32)
    return total / max(float(np.linalg.norm(total)), 1e-12)


def _with_unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    scale = 1 / np.sqrt(np.maximum(squares, 1e-24))
    return sparse.csr_array(sparse.diags_array(scale.astype(np.float32)) @ matrix)
