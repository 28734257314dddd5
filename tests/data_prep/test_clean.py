"""The filters for training pairs, and the hold-out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.clean import Cleaner, HeldOut, PairKey, count_words, is_empty
from data_prep.errors import PrepError
from data_prep.split import choose_hold_out, default_size
from tests.data_prep.corpus import sentences


def make_cleaner(**changes):
    options = {
        "max_words": 10,
        "max_ratio": 3.0,
        "keep_duplicates": False,
        "overlap": "pair",
        "held_out": HeldOut(),
    }
    return Cleaner(**options | changes)


def kept(pairs, **options):
    """Line numbers that a cleaner keeps."""
    return [pair.line_number for pair in make_cleaner(**options)(pairs)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", 0),
        (" two  words ", 2),
        ("no\u00a0break", 2),
        ("我爱你。", 4),  # three characters, and what split() sees as one word
        ("สวัสดีชาวโลก", 4),
    ],
)
def test_words_of_scripts_without_spaces(line, words):
    assert count_words(line) == words


@pytest.mark.parametrize(
    ("line", "empty"), [("", True), (" \u200b\ufeff\u00ad", True), ("\u200ba", False), ("😀", False)]
)
def test_invisible_lines_are_empty(line, empty):
    assert is_empty(line) is empty


def test_ratio_is_for_longer_pairs_only():
    five, six = "a b c d e", "a b c d e f"
    assert kept([(five, "x"), (six, "x"), ("x", six), (six, "x y")]) == [1, 4]


def test_ratio_does_not_drop_chinese():
    assert kept([("the cat sat on the mat", "猫坐在垫子上")]) == [1]


def test_length_limit_is_inclusive():
    assert kept([("a " * 10, "b " * 10), ("a " * 11, "b " * 11)]) == [1]


def test_duplicates_differ_in_more_than_spaces():
    pairs = [("a", "b"), (" a", "b "), ("a", "c"), ("a", "b")]
    assert kept(pairs) == [1, 3]
    assert kept(pairs, keep_duplicates=True) == [1, 2, 3, 4]


def test_overlap():
    held_out = HeldOut()
    held_out.add(PairKey.of("a", "b"))
    pairs = [("a", "b"), ("a", "c"), ("d", "b"), ("b", "a")]
    assert kept(pairs, held_out=held_out) == [2, 3, 4]
    assert kept(pairs, held_out=held_out, overlap="sentence") == [4]
    assert kept(pairs, held_out=held_out, overlap="keep") == [1, 2, 3, 4]


def test_every_drop_is_counted_once_with_its_first_line():
    cleaner = make_cleaner()
    pairs = [("a", "b"), ("", "b"), ("a", "b"), ("c", " "), ("a", "b"), ("w " * 11, "w")]
    assert len(list(cleaner(pairs))) == 1
    counted = {
        name: (tally.count, tally.first_line) for name, tally in cleaner.dropped.items() if tally.count
    }
    assert counted == {"empty": (2, 2), "duplicate": (2, 3), "too_long": (1, 6)}


sizes = st.one_of(st.none(), st.integers(0, 60))


@given(pairs=st.integers(1, 120), valid=sizes, test=sizes, seed=st.integers(0, 9))
def test_hold_out_has_the_sizes_asked_for(pairs, valid, test, seed):
    cleaned = list(make_cleaner(max_words=99)(sentences(pairs)))
    asked = {"valid": valid, "test": test}
    wanted = {split: default_size(pairs) if size is None else size for split, size in asked.items()}
    if sum(wanted.values()) >= pairs:
        with pytest.raises(PrepError, match="cannot hold out"):
            choose_hold_out(cleaned, asked, seed)
        return
    chosen = choose_hold_out(cleaned, asked, seed)
    splits = list(chosen.split_of_line.values())
    assert {split: splits.count(split) for split in wanted} == wanted
    assert chosen == choose_hold_out(cleaned, asked, seed)
    for pair in cleaned:
        assert (pair.line_number in chosen.split_of_line) == (pair.key.pair in chosen.sentences.pairs)


def test_hold_out_is_drawn_evenly():
    cleaned = list(make_cleaner(max_words=99)(sentences(20)))
    drawn = [
        line for seed in range(600) for line in choose_hold_out(cleaned, {"valid": 3}, seed).split_of_line
    ]
    assert all(60 < drawn.count(line) < 120 for line in range(1, 21))  # 90 expected


def test_default_sizes_scale_down():
    assert [default_size(pairs) for pairs in (5, 100, 40_000, 10**8)] == [1, 5, 2000, 2000]
