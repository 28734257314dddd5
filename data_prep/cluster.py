"""Orders a vocabulary by meaning: neighbours in the order are words used in like contexts.

Word vectors are the truncated SVD of the positive pointwise mutual information of words and their neighbours
(Levy and Goldberg, 2014); a recursive split along the first principal component cuts the vocabulary into
clusters of equal size.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd


def word_vectors(
    sentences: Iterable[Sequence[int]], num_words: int, *, window: int, dimensions: int, seed: int
) -> np.ndarray:
    """Unit vectors ``(num_words, dimensions)``, zero for words that never occur; float64."""
    counts = _neighbours(sentences, num_words, window)
    scores = _positive_pmi(counts)
    dimensions = min(dimensions, num_words - 1)
    left, singular, _ = randomized_svd(scores, dimensions, random_state=seed)
    vectors = left * np.sqrt(singular)
    # The sign of a singular vector is arbitrary: fixed, so that the order does not depend on the library.
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
    """The words ordered so that each run of ``cluster_size`` is a cluster and neighbouring runs are near.

    Args:
        vectors: ``(V, k)``.
        cluster_size: words a cluster; the last may have fewer.

    Returns:
        ``(V,)`` int64: the word at each rank. Within a cluster words keep their order.
    """
    order: list[int] = []
    stack = [np.arange(len(vectors))]
    while stack:
        words = stack.pop()
        clusters = -(-len(words) // cluster_size)
        if clusters <= 1:
            order += sorted(words.tolist())
            continue
        centred = vectors[words] - vectors[words].mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        axis = axes[:, -1] * (1.0 if axes[np.abs(axes[:, -1]).argmax(), -1] > 0 else -1.0)
        along = words[np.argsort(centred @ axis, kind="stable")]
        cut = clusters // 2 * cluster_size
        stack += [along[cut:], along[:cut]]
    return np.array(order, dtype=np.int64)
