"""What ``prepare`` writes, run from the command line."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from data_prep.lines import plain_spaces, read_lines
from data_prep.subword import SubwordCodec
from tests.data_prep.corpus import (
    ROOT,
    lines_of,
    prepare_args,
    run_cli,
    run_here,
    sentences,
    snapshot,
    write_pairs,
)

GOOD = 250


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_every_filter_is_counted(prepared):
    manifest = manifest_of(prepared)
    clean = manifest["stages"]["clean"]
    assert clean["pairs"] == {"train": GOOD, "valid": 30, "test": 40, "test1": 10}
    assert clean["dropped"] == {
        "empty": {"count": 2, "first_line": GOOD + 1},
        "too_long": {"count": 1, "first_line": GOOD + 3},
        "length_ratio": {"count": 1, "first_line": GOOD + 4},
        "duplicate": {"count": 2, "first_line": GOOD + 5},
        "in_valid_or_test": {"count": 2, "first_line": GOOD + 7},
        "shares_held_out_sentence": {"count": 0, "first_line": None},
    }
    notes = manifest["inputs"]["train.de"]["notes"]
    assert {name: note["first_line"] for name, note in notes.items()} == {
        "byte_order_mark": 1,
        "carriage_return": 2,
        "tab": 3,
        "control_character": 4,
        "empty_line": GOOD + 1,
    }
    assert manifest["inputs"]["train.de"]["lines"] == GOOD + 8
    assert list(manifest["stages"]) == ["clean", "subword", "encode", "binarise"]


def test_the_report_says_so(prepared):
    report = (prepared.parent / "report").read_text(encoding="utf-8")
    for sentence in (
        f"train: {GOOD + 8} pairs read, {GOOD} kept",
        f"duplicate: 2 (first at line {GOOD + 5})",
        "train.de: tab replaced by a space: 1 (first at line 3)",
        "test.de: empty line kept: 1 (first at line 2)",
        "test.de: 1 lines of more than 1023 pieces",
        "--user-dir user_dir --arch transformer_mhe_small --criterion mhe_ce",
    ):
        assert sentence in report


def test_test_sets_stay_line_by_line(corpus, prepared):
    for split, name in (("valid", "valid"), ("test", "test"), ("test1", "test_b")):
        for lang in ("de", "en"):
            given = (corpus / f"{name}.{lang}").read_bytes().decode().split("\n")[:-1]
            raw = lines_of(prepared / "raw" / f"{split}.{lang}")
            assert [plain_spaces(line) for line in raw] == [plain_spaces(line) for line in given]
            # No program finds another line break in it.
            assert (prepared / "raw" / f"{split}.{lang}").read_text(encoding="utf-8").splitlines() == raw
    assert lines_of(prepared / "raw" / "test.de")[1] == ""


def test_raw_test_text_is_untouched_but_for_line_breaks(corpus, prepared):
    assert (prepared / "raw" / "valid.en").read_bytes() == (corpus / "valid.en").read_bytes()
    given = (corpus / "test.en").read_bytes().decode().split("\n")[2]
    assert lines_of(prepared / "raw" / "test.en")[2] == given.translate(
        dict.fromkeys(map(ord, "\u2028\x0c\x85"), " ")
    )


def test_pieces_spell_the_raw_text(prepared):
    codec = SubwordCodec(prepared / "spm.model", "en")
    for split in ("train", "valid", "test", "test1"):
        for lang in ("de", "en"):
            raw, pieces = (lines_of(prepared / kind / f"{split}.{lang}") for kind in ("raw", "text"))
            assert [codec.decode(line) for line in pieces] == [plain_spaces(line) for line in raw]


def test_dictionary_is_the_vocabulary_by_frequency(prepared):
    rows = [line.split(" ") for line in lines_of(prepared / "dict.de.txt")]
    assert (prepared / "dict.de.txt").read_bytes() == (prepared / "dict.en.txt").read_bytes()
    assert (len(rows) + 4) % 8 == 0
    text = Counter()
    for lang in ("de", "en"):
        text.update(piece for line in lines_of(prepared / "text" / f"train.{lang}") for piece in line.split())
    pieces = [(piece, int(count)) for piece, count in rows if not piece.startswith("madeupword")]
    assert len(pieces) == 80 - 4
    assert dict(pieces) == {piece: text[piece] for piece, _ in pieces}
    assert pieces == sorted(pieces, key=lambda row: (-row[1], row[0]))
    assert sum(text.values()) == sum(count for _, count in pieces)


def test_fairseq_reads_back_the_text(prepared):
    script = """
import sys
from fairseq.data import Dictionary, data_utils
folder = sys.argv[1]
for lang in ("de", "en"):
    dictionary = Dictionary.load(f"{folder}/dict.{lang}.txt")
    for split in ("train", "valid", "test", "test1"):
        data = data_utils.load_indexed_dataset(f"{folder}/{split}.de-en.{lang}", dictionary)
        with open(f"{folder}/text/{split}.{lang}", encoding="utf-8", newline="\\n") as text:
            lines = text.read().split("\\n")[:-1]
        known = [" ".join(p if p in dictionary else "<unk>" for p in line.split()) for line in lines]
        assert [dictionary.string(line) for line in data] == known, (split, lang)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(prepared)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_second_run_is_a_no_op(corpus, prepared):
    before = snapshot(prepared)
    times = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    done = run_cli(*prepare_args(corpus, prepared))
    assert "is up to date" in done.stdout
    assert snapshot(prepared) == before
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == times


def test_inputs_are_known_by_content_not_by_place(corpus, prepared, tmp_path):
    for path in corpus.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert "is up to date" in run_here(*prepare_args(tmp_path, prepared)).stdout


@pytest.mark.slow
def test_same_input_gives_same_output(corpus, prepared, tmp_path):
    run_cli(*prepare_args(corpus, tmp_path / "again", "--quiet"))
    assert snapshot(tmp_path / "again") == snapshot(prepared)


def test_quiet_is_quiet(corpus, prepared):
    done = run_here(*prepare_args(corpus, prepared, "--quiet"))
    assert (done.stdout, done.stderr) == ("", "")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """Two plain files with repeated sentences, prepared with separate dictionaries, Moses, BPE and bytes."""
    folder = tmp_path_factory.mktemp("plain")
    pairs = sentences(200)
    # Every source sentence has a second translation.
    pairs += [(source, f"Look: {target}") for source, target in pairs]
    write_pairs(folder / "all", [*pairs, pairs[0]])
    destdir = folder / "data"
    args = ["prepare", "-s", "de", "-t", "en", "--destdir", destdir, "--src", folder / "all.de"]
    args += [
        "--tgt",
        folder / "all.en",
        "--valid-size",
        20,
        "--no-joined-dictionary",
        "--moses",
        "--subword",
        "bpe",
    ]
    done = run_cli(*args, "--vocab-size", 330, "--byte-fallback", "--keep-duplicates")
    assert "401 pairs read" in done.stdout
    assert "40 held out" in done.stdout
    return destdir


def test_no_held_out_sentence_is_in_training(held_out):
    text = {path.name: lines_of(path) for path in (held_out / "raw").iterdir()}
    assert (len(text["valid.de"]), len(text["test.de"])) == (20, 20)
    for lang in ("de", "en"):
        assert not set(text[f"train.{lang}"]) & {*text[f"valid.{lang}"], *text[f"test.{lang}"]}
    pairs = [list(zip(text[f"{split}.de"], text[f"{split}.en"], strict=True)) for split in ("valid", "test")]
    assert not set(pairs[0]) & set(pairs[1])
    clean = manifest_of(held_out)["stages"]["clean"]
    shared = clean["dropped"]["shares_held_out_sentence"]["count"]
    assert shared > 0
    assert clean["pairs"]["train"] + shared + 40 == 401


def test_separate_models_and_dictionaries(held_out):
    assert not (held_out / "spm.model").exists()
    assert (held_out / "spm.de.model").read_bytes() != (held_out / "spm.en.model").read_bytes()
    # Byte pieces are in the dictionary even if the training text has none.
    assert "<0xE2> 0" in lines_of(held_out / "dict.de.txt")
    moses = SubwordCodec(held_out / "spm.en.model", "en", moses=True)
    raw = list(read_lines(held_out / "raw" / "test.en"))
    pieces = lines_of(held_out / "text" / "test.en")
    assert all(line.endswith("▁.") for line in pieces)
    assert [moses.decode(line) for line in pieces] == raw


@pytest.mark.slow
def test_encode_and_decode_follow_the_folder(held_out):
    for lang in ("de", "en"):
        raw, pieces = (
            (held_out / kind / f"test.{lang}").read_text(encoding="utf-8") for kind in ("raw", "text")
        )
        assert run_cli("encode", "--data", held_out, "--lang", lang, input=raw).stdout == pieces
        assert run_cli("decode", "--data", held_out, "--lang", lang, input=pieces).stdout == raw


def test_encode_keeps_the_number_of_lines(prepared):
    done = run_cli("encode", "--data", prepared, "--lang", "de", input="Der\u2028Hund\n\n\x85\nAlt")
    assert done.stdout.count("\n") == 4
    assert run_cli("encode", "--data", prepared, "--lang", "de", input="").stdout == ""


def test_encode_refuses_other_encodings(prepared):
    command = [sys.executable, "-m", "data_prep", "encode", "--data", str(prepared), "--lang", "de"]
    done = subprocess.run(command, input=b"alt\nT\xfcr\n", capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert b"standard input: line 2 is not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
