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


def balanced_order(vectors: np.ndarray, cluster_size: int) -> np.ndarray:
    """Orders words so that each run of ``cluster_size`` is a cluster and neighbouring runs are similar.

    Args:
        vectors: ``(V, k)``.
        cluster_size: words per cluster; the last cluster may have fewer.

    Returns:
        ``(V,)`` int64: the word at each rank. Within a cluster words are in ascending order.
    """

    def coordinate(words: np.ndarray) -> np.ndarray:
        centred = vectors[words] - vectors[words].mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        axis = axes[:, -1] * (1.0 if axes[np.abs(axes[:, -1]).argmax(), -1] > 0 else -1.0)
        return centred @ axis

    return recursive_bisection(len(vectors), cluster_size, coordinate)


def align_places(
    vectors: np.ndarray, order: np.ndarray, cluster_size: int, counts: np.ndarray, *, rounds: int = 8
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

    Returns:
        ``(V,)`` int64: the word at each rank.
    """
    clusters = [order[start : start + cluster_size] for start in range(0, len(order), cluster_size)]
    deviations = [vectors[words] - vectors[words].mean(axis=0) for words in clusters]
    weights = [np.sqrt(counts[words] + 1.0) for words in clusters]
    # The centres start as the words of the most frequent cluster.
    heaviest = int(np.argmax([weight.sum() for weight in weights]))
    centres = np.zeros((cluster_size, vectors.shape[1]))
    centres[: len(deviations[heaviest])] = deviations[heaviest]
    for _ in range(rounds):
        places = [
            _assign(deviation, centres[: len(deviation)], weight)
            for deviation, weight in zip(deviations, weights, strict=True)
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


def _assign(deviations: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The place of each of ``(n, k)`` deviations among ``n`` centres, at the least weighted distance."""
    distances = (deviations**2).sum(1)[:, None] - 2 * deviations @ centres.T + (centres**2).sum(1)
    return linear_sum_assignment(distances * weights[:, None])[1]
