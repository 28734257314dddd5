"""The generated text's source, against sums over all words of all contexts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.vocabulary.source import Source

SMALL = {"contexts": 3, "dimensions": 2}


def sources():
    return st.builds(
        Source,
        st.integers(2, 60),
        contexts=st.integers(1, 3),
        topics=st.integers(1, 5),
        forms=st.integers(1, 4),
        dimensions=st.integers(1, 3),
        spread=st.floats(0, 3),
        seed=st.integers(0, 99),
    )


def all_contexts(source: Source) -> np.ndarray:
    return np.array([(a, b) for a in range(source.contexts) for b in range(source.contexts)])


@given(sources())
def test_figures_are_sums_over_all_words(source: Source) -> None:
    contexts = all_contexts(source)
    entropies = source.entropy(contexts)
    best, unigram = [], np.zeros(source.num_words)
    for context, entropy in zip(contexts.tolist(), entropies, strict=True):
        probabilities = source.probabilities(tuple(context))
        assert sum(probabilities) == pytest.approx(1)
        brute = -sum(p * math.log(p) for p in probabilities if p > 0)
        assert entropy == pytest.approx(brute, abs=1e-9)
        for word, p in enumerate(probabilities):
            if p > 1e-200:
                nll = source.nll(np.array([context]), np.array([word]))
                assert math.exp(-nll[0]) == pytest.approx(p)
        best.append(max(probabilities))
        unigram += probabilities / len(contexts)
    assert source.best_accuracy(contexts) == pytest.approx(sum(best) / len(best))
    common = np.flatnonzero(unigram > 1e-200)
    assert np.exp(-source.unigram_nll(common)) == pytest.approx(unigram[common])


def plain_probability(a: int, b: int, word: int, *, words: int, topics: int, forms: int, seed: int) -> float:
    """The formula of the module's docstring, number by number, from the same random numbers."""
    contexts, dimensions, spread = SMALL["contexts"], SMALL["dimensions"], 2.0
    draw = np.random.default_rng(seed)
    sizes = [1 / (t + 5) for t in range(topics)]
    topic = draw.choice(topics, size=words, p=np.array(sizes) / sum(sizes))
    form = draw.integers(forms, size=words)
    of_contexts = draw.normal(size=(2, contexts, dimensions))
    of_topics = draw.normal(size=(topics, dimensions))
    of_forms = draw.normal(size=(2, contexts, 1, forms))
    first = 1 / (1 + math.exp(-1.5 * draw.normal(size=contexts)[a]))

    zipf = [(y + 2.7) ** -1.15 for y in range(words)]

    def mass(t: int, f: int) -> float:
        return sum(zipf[y] for y in range(words) if (topic[y], form[y]) == (t, f))

    def topic_odds(reading: int, context: int, t: int) -> float:
        inner = sum(of_contexts[reading, context, i] * of_topics[t, i] for i in range(dimensions))
        return sum(mass(t, f) for f in range(forms)) * math.exp(spread * inner)

    def form_odds(reading: int, context: int, t: int, f: int) -> float:
        return mass(t, f) * math.exp(spread * of_forms[reading, context, 0, f])

    t, f = topic[word], form[word]
    total = 0.0
    for reading, (weight, one, other) in enumerate(((first, a, b), (1 - first, b, a))):
        of_topic = topic_odds(reading, one, t) / sum(topic_odds(reading, one, i) for i in range(topics))
        of_form = form_odds(reading, other, t, f) / sum(form_odds(reading, other, t, i) for i in range(forms))
        total += weight * of_topic * of_form
    return total * zipf[word] / mass(t, f)


def test_probabilities_follow_the_formula() -> None:
    size = {"topics": 4, "forms": 3, "seed": 5}
    source = Source(40, **size, **SMALL)
    for a, b in ((0, 0), (1, 2), (2, 1)):
        plain = [plain_probability(a, b, word, words=40, **size) for word in range(40)]
        assert source.probabilities((a, b)) == pytest.approx(plain, rel=1e-9)


def test_draws_have_the_probabilities_that_they_are_said_to_have() -> None:
    source = Source(40, topics=3, forms=2, seed=3, **SMALL)
    sample = source.sample(200_000, seed=4)
    counts = np.zeros((3, 3, 40))
    np.add.at(counts, (*sample.contexts.T, sample.words), 1)
    assert counts.sum(-1) == pytest.approx(np.full((3, 3), 200_000 / 9), rel=0.03)
    for a in range(3):
        for b in range(3):
            expected = source.probabilities((a, b)) * counts[a, b].sum()
            seen = expected > 5
            square = ((counts[a, b] - expected)[seen] ** 2 / expected[seen]).sum()
            freedom = seen.sum() - 1
            assert square < freedom + 5 * math.sqrt(2 * freedom)
    assert sample.nll == pytest.approx(source.nll(sample.contexts, sample.words))
    mean, entropy = sample.nll.mean(), source.entropy(sample.contexts).mean()
    assert mean == pytest.approx(entropy, abs=5 * sample.nll.std() / math.sqrt(len(sample.nll)))
    again = source.sample(1000, seed=5)
    assert (again.words == source.sample(1000, seed=5).words).all()
    assert (again.words != source.sample(1000, seed=6).words).any()


def test_ids_go_by_frequency_and_cells_do_not_follow_ids() -> None:
    source = Source(2000, topics=8, forms=4, seed=2)
    frequency = np.exp(-source.unigram_nll(np.arange(2000)))
    halves = frequency.reshape(4, 500).sum(1)
    assert (np.diff(halves) < 0).all()
    # Neighbouring ids share a cell no more often than any two do.
    shares = np.bincount(source.cell) / 2000
    assert (source.cell[1:] == source.cell[:-1]).mean() == pytest.approx((shares**2).sum(), abs=0.02)


def test_the_clustered_order_has_whole_cells_by_frequency() -> None:
    source = Source(300, topics=5, forms=2, seed=1)
    ranks = source.clustered_order()
    assert sorted(ranks) == list(range(300))
    by_rank = np.argsort(ranks)
    cells = source.cell[by_rank]
    assert (np.diff(cells) >= 0).all()
    for k in set(cells):
        assert (np.diff(by_rank[cells == k]) > 0).all()
