"""Label orders as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt.order import parse_ranks


@given(st.permutations(range(9)), st.integers(0, 9))
def test_ranks_come_back_without_comments_and_empty_lines(ranks: list[int], place: int) -> None:
    lines = [f" {rank}\n" for rank in ranks]
    lines[place:place] = ["# a comment\n", "\n"]
    assert parse_ranks(lines, 9) == ranks


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["0", "# x", "one"], "line 3: 'one' is not an integer rank"),
        (["0", "3"], r"line 2: rank 3 is outside \[0, 3\), the classes"),
        (["-1"], r"line 1: rank -1 is outside \[0, 3\)"),
        (["0", "1", "0"], "line 3: rank 0 stands on line 1 already"),
    ],
)
def test_mistakes_name_the_line(lines: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_ranks(lines, 3, "the classes")


def test_a_short_list_is_for_the_caller_to_judge() -> None:
    assert parse_ranks(["2", "0"], 3) == [2, 0]
