"""Label order by clustering: similar labels share a group, and groups have equal sizes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from vision_xmc.xmc.data.label_order import clustered_order, label_centroids
from vision_xmc.xmc.data.label_sets import LabelSets


def test_centroids_are_unit_sums() -> None:
    features = sparse.csr_array(np.array([[3.0, 0, 0], [0, 4, 0], [1, 0, 2]], dtype=np.float32))
    labels = LabelSets.of([[0], [0, 2], [2]]).matrix(4)
    centroids = label_centroids(features, labels).toarray()
    expected = np.array([[0.6, 0.8, 0], [0, 0, 0], [1 / 21**0.5, 4 / 21**0.5, 2 / 21**0.5], [0, 0, 0]])
    np.testing.assert_allclose(centroids, expected, rtol=1e-6)


def test_topics_become_groups() -> None:
    """Eight topics of four labels; the documents of a label use its topic's word and one word of its own."""
    random = np.random.default_rng(1)
    topic = random.permutation(np.repeat(np.arange(8), 4))
    vectors = np.zeros((32, 8 + 32), dtype=np.float32)
    vectors[np.arange(32), topic], vectors[np.arange(32), 8 + np.arange(32)] = 1.0, 0.3
    ranks = clustered_order(sparse.csr_array(vectors), 4)
    assert sorted(ranks) == list(range(32))
    groups = topic[np.argsort(ranks)].reshape(8, 4)
    # In a random group, two labels share a topic with a probability of 10%. 2-means may split a topic or two.
    assert np.mean([len(set(group)) == 1 for group in groups]) >= 0.75


@given(st.integers(3, 80), st.integers(1, 20), st.integers(0, 99))
def test_ranks_are_a_permutation(num_labels: int, group_size: int, seed: int) -> None:
    """Also with empty and equal centroids. The same seed gives the same ranks."""
    vectors = sparse.random_array((num_labels, 6), density=0.2, rng=np.random.default_rng(seed)).tocsr()
    centroids = sparse.csr_array(vectors.astype(np.float32))
    ranks = clustered_order(centroids, group_size, seed=seed)
    assert sorted(ranks) == list(range(num_labels))
    assert np.array_equal(ranks, clustered_order(centroids, group_size, seed=seed))


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8))
def test_label_sets(sets: list[list[int]]) -> None:
    packed = LabelSets.of(sets)
    assert [list(packed[n]) for n in range(len(packed))] == sets
    dense = np.array([[label in labels for label in range(10)] for labels in sets]).reshape(len(sets), 10)
    assert np.array_equal(packed.matrix(10).toarray().astype(bool), dense)
    back = LabelSets.of_matrix(packed.matrix(10))
    assert [set(back[n]) for n in range(len(back))] == [set(labels) for labels in sets]
    counts = [sum(labels.count(label) for labels in sets) for label in range(10)]
    assert packed.counts(10).tolist() == counts
    assert packed.without_labels == sum(not labels for labels in sets)
    backwards = packed.take(np.arange(len(sets))[::-1])
    assert [list(backwards[n]) for n in range(len(sets))] == sets[::-1]
