"""The label orders that the output layers are measured with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.vocabulary.layers import LAYERS
from benchmarks.vocabulary.source import Sample, Source
from data_prep.cluster import balanced_order, word_vectors
from mhe_nmt.radices import balanced_radices

DIMENSIONS = 16


def label_order(name: str, source: Source, training: Sample, seed: int) -> Tensor | None:
    """The ranks `(V,)` of the source's words for an output layer, `None` for the dictionary's order."""
    order = LAYERS[name].order
    if order == "dictionary":
        return None
    if order == "cells":
        return torch.from_numpy(source.clustered_order())
    return torch.from_numpy(clustered_order(training, source.num_words, source.contexts, seed))


def clustered_order(training: Sample, num_words: int, num_contexts: int, seed: int) -> np.ndarray:
    """Ranks `(V,)` of words in clusters learned from text, as `python -m data_prep order` learns them.

    A cluster is as large as a head's last radix. The neighbours of a word are its two context words, which
    have different meanings at each place. Words that the text lacks are spread over the clusters at random:
    in clusters of their own they would become impossible in training.
    """
    first, second = training.contexts.T
    text = np.stack([num_words + first, training.words, num_words + num_contexts + second], axis=1)
    symbols = num_words + 2 * num_contexts
    vectors = word_vectors(text, symbols, window=1, dimensions=DIMENSIONS, seed=seed)[:num_words]
    seen = np.bincount(training.words, minlength=num_words) > 0
    donors = np.random.default_rng(seed).choice(np.flatnonzero(seen), size=num_words)
    vectors[~seen] = vectors[donors[~seen]]
    ranks = np.empty(num_words, dtype=np.int64)
    ranks[balanced_order(vectors, balanced_radices(num_words, 2)[-1])] = np.arange(num_words)
    return ranks
