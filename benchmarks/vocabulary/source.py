"""Generated text whose conditional distribution is known, so that a model's excess over the entropy is too.

A sample is a word `y` of `V` after two context words. Words follow Zipf's law with Mandelbrot's offset; their
ids go by frequency, as in any dictionary. Every word belongs to one cell, a topic and a form, drawn without
regard to its id. The context chooses between two readings:

    P(topic, form | a, b) = m(a) P1(topic | a) P1(form | topic, b)
                          + (1 - m(a)) P2(topic | b) P2(form | topic, a)

so that it may mean "this topic in this form, or that topic in that form", which no product of independent
digits can say. Within a cell words keep their frequencies. The sum over cells is all that entropy, best word
and sampling need, whatever `V` is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """Draws from the source.

    Attributes:
        contexts: `(n, 2)` int64, each below the source's `contexts`.
        words: `(n,)` int64 ids.
        nll: `(n,)` what the source itself gives for these words, in nats.
    """

    contexts: np.ndarray
    words: np.ndarray
    nll: np.ndarray


class Source:
    """See above.

    Args:
        num_words: `V`, at least 2.
        contexts: number of context words; both positions have their own meaning for them.
        topics, forms: their product is the number of cells.
        exponent, offset: of Zipf's law, `frequency ~ 1 / (id + offset) ** exponent`.
        spread: how much a context's log-odds of topics and of forms vary (standard deviations about
            `spread · sqrt(dimensions)` and `spread`).
        dimensions: of the vectors whose products are the log-odds of topics.
        seed: of everything.
    """

    def __init__(
        self,
        num_words: int,
        *,
        contexts: int = 100,
        topics: int = 64,
        forms: int = 8,
        exponent: float = 1.15,
        offset: float = 2.7,
        spread: float = 2.0,
        dimensions: int = 6,
        seed: int = 1,
    ) -> None:
        draw = np.random.default_rng(seed)
        self.num_words, self.contexts = num_words, contexts
        self.num_cells = topics * forms
        frequency = (np.arange(num_words) + offset) ** -exponent
        topic_sizes = 1 / (np.arange(topics) + 5.0)
        topic = draw.choice(topics, size=num_words, p=topic_sizes / topic_sizes.sum())
        #: `(V,)` each word's cell: `topic · forms + form`.
        self.cell = topic * forms + draw.integers(forms, size=num_words)
        mass = np.bincount(self.cell, weights=frequency, minlength=self.num_cells)
        #: `(V,)` log-probability of each word in its cell.
        self.log_within = np.log(frequency / mass[self.cell])
        within = np.exp(self.log_within)
        self._cell_entropy = -np.bincount(
            self.cell, weights=within * self.log_within, minlength=self.num_cells
        )
        self._cell_best = np.zeros(self.num_cells)
        np.maximum.at(self._cell_best, self.cell, within)
        # Words by cell; the cumulative frequencies of each cell run from its number to the next.
        self._by_cell = np.argsort(self.cell, kind="stable")
        starts = np.searchsorted(self.cell[self._by_cell], np.arange(self.num_cells))
        sums = np.concatenate([[0.0], np.cumsum(within[self._by_cell])])
        self._cumulative = self.cell[self._by_cell] + np.minimum(
            sums[1:] - sums[starts[self.cell[self._by_cell]]], 1
        )
        self._ends = np.append(starts[1:], num_words)
        self._cells = self._cells_of_contexts(mass.reshape(topics, forms), spread, dimensions, draw)

    def _cells_of_contexts(
        self, mass: np.ndarray, spread: float, dimensions: int, draw: np.random.Generator
    ) -> np.ndarray:
        """`P(cell | a, b)` for all pairs of contexts: `(contexts, contexts, cells)`."""
        topics, forms = mass.shape
        of_contexts = draw.normal(size=(2, self.contexts, dimensions))
        of_topics = draw.normal(size=(topics, dimensions))
        by_topic = mass.sum(1) * np.exp(spread * of_contexts @ of_topics.T)
        by_topic /= by_topic.sum(-1, keepdims=True)
        by_form = mass * np.exp(spread * draw.normal(size=(2, self.contexts, 1, forms)))
        # A topic without words is never chosen; what it does among its forms does not matter.
        by_form /= np.maximum(by_form.sum(-1, keepdims=True), 1e-300)
        first = (1 / (1 + np.exp(-1.5 * draw.normal(size=self.contexts))))[:, None, None, None]
        readings = (
            by_topic[0][:, None, :, None] * by_form[0][None, :],
            by_topic[1][None, :, :, None] * by_form[1][:, None],
        )
        return (first * readings[0] + (1 - first) * readings[1]).reshape(self.contexts, self.contexts, -1)

    def probabilities(self, context: tuple[int, int]) -> np.ndarray:
        """`P(word | context)` of all words: `(V,)`."""
        return self._cells[context][self.cell] * np.exp(self.log_within)

    def nll(self, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """`-log P(word | context)` in nats: `(n, 2)` and `(n,)` to `(n,)`."""
        cells = self._cells[contexts[:, 0], contexts[:, 1], self.cell[words]]
        return -np.log(cells) - self.log_within[words]

    def sample(self, number: int, seed: int) -> Sample:
        """Independent draws, contexts uniform."""
        draw = np.random.default_rng(seed)
        contexts = draw.integers(self.contexts, size=(number, 2))
        cumulative = self._cells.cumsum(-1)
        cumulative /= cumulative[..., -1:]
        pairs = contexts[:, 0] * self.contexts + contexts[:, 1]
        # One sorted array for all contexts: each one's cumulative sums run from its number to the next.
        offsets = np.arange(self.contexts**2)[:, None]
        flat = (cumulative.reshape(self.contexts**2, -1) + offsets).ravel()
        cell = np.searchsorted(flat, pairs + draw.random(number), side="right") - pairs * self.num_cells
        cell = np.minimum(cell, self.num_cells - 1)
        place = np.searchsorted(self._cumulative, cell + draw.random(number), side="right")
        words = self._by_cell[np.minimum(place, self._ends[cell] - 1)]
        return Sample(contexts, words, self.nll(contexts, words))

    def entropy(self, contexts: np.ndarray) -> np.ndarray:
        """Of each context's distribution, in nats: `(n, 2)` to `(n,)`."""
        logs = np.log(np.where(self._cells > 0, self._cells, 1.0))
        entropy = (self._cells * (self._cell_entropy - logs)).sum(-1)
        return entropy[contexts[:, 0], contexts[:, 1]]

    def best_accuracy(self, contexts: np.ndarray) -> float:
        """Share of draws that the best guess gets right, over these contexts."""
        best = (self._cells * self._cell_best).max(-1)
        return float(best[contexts[:, 0], contexts[:, 1]].mean())

    def unigram_nll(self, words: np.ndarray) -> np.ndarray:
        """`-log P(word)` over all contexts, in nats: `(n,)` to `(n,)`."""
        return -np.log(self._cells.mean((0, 1))[self.cell[words]]) - self.log_within[words]

    def clustered_order(self) -> np.ndarray:
        """`(V,)` ranks, by id, of the words in the source's own order: by cell, then by frequency."""
        ranks = np.empty(self.num_words, dtype=np.int64)
        ranks[self._by_cell] = np.arange(self.num_words)
        return ranks
