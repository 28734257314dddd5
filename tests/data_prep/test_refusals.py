"""Bad input: one clear sentence, a non-zero exit status, no traceback, nothing overwritten."""

import json
import os
import shutil

import pytest

from tests.data_prep.corpus import (
    lines_of,
    prepare_args,
    run_cli,
    run_here,
    sentences,
    snapshot,
    write_pairs,
    write_raw,
)


def refused(*args, status=1, run=run_here):
    """Run a command that must be refused, and return its sentence."""
    done = run(*args)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if status == 1:
        assert done.stderr.startswith(f"data_prep {args[0]}: error: ")
        assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def small(tmp_path):
    """A small, sound corpus for tests to spoil."""
    write_pairs(tmp_path / "train", sentences(60))
    write_pairs(tmp_path / "valid", sentences(5, seed=1))
    return tmp_path


def args_for(folder, *more, source="de", target="en"):
    args = [
        "prepare",
        "-s",
        source,
        "-t",
        target,
        "--destdir",
        folder / "out",
        "--trainpref",
        folder / "train",
    ]
    return [*args, "--validpref", folder / "valid", *more]


def refused_before_writing(folder, *more, status=1, **languages):
    """Refused, and the output folder was not even made."""
    sentence = refused(*args_for(folder, *more, **languages), status=status)
    assert not (folder / "out").exists()
    return sentence


@pytest.mark.parametrize("split", ["train", "valid"])
def test_line_counts_differ(small, split):
    with (small / f"{split}.en").open("a") as stream:
        stream.write("One more.\n")
    lines = len(lines_of(small / f"{split}.de"))
    sentence = refused_before_writing(small)
    assert f"{split}.de has {lines} lines but {small / split}.en has {lines + 1}" in sentence


def test_not_utf8(small):
    lines = (small / "train.de").read_bytes().split(b"\n")
    lines[41] = "Tür".encode("latin-1")
    (small / "train.de").write_bytes(b"\n".join(lines))
    assert f"{small / 'train.de'}: line 42 is not UTF-8" in refused_before_writing(small)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_file(small, content):
    write_raw(small / "valid", content, content)
    assert f"{small / 'valid.de'} is empty" in refused_before_writing(small)


def test_missing_file(small):
    args = ["prepare", "-s", "de", "-t", "en", "--destdir", small / "out"]
    sentence = refused(*args, "--src", small / "train.de", "--tgt", small / "nothing.en")
    assert f"{small / 'nothing.en'} does not exist" in sentence


def test_folder_or_pipe_as_input(small):
    os.mkfifo(small / "pipe")
    for path in (small, small / "pipe"):
        args = ["prepare", "-s", "de", "-t", "en", "--destdir", small / "out", "--src", path, "--tgt", path]
        assert f"{path} is not a plain file" in refused(*args)


def test_language_pair_that_is_not_there(small):
    sentence = refused_before_writing(small, target="fr")
    assert "train.fr does not exist" in sentence
    assert "language pair de-fr" in sentence
    assert "there is train.de, train.en" in sentence


def test_same_language_twice(small):
    assert "are both de" in refused_before_writing(small, target="de")


def test_language_that_would_break_file_names(small):
    assert "--source-lang 'zh-Hans'" in refused_before_writing(small, source="zh-Hans")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--valid-size", 5], "--valid-size holds out training pairs, but --validpref is given too"),
        (["--src", "a.de"], "use --src and --tgt together, without --trainpref"),
        (["--test-size", 60], "cannot hold out 60 test pairs of the 60 distinct ones"),
        (["--max-words", 2], "is left after cleaning (dropped: too_long 60)"),
        (
            ["--vocab-size", 50_000],
            "--vocab-size 50000 is more than the cleaned de+en training text",
        ),
        (["--vocab-size", 9], "--vocab-size 9 is less than the characters"),
    ],
)
def test_options_that_do_not_fit(small, more, sentence):
    assert sentence in refused(*args_for(small, *more))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--vocab-size", "0"),
        ("--vocab-size", "-8000"),
        ("--vocab-size", "100000000"),
        ("--vocab-size", "8k"),
        ("--max-ratio", "0.5"),
        ("--max-ratio", "nan"),
        ("--character-coverage", "2"),
        ("--subword", "word"),
        ("--seed", "-1"),
    ],
)
def test_absurd_values(small, option, value):
    assert f"{option}: " in refused_before_writing(small, option, value, status=2)


def test_all_pairs_filtered_before_the_hold_out(tmp_path):
    write_pairs(tmp_path / "train", [("", "x"), ("y", "\u200b")])
    args = ["prepare", "-sde", "-ten", "--destdir", tmp_path / "out", "--src", tmp_path / "train.de"]
    sentence = refused(*args, "--tgt", tmp_path / "train.en")
    assert "no training pair of" in sentence
    assert "(dropped: empty 2)" in sentence


def test_no_training_text(tmp_path):
    assert "give --trainpref PREFIX, or --src" in refused(
        "prepare", "-s", "a", "-t", "b", "--destdir", tmp_path
    )


def test_too_many_pieces_can_be_put_right_in_the_same_folder(small, no_fairseq):
    sentence = refused(*args_for(small, "--vocab-size", 50_000))
    size = sentence.split("use --vocab-size ")[1].split()[0]
    cleaned = (small / "out" / "raw" / "train.de").stat().st_mtime_ns
    assert run_here(*args_for(small, "--vocab-size", size)).returncode == 0
    assert (small / "out" / "raw" / "train.de").stat().st_mtime_ns == cleaned


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        (["--vocab-size", 79], "--vocab-size was 80 and is now 79"),
        (["--moses", "--seed", 2], "--moses was off and is now on; --seed was 1 and is now 2"),
        (["--overlap", "keep"], "--overlap was pair and is now keep"),
    ],
)
def test_folder_of_another_run(corpus, prepared, more, difference):
    before = snapshot(prepared)
    sentence = refused(*prepare_args(corpus, prepared, *more))
    assert f"{prepared} holds another run: {difference}; use --overwrite" in sentence
    assert "another --destdir" in sentence
    assert snapshot(prepared) == before


def test_folder_made_from_other_inputs(corpus, prepared, tmp_path):
    write_pairs(tmp_path / "valid", sentences(5, seed=7))
    before = snapshot(prepared)
    sentence = refused(*prepare_args(corpus, prepared, "--validpref", tmp_path / "valid"))
    assert f"the input valid.de ({tmp_path / 'valid.de'}) has changed since" in sentence
    sentence = refused(*prepare_args(corpus, prepared, "--testpref", corpus / "test"))
    assert "the input test1.de" in sentence
    assert "is now missing" in sentence
    assert snapshot(prepared) == before


def test_folder_with_other_files(small):
    (small / "out").mkdir()
    (small / "out" / "thesis.txt").write_text("years of work")
    sentence = refused(*args_for(small))
    assert "holds other files (thesis.txt) and no manifest.json; use --overwrite" in sentence
    assert snapshot(small / "out") == {"thesis.txt": b"years of work"}


def test_output_folder_is_a_file(small):
    (small / "out").write_text("a file")
    assert f"--destdir {small / 'out'} cannot be made" in refused(*args_for(small))
    assert (small / "out").read_text() == "a file"


def test_inputs_that_would_be_overwritten(small):
    (small / "out" / "raw").mkdir(parents=True)
    write_pairs(small / "out" / "raw" / "train", sentences(60))
    before = snapshot(small)
    sentence = refused(*args_for(small, "--trainpref", small / "out" / "raw" / "train", "--overwrite"))
    assert "lies where prepare writes" in sentence
    assert snapshot(small) == before


@pytest.fixture
def copy(prepared, tmp_path):
    """A copy of the prepared folder for tests to spoil."""
    return shutil.copytree(prepared, tmp_path / "copy")


def test_overwrite_starts_anew_and_leaves_other_files(corpus, copy, no_fairseq):
    (copy / "checkpoint_best.pt").write_text("a model")
    args = prepare_args(corpus, copy, "--overwrite", "--testpref", corpus / "test", "--vocab-size", 70)
    assert "is ready" in run_here(*args).stdout
    names = set(snapshot(copy))
    assert "checkpoint_best.pt" in names
    assert not any("test1" in name for name in names)
    assert json.loads((copy / "manifest.json").read_text())["options"]["vocab_size"] == 70


def test_output_that_was_changed(corpus, copy):
    with (copy / "text" / "train.de").open("a") as stream:
        stream.write("▁mine\n")
    before = snapshot(copy)
    sentence = refused(*prepare_args(corpus, copy))
    assert "train.de was changed after it was made; use --overwrite" in sentence
    assert snapshot(copy) == before


NEWER = '{"format": 99, "options": {}, "inputs": {}, "stages": {}}'


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', NEWER])
def test_damaged_manifest(corpus, copy, content):
    (copy / "manifest.json").write_text(content)
    assert "manifest.json" in refused(*prepare_args(corpus, copy))


def test_encode_and_decode_need_a_prepared_folder(prepared):
    sentence = refused("decode", "--data", prepared / "nowhere", "--lang", "de")
    assert "manifest.json does not exist" in sentence
    sentence = refused("encode", "--data", prepared, "--lang", "fr")
    assert "no subword model for 'fr'; its languages are de and en" in sentence


def test_from_a_shell(small):
    """The same sentences come out of the real command."""

    def shell(*args):
        return run_cli(*args, check=False)

    (small / "train.de").write_bytes(b"a\n\xff\n")
    assert "train.de: line 2 is not UTF-8" in refused(*args_for(small), run=shell)
    refused(*args_for(small, "--vocab-size", "many"), run=shell, status=2)
