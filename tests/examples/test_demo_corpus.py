"""The made corpus: the same every time, a function of its source, and nothing of the test set in training."""

import re

import pytest

from examples.demo.corpus import SIDES, SPLITS, main, make_pairs, make_splits
from examples.demo.patterns import PATTERNS
from examples.demo.slots import SLOTS

SLOT_NAME = re.compile(r"\{([a-z_.]+)\d?\}")


@pytest.fixture(scope="module")
def splits():
    return make_splits(pairs=4000, valid=100, test=300, seed=7)


def test_sizes(splits):
    assert {name: len(pairs) for name, pairs in splits.items()} == {"train": 3600, "valid": 100, "test": 300}


def test_same_seed_same_corpus_other_seed_another(splits):
    assert make_splits(pairs=4000, valid=100, test=300, seed=7) == splits
    assert make_pairs(50, seed=8) != make_pairs(50, seed=7)


@pytest.mark.parametrize("side", [0, 1])
def test_no_sentence_of_valid_or_test_is_seen_in_training(splits, side):
    seen = {pair[side] for pair in splits["train"]}
    for split in ("valid", "test"):
        assert seen.isdisjoint(pair[side] for pair in splits[split])


def test_the_target_is_a_function_of_the_source():
    # Different seeds meet the same German sentences again; they must say the same in English.
    english_of: dict[str, str] = {}
    for seed in range(4):
        for german, english in make_pairs(3000, seed):
            assert english_of.setdefault(german, english) == english


def test_lines_are_whole_sentences(splits):
    for pairs in splits.values():
        for sentence in (sentence for pair in pairs for sentence in pair):
            assert sentence == " ".join(sentence.split())
            assert len(sentence.split()) >= 3
            assert sentence[-1] in ".?" or ": " in sentence
            assert not sentence[0].islower()
            assert not set("{}\u00ad\u00a0\u202f") & set(sentence)


def test_all_patterns_are_used_and_use_the_same_slots_in_both_languages():
    assert len(PATTERNS) >= 80
    assert len(set(PATTERNS)) == len(PATTERNS)
    used = set()
    for german, english in PATTERNS:
        assert sorted(SLOT_NAME.findall(german)) == sorted(SLOT_NAME.findall(english))
        used.update(SLOT_NAME.findall(german))
    assert used == set(SLOTS)


def test_numbers_dates_and_times_are_formatted_by_each_language():
    text = {side: "\n".join(pair[side] for pair in make_pairs(2000)) for side in (0, 1)}
    assert re.search(r"\d,\d\d €", text[0])
    assert re.search(r"€\d+\.\d\d\b", text[1])
    assert re.search(r"um \d\d:\d\d Uhr", text[0])
    assert re.search(r"at \d+:\d\d [AP]M", text[1])
    assert "Uhr" not in text[1]


def test_main_writes_parallel_files_and_nothing_else(tmp_path, capsys):
    main([str(tmp_path / "new" / "corpus"), "--pairs", "60", "--valid", "10", "--test", "20"])
    written = {
        path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new" / "corpus").iterdir()
    }
    assert set(written) == {f"{split}.{side}" for split in SPLITS for side in SIDES}
    assert {name: text.count("\n") for name, text in written.items()} == {
        f"{split}.{side}": count for split, count in zip(SPLITS, (30, 10, 20), strict=True) for side in SIDES
    }
    assert all(line.strip() for text in written.values() for line in text.splitlines())
    assert "30 pairs" in capsys.readouterr().out


def test_too_few_pairs_are_refused_with_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "corpus"), "--pairs", "100"])
    assert stopped.value.code == 2
    assert "leave nothing to train on" in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()
