"""``score`` gives sacrebleu's own numbers for every form of translations."""

import json
import subprocess
import sys

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import PrepError
from data_prep.generate_output import read_generate
from data_prep.lines import safe_line, write_lines
from data_prep.score import score_corpus
from data_prep.subword import SubwordCodec
from tests.data_prep.corpus import lines_of, run_cli, run_here

HYPOTHESES = ["The big dog sees the cat.", "A man carries 3 trees, slowly.", "", "Don't panic: it's 50% off!"]
REFERENCES = [
    "The old dog sees the cat.",
    "A man slowly carries 3 trees.",
    "Nothing.",
    "Don't panic, it's half off!",
]


def test_equal_to_the_api_of_sacrebleu():
    scores = score_corpus(HYPOTHESES, REFERENCES)
    assert scores["bleu"]["score"] == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert scores["chrf++"]["score"] == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES], word_order=2).score
    assert scores["sentences"] == 4
    assert scores["empty_hypotheses"] == 1


def test_equal_to_the_command_of_sacrebleu(tmp_path):
    write_lines(tmp_path / "hyp", HYPOTHESES)
    write_lines(tmp_path / "ref", REFERENCES)
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        tmp_path / "ref",
        "-i",
        tmp_path / "hyp",
        "-m",
        "bleu",
        "chrf",
    ]
    command += ["--chrf-word-order", "2", "-w", "6"]
    theirs = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    done = run_cli("score", "--hypotheses", tmp_path / "hyp", "--reference", tmp_path / "ref", "--json", "-")
    ours = json.loads(done.stdout)
    assert done.stderr == ""
    for metric, name in zip(theirs, ("bleu", "chrf++"), strict=True):
        assert round(ours[name]["score"], 6) == metric["score"]
        assert ours[name]["signature"] == metric["signature"]


def test_tokeniser_by_language():
    chinese = ["我爱猫和狗。", "他喜欢大的树。"]
    assert "tok:zh" in score_corpus(chinese, chinese, target_lang="zh_Hans")["bleu"]["signature"]
    assert "tok:13a" in score_corpus(chinese, chinese, target_lang="de")["bleu"]["signature"]
    assert (
        "tok:char" in score_corpus(chinese, chinese, tokenize="char", target_lang="zh")["bleu"]["signature"]
    )


@pytest.mark.parametrize(("hypotheses", "references"), [(["a"], ["a", "b"]), ([], [])])
def test_corpora_that_do_not_fit(hypotheses, references):
    with pytest.raises(PrepError):
        score_corpus(hypotheses, references)


def generate_lines(hypotheses, scores=None):
    """What fairseq-generate prints for these hypotheses, in its order: by length, not by id."""
    lines = ["2026-01-01 | INFO | fairseq_cli.generate | loading model(s)", "H-ello is not a hypothesis"]
    for index in sorted(range(len(hypotheses)), key=lambda index: len(hypotheses[index])):
        lines += [f"S-{index}\tdie Quelle", f"T-{index}\tthe H-9\treference"]
        for rank, text in enumerate([hypotheses[index]] if scores is None else hypotheses[index]):
            score = -0.5 if scores is None else scores[index][rank]
            lines += [f"H-{index}\t{score}\t{text}", f"D-{index}\t{score}\tnot this", f"P-{index}\t-0.5 -0.5"]
    return [*lines, "Generate test with beam=5: BLEU4 = 12.34"]


texts = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r")), min_size=1, max_size=12)


@given(texts)
def test_order_is_restored(tmp_path_factory, hypotheses):
    path = tmp_path_factory.getbasetemp() / "generate-test.txt"
    path.write_text("\n".join(generate_lines(hypotheses)) + "\n", encoding="utf-8", newline="\n")
    expected = [safe_line(text) for text in hypotheses]
    assert read_generate(path) == read_generate(path, size=len(hypotheses)) == expected


def test_best_of_n(tmp_path):
    path = tmp_path / "generate-test.txt"
    n_best = [["worse", "best", "ties later"], ["not a number", "real", "least"]]
    scores = [[-1.5, -0.25, -0.25], ["nan", -7, "-inf"]]
    write_lines(path, generate_lines(n_best, scores))
    assert read_generate(path) == ["best", "real"]


def test_progress_bar_in_front_of_a_line(tmp_path):
    path = tmp_path / "stdout"
    path.write_bytes(b"  0%|   | 0/2 [00:00<?, ?it/s]H-1\t-1\tone\n\r 50%|# | 1/2\rH-0\t-1\tzero\r\n")
    assert read_generate(path) == ["zero", "one"]


def test_missing_hypotheses(tmp_path):
    path = tmp_path / "generate-test.txt"
    write_lines(path, ["H-0\t-1\tzero", "H-2\t-1\ttwo"])
    with pytest.raises(PrepError, match=r"no hypothesis for 1 of 3 sentences \(first: 1\).*--allow-missing"):
        read_generate(path)
    with pytest.raises(PrepError, match="no hypothesis for 3 of 5"):
        read_generate(path, size=5)
    with pytest.raises(PrepError, match="sentence 2 but the reference has only 2 lines"):
        read_generate(path, size=2)
    assert read_generate(path, allow_missing=True, size=4) == ["zero", "", "two", ""]


@pytest.fixture
def translations(prepared):
    """Plain text of poor translations of the prepared test set, and their pieces."""
    plain = [line.replace("big", "old").strip() for line in lines_of(prepared / "raw" / "test.en")]
    # Without characters that the model cannot spell.
    plain = ["The man sees the dog." if "end" in line else " ".join(line.split()) for line in plain]
    codec = SubwordCodec(prepared / "spm.model", "en")
    return plain, [" ".join(codec.encode(line)) for line in plain]


def test_every_form_gives_the_same_score(prepared, translations, tmp_path):
    plain, pieces = translations
    references = lines_of(prepared / "raw" / "test.en")
    expected = score_corpus(plain, references)
    assert 1 < expected["bleu"]["score"] < 99
    write_lines(tmp_path / "plain", plain)
    write_lines(tmp_path / "pieces", pieces)
    write_lines(tmp_path / "generate-plain", generate_lines(plain))
    write_lines(tmp_path / "generate-pieces", generate_lines(pieces))
    by_hand = ["--reference", prepared / "raw" / "test.en", "--spm-model", prepared / "spm.model"]
    for option in ("hypotheses", "generate"):
        for form in ("plain", "pieces"):
            name = form if option == "hypotheses" else f"generate-{form}"
            for source in (["--data", prepared], by_hand):
                args = ["score", f"--{option}", tmp_path / name, *source, "--output", tmp_path / "out"]
                done = run_here(*args, "--json", "-")
                assert json.loads(done.stdout) == expected, done.stderr
                assert lines_of(tmp_path / "out") == plain


def test_other_subset_and_direction(prepared, tmp_path):
    for lang in ("de", "en"):
        args = ["score", "--data", prepared, "--subset", "test1", "--target-lang", lang]
        done = run_here(*args, "--hypotheses", prepared / "text" / f"test1.{lang}")
        assert "= 100.00" in done.stdout


def test_report_and_json_file(prepared, tmp_path):
    args = ["score", "--data", prepared, "--hypotheses", prepared / "text" / "valid.en", "--subset", "valid"]
    done = run_cli(*args, "--json", tmp_path / "scores.json")
    bleu, chrf = done.stdout.splitlines()
    assert bleu.startswith(
        f"BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__} = 100.00"
    )
    assert chrf.startswith("chrF2++|nrefs:1|")
    assert json.loads((tmp_path / "scores.json").read_text())["sentences"] == 30


def refused(*args):
    done = run_here("score", *args)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("data_prep score: error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_refusals(prepared, tmp_path):
    hyp, text = tmp_path / "hyp", prepared / "text" / "test.en"
    data = ["--data", prepared]
    write_lines(hyp, ["one line"])
    assert f"{hyp} has 1 lines but {prepared / 'raw' / 'test.en'} has 40" in refused(
        *data, "--hypotheses", hyp
    )
    assert "has no hypothesis lines" in refused(*data, "--generate", hyp)
    assert f"{tmp_path / 'no'} does not exist" in refused(*data, "--hypotheses", tmp_path / "no")
    assert "no split 'test7'; it has train, valid, test, test1" in refused(
        *data, "--subset", "test7", "--hypotheses", hyp
    )
    assert "give --reference FILE or --data" in refused("--hypotheses", hyp)
    assert "manifest.json does not exist" in refused("--data", tmp_path, "--hypotheses", hyp)
    assert "--output" in refused(*data, "--hypotheses", text, "--output", text)
    assert "give --data DESTDIR or --spm-model" in refused("--hypotheses", text, "--reference", text)
    assert "is not a SentencePiece model" in refused(*data, "--hypotheses", text, "--spm-model", hyp)
    assert "give --target-lang" in refused("--hypotheses", hyp, "--reference", hyp, "--moses")
    hyp.write_bytes(b"")
    assert f"{hyp} is empty" in refused(*data, "--hypotheses", hyp)
    hyp.write_bytes(b"a\nT\xfcr\n")
    assert f"{hyp}: line 2 is not UTF-8" in refused(*data, "--hypotheses", hyp)
    write_lines(hyp, ["H-0\tx\ttext"])
    assert "line 1 has 'x' where a score belongs" in refused(*data, "--generate", hyp)
    assert run_here("score", *data).returncode == 2


def test_moses_is_undone(tmp_path):
    write_lines(tmp_path / "hyp", ["Hello , world ( again ) !", "It 's a dog 's life ."])
    write_lines(tmp_path / "ref", ["Hello, world (again)!", "It's a dog's life."])
    args = ["score", "--hypotheses", tmp_path / "hyp", "--reference", tmp_path / "ref", "--target-lang", "en"]
    assert "= 100.00" in run_here(*args, "--moses").stdout
