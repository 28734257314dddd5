"""Label order by clustering: like labels share a group, and groups are of equal size."""

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
    found = label_centroids(features, labels).toarray()
    expected = np.array([[0.6, 0.8, 0], [0, 0, 0], [1 / 21**0.5, 4 / 21**0.5, 2 / 21**0.5], [0, 0, 0]])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_topics_become_groups() -> None:
    """Eight topics of four labels; a label's documents use the words of its topic and one of its own."""
    random = np.random.default_rng(1)
    topic = random.permutation(np.repeat(np.arange(8), 4))
    vectors = np.zeros((32, 8 + 32), dtype=np.float32)
    vectors[np.arange(32), topic], vectors[np.arange(32), 8 + np.arange(32)] = 1.0, 0.3
    ranks = clustered_order(sparse.csr_array(vectors), 4)
    assert sorted(ranks) == list(range(32))
    groups = topic[np.argsort(ranks)].reshape(8, 4)
    # Of two labels of a group chosen at random, 10% would be of one topic; 2-means may cut up a topic or two.
    assert np.mean([len(set(group)) == 1 for group in groups]) >= 0.75


@given(st.integers(3, 80), st.integers(1, 20), st.integers(0, 99))
def test_ranks_are_a_permutation(num_labels: int, group_size: int, seed: int) -> None:
    """Whatever the centroids, empty and equal ones among them; and the same for the same seed."""
    vectors = sparse.random_array((num_labels, 6), density=0.2, rng=np.random.default_rng(seed)).tocsr()
    centroids = sparse.csr_array(vectors.astype(np.float32))
    ranks = clustered_order(centroids, group_size, seed=seed)
    assert sorted(ranks) == list(range(num_labels))
    assert np.array_equal(ranks, clustered_order(centroids, group_size, seed=seed))


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8))
def test_label_sets(sets: list[list[int]]) -> None:
    found = LabelSets.of(sets)
    assert [list(found[n]) for n in range(len(found))] == sets
    dense = np.array([[label in own for label in range(10)] for own in sets]).reshape(len(sets), 10)
    assert np.array_equal(found.matrix(10).toarray().astype(bool), dense)
    back = LabelSets.of_matrix(found.matrix(10))
    assert [set(back[n]) for n in range(len(back))] == [set(own) for own in sets]
    counts = [sum(own.count(label) for own in sets) for label in range(10)]
    assert found.counts(10).tolist() == counts
    assert found.without_labels == sum(not own for own in sets)
    backwards = found.take(np.arange(len(sets))[::-1])
    assert [list(backwards[n]) for n in range(len(sets))] == sets[::-1]
