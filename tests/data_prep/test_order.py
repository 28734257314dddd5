"""Label orders learned from text: clusters of similar words, the file and the command."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from data_prep.cluster import align_places, balanced_order, word_vectors
from mhe_nmt import balanced_radices
from mhe_nmt.order import read_ranks
from tests.data_prep.corpus import run_here


@given(
    numpy_strategies.arrays(
        np.float64,
        st.tuples(st.integers(1, 60), st.integers(1, 4)),
        elements=st.floats(-5, 5, width=32),
    ),
    st.integers(1, 70),
)
def test_an_order_is_a_permutation_in_sorted_clusters(vectors: np.ndarray, size: int) -> None:
    order = balanced_order(vectors, size).tolist()
    assert sorted(order) == list(range(len(vectors)))
    for start in range(0, len(order), size):
        cluster = order[start : start + size]
        assert cluster == sorted(cluster)


def test_words_of_one_context_share_a_cluster() -> None:
    """Four kinds of words in fixed places of the sentence; the order of their numbers is shuffled."""
    draw = random.Random(1)
    numbers = list(range(40))
    draw.shuffle(numbers)
    kinds = [numbers[start : start + 10] for start in range(0, 40, 10)]
    sentences = [[draw.choice(kind) for kind in kinds] for _ in range(2000)]
    vectors = word_vectors(sentences, 40, window=1, dimensions=8, seed=1)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    order = balanced_order(vectors, 10).tolist()
    clusters = {frozenset(order[start : start + 10]) for start in range(0, 40, 10)}
    assert clusters == {frozenset(kind) for kind in kinds}


@given(
    numpy_strategies.arrays(
        np.float64,
        st.tuples(st.integers(1, 60), st.integers(1, 4)),
        elements=st.floats(-5, 5, width=32),
    ),
    st.integers(1, 70),
    st.integers(0, 9),
)
def test_pinned_words_keep_their_places(vectors: np.ndarray, size: int, pinned: int) -> None:
    order = balanced_order(vectors, size, pinned=pinned)
    assert sorted(order.tolist()) == list(range(len(vectors)))
    aligned = align_places(vectors, order, size, np.arange(len(vectors)), pinned=pinned)
    assert aligned[:pinned].tolist() == order[:pinned].tolist() == list(range(min(pinned, len(vectors))))
    for start in range(0, len(order), size):
        cluster = order[start : start + size].tolist()
        assert cluster == sorted(cluster) == sorted(aligned[start : start + size].tolist())


@pytest.mark.parametrize("like", range(4))
def test_pinned_words_bring_their_cluster_to_the_front(like: int) -> None:
    """Word 0 never occurs, and word 1 has the vector of one of four kinds, which fill clusters of ten."""
    draw = np.random.default_rng(4)
    centres = 5.0 * draw.normal(size=(4, 6))
    kinds = np.repeat(np.arange(4), [8 if kind == like else 10 for kind in range(4)])
    draw.shuffle(kinds)
    vectors = np.concatenate([np.zeros((1, 6)), centres[[like]], centres[kinds]])
    vectors[2:] += 0.1 * draw.normal(size=(38, 6))
    order = balanced_order(vectors, 10, pinned=2)
    assert order[:2].tolist() == [0, 1]
    assert kinds[order[2:10] - 2].tolist() == [like] * 8


@given(
    numpy_strategies.arrays(
        np.float64,
        st.tuples(st.integers(1, 40), st.integers(1, 4)),
        elements=st.floats(-5, 5, width=32),
    ),
    st.integers(1, 50),
    st.integers(0, 99),
)
def test_alignment_stays_within_clusters(vectors: np.ndarray, size: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(vectors))
    aligned = align_places(vectors, order, size, draw.integers(0, 1000, len(vectors)))
    for start in range(0, len(order), size):
        assert sorted(aligned[start : start + size]) == sorted(order[start : start + size])


def test_words_that_deviate_alike_share_a_place() -> None:
    """Six clusters: each is its mean plus the same five deviations, in a different order."""
    draw = np.random.default_rng(3)
    deviations = 2.0 * np.eye(5)
    order, vectors = [], np.empty((30, 5))
    for cluster in range(6):
        mean = draw.normal(size=5) * 10
        places = draw.permutation(5)
        for place in places:
            vectors[cluster * 5 + place] = mean + deviations[place] + 0.1 * draw.normal(size=5)
        order += [cluster * 5 + word for word in draw.permutation(5)]
    aligned = align_places(vectors, np.array(order), 5, np.ones(30, dtype=int)).reshape(6, 5)
    assert (aligned % 5 == aligned[0] % 5).all()


def test_words_that_never_occur_have_no_direction() -> None:
    vectors = word_vectors([[0, 1, 2, 1], [2, 0]], 6, window=2, dimensions=3, seed=1)
    assert np.isfinite(vectors).all()
    assert not vectors[3:].any()


def test_the_command_writes_an_order_that_the_plug_in_reads(prepared: Path, tmp_path: Path) -> None:
    output = tmp_path / "order.txt"
    done = run_here("order", "--data", prepared, "--output", output)
    assert done.returncode == 0, done.stderr
    entries = len((prepared / "dict.en.txt").read_text(encoding="utf-8").splitlines())
    ranks = read_ranks(output, entries + 4)
    comments = [line for line in output.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert (
        f"{entries + 4} symbols in aligned clusters of {balanced_radices(entries + 4, 2)[-1]}" in comments[0]
    )
    assert "train.en" in comments[1]
    # A dictionary in this order must begin with fairseq's own symbols.
    assert ranks[:4].tolist() == [0, 1, 2, 3]
    run_here("order", "--data", prepared, "--output", tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_bytes() == output.read_bytes()
    run_here("order", "--data", prepared, "--output", tmp_path / "wide.txt", "--cluster-size", 40)
    assert read_ranks(tmp_path / "wide.txt", entries + 4).tolist() != ranks.tolist()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--lang", "fr"], "has no dict.fr.txt"),
        (["--cluster-size", "1"], "1 is out of range"),
    ],
)
def test_refusals(prepared: Path, tmp_path: Path, options: list[str], reason: str) -> None:
    output = tmp_path / "order.txt"
    done = run_here("order", "--data", prepared, "--output", output, *options)
    assert done.returncode != 0
    assert reason in done.stderr
    assert not output.exists()


def test_a_folder_that_prepare_did_not_make(tmp_path: Path) -> None:
    done = run_here("order", "--data", tmp_path, "--output", tmp_path / "order.txt")
    assert done.returncode != 0
    assert "manifest.json" in done.stderr
