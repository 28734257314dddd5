"""Orders a vocabulary by meaning: neighbours in the order are words that occur in similar contexts.

Word vectors are the truncated SVD of the positive pointwise mutual information of words and their neighbours
(Levy and Goldberg, 2014); a recursive split along the first principal component cuts the vocabulary into
clusters of equal size. Within each cluster, words are placed so that a place means the same in every
cluster: in effect a product quantiser (Jégou et al., 2011) with one word per code.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from sklearn.utils.extmath import randomized_svd

from mhe_nmt.order import recursive_bisection


def word_vectors(
    sentences: Iterable[Sequence[int]], num_words: int, *, window: int, dimensions: int, seed: int
) -> np.ndarray:
    """Unit vectors, float64 ``(num_words, dimensions)``; those of words that never occur are zero."""
    counts = _neighbours(sentences, num_words, window)
    scores = _positive_pmi(counts)
    dimensions = min(dimensions, num_words - 1)
    left, singular, _ = randomized_svd(scores, dimensions, random_state=seed)
    vectors = left * np.sqrt(singular)
    # The sign of a singular vector is arbitrary. It is fixed here, so that the order does not depend on the
    # library.
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 1e-12, lengths, 1.0)


def _neighbours(sentences: Iterable[Sequence[int]], num_words: int, window: int) -> sparse.csr_array:
    firsts: list[np.ndarray] = []
    seconds: list[np.ndarray] = []
    for sentence in sentences:
        words = np.asarray(sentence, dtype=np.int64)
        for distance in range(1, window + 1):
            firsts += [words[:-distance], words[distance:]]
            seconds += [words[distance:], words[:-distance]]
    rows, columns = np.concatenate(firsts), np.concatenate(seconds)
    ones = np.ones(len(rows), dtype=np.float64)
    return sparse.coo_array((ones, (rows, columns)), shape=(num_words, num_words)).tocsr()


def _positive_pmi(counts: sparse.csr_array, smoothing: float = 0.75) -> sparse.csr_array:
    """PPMI with smoothed context counts, which keeps rare contexts from being overrated."""
    pairs = counts.tocoo()
    words = counts.sum(axis=1)
    contexts = counts.sum(axis=0) ** smoothing
    contexts /= contexts.sum()
    values = np.log(pairs.data / (words[pairs.row] * contexts[pairs.col]))
    keep = values > 0
    return sparse.csr_array((values[keep], (pairs.row[keep], pairs.col[keep])), shape=counts.shape)


def balanced_order(vectors: np.ndarray, cluster_size: int, *, pinned: int = 0) -> np.ndarray:
    """Orders words so that each run of ``cluster_size`` is a cluster and neighbouring runs are similar.

    Args:
        vectors: ``(V, k)``.
        cluster_size: words per cluster; the last cluster may have fewer.
        pinned: the first so many words keep their places. Which of the others stand next to them still
            depends on their vectors: each cut turns the half that they are nearer to to the front.

    Returns:
        ``(V,)`` int64: the word at each rank. Within a cluster words are in ascending order.
    """

    def coordinate(words: np.ndarray) -> np.ndarray:
        free = words >= pinned
        if not free.any():
            return np.zeros(len(words))
        centred = vectors[words] - vectors[words[free]].mean(axis=0)
        _, axes = np.linalg.eigh(centred[free].T @ centred[free])
        axis = axes[:, -1] * (1.0 if axes[np.abs(axes[:, -1]).argmax(), -1] > 0 else -1.0)
        along = centred @ axis
        # Words without a vector never occur, so they do not say where the pinned ones belong.
        guides = along[~free & vectors[words].any(axis=1)]
        if len(guides) and guides.mean() > np.median(along[free]):
            along = -along
        along[~free] = -np.inf
        return along

    return recursive_bisection(len(vectors), cluster_size, coordinate)


def align_places(
    vectors: np.ndarray,
    order: np.ndarray,
    cluster_size: int,
    counts: np.ndarray,
    *,
    rounds: int = 8,
    pinned: int = 0,
) -> np.ndarray:
    """Keeps the clusters, and gives words that deviate alike from their clusters' means the same place.

    The second digit then carries meaning of its own, such as singular or plural, beginning or end of a word.
    That helps heads that predict it without a separate matrix per cluster. The method is k-means over the
    deviations, in which the words of one cluster must go to different places: one assignment problem per
    cluster and round.

    Args:
        vectors: ``(V, k)``.
        order: ``(V,)``, the word at each rank.
        cluster_size: words per cluster; the last cluster may have fewer.
        counts: ``(V,)``, how often each word occurs; a word pulls its place by the square root of that.
        rounds: number of rounds of k-means.
        pinned: the words at the first so many ranks keep them, and do not pull.

    Returns:
        ``(V,)`` int64: the word at each rank.
    """
    clusters = [order[start : start + cluster_size] for start in range(0, len(order), cluster_size)]
    pins = [min(max(pinned - n * cluster_size, 0), len(words)) for n, words in enumerate(clusters)]
    deviations, weights = [], []
    for words, pin in zip(clusters, pins, strict=True):
        free = words[pin:]
        mean = vectors[free].mean(axis=0) if len(free) else 0.0
        deviations.append(np.concatenate([np.zeros_like(vectors[words[:pin]]), vectors[free] - mean]))
        weights.append(np.concatenate([np.zeros(len(words) - len(free)), np.sqrt(counts[free] + 1.0)]))
    # The centres start as the words of the most frequent cluster.
    heaviest = int(np.argmax([weight.sum() for weight in weights]))
    centres = np.zeros((cluster_size, vectors.shape[1]))
    centres[: len(deviations[heaviest])] = deviations[heaviest]
    for _ in range(rounds):
        places = [
            _assign(deviation, centres[: len(deviation)], weight, pin)
            for deviation, weight, pin in zip(deviations, weights, pins, strict=True)
        ]
        sums, totals = np.zeros_like(centres), np.full((cluster_size, 1), 1e-9)
        for place, deviation, weight in zip(places, deviations, weights, strict=True):
            sums[place] += deviation * weight[:, None]
            totals[place] += weight[:, None]
        centres = sums / totals
    aligned = np.empty_like(order)
    for number, (words, place) in enumerate(zip(clusters, places, strict=True)):
        aligned[number * cluster_size + place] = words
    return aligned


def _assign(deviations: np.ndarray, centres: np.ndarray, weights: np.ndarray, pinned: int) -> np.ndarray:
    """The place of each of ``(n, k)`` deviations among ``n`` centres, at the least weighted distance.

    The first ``pinned`` stay in their places.
    """
    free, open_centres = deviations[pinned:], centres[pinned:]
    distances = (free**2).sum(1)[:, None] - 2 * free @ open_centres.T + (open_centres**2).sum(1)
    places = linear_sum_assignment(distances * weights[pinned:, None])[1]
    return np.concatenate([np.arange(pinned), pinned + places])
