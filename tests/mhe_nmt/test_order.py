"""Label orders as text, and by bisection."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhe_nmt.order import named_order, parse_ranks, read_ranks, recursive_bisection


@given(st.permutations(range(9)), st.integers(0, 9))
def test_ranks_come_back_without_comments_and_empty_lines(ranks: list[int], place: int) -> None:
    lines = [f" {rank}\n" for rank in ranks]
    lines[place:place] = ["# a comment\n", "\n"]
    assert parse_ranks(lines, 9) == ranks


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["0", "# x", "one"], "line 3: 'one' is not an integer rank"),
        (["0", "3"], r"line 2: rank 3 is outside \[0, 3\); there are 3 classes"),
        (["-1"], r"line 1: rank -1 is outside \[0, 3\)"),
        (["0", "1", "0"], "line 3: rank 0 already stands on line 1"),
    ],
)
def test_mistakes_name_the_line(lines: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_ranks(lines, 3, "classes")


def test_a_short_list_is_for_the_caller_to_judge() -> None:
    assert parse_ranks(["2", "0"], 3) == [2, 0]


@given(st.permutations(range(7)), st.booleans())
def test_a_file_of_ranks_is_read_whole(ranks: list[int], bom: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ranks.txt"
        path.write_text("".join(f"{rank}\n" for rank in ranks), encoding="utf-8-sig" if bom else "utf-8")
        assert read_ranks(path, 7).tolist() == ranks
        order = named_order(str(path), 7)
        assert order is not None
        assert order.tolist() == ranks


def test_a_file_with_too_few_ranks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ranks.txt"
    path.write_text("0\n1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{path} holds 2 ranks but there are 3 people; give each a rank$"):
        read_ranks(path, 3, "people")
    path.write_text("0\nx\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{path}, line 2: 'x' is not an integer rank$"):
        read_ranks(path, 3)


def test_orders_by_name() -> None:
    for name in ("identity", "dictionary"):
        assert named_order(name, 5) is None
    first, again, other = (named_order("random", 50, seed) for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() == again.tolist() != other.tolist()
    with pytest.raises(ValueError, match=r"^--order none: no such file; give 'identity'"):
        named_order("none", 5, what="--order none")


@given(st.integers(1, 90), st.integers(1, 12), st.integers(0, 99))
def test_bisection_on_a_line(num_labels: int, group_size: int, seed: int) -> None:
    """On a line the groups are runs of it, and equal in size but for the last."""
    places = np.random.default_rng(seed).permutation(num_labels)
    order = recursive_bisection(num_labels, group_size, lambda labels: places[labels].astype(float))
    assert sorted(order) == list(range(num_labels))
    for start in range(0, num_labels, group_size):
        group = order[start : start + group_size]
        assert sorted(places[group]) == list(range(start, start + len(group)))
        assert sorted(group) == list(group)


def test_bisection_needs_a_group_size() -> None:
    with pytest.raises(ValueError, match="group_size must be at least 1, got 0"):
        recursive_bisection(3, 0, lambda labels: labels)
