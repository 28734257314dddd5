"""N-gram blocking on candidates strikes out the labels that fairseq's own strikes out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from fairseq.ngram_repeat_block import NGramRepeatBlock
from hypothesis import example, given
from hypothesis import strategies as st

from user_dir.decoding.ngrams import CandidateNGramBlock

LABELS = 4


@given(
    rows=st.integers(1, 9).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, LABELS - 1), min_size=width, max_size=width), min_size=1, max_size=4
        )
    ),
    size=st.integers(1, 4),
)
@example(rows=[[1, 1]], size=2)
@example(rows=[[1, 1, 1]], size=3)
def test_struck_labels(rows: list[list[int]], size: int) -> None:
    """In hypotheses of few different labels, which often repeat an n-gram, the first one too."""
    tokens = torch.tensor(rows)
    scores, step = torch.zeros(len(rows), LABELS), tokens.size(1) - 1
    expected = NGramRepeatBlock(size, use_extension=False)(tokens, scores.clone(), len(rows), 1, step)
    state = SimpleNamespace(layout=SimpleNamespace(own=LABELS), banned=None)
    current: Any = SimpleNamespace(state=state)
    found = CandidateNGramBlock(size, current)(tokens, scores.clone(), len(rows), 1, step)
    assert torch.equal(found, expected)
    # What the search strikes out of the labels that it finds.
    banned = [[]] * len(rows) if state.banned is None else state.banned.tolist()
    for row, of_row in zip(expected, banned, strict=True):
        assert set(of_row) - {-1} == set(row.isneginf().nonzero().flatten().tolist())
