"""The translation recipe: its options, its report, its tests, and what it says of a missing folder."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU

from benchmarks.harness.process import ROOT, CommandError
from benchmarks.translation import step_time
from benchmarks.translation.__main__ import CORPORA, DEFAULTS, equal_time_updates, train_options
from benchmarks.translation.heads import HEADS, UNSUPPORTED, decoding_options, head_options
from benchmarks.translation.report import report, write_report
from benchmarks.translation.significance import BASELINE, folder_name, paired_tests

ROW = {
    "name": "cascade-digit",
    "seed": 1,
    "threads": 1,
    "processor": "a processor",
    "output_layer_parameters": 130000,
    "output_layer_shared_parameters": 0,
    "valid_nll_bits": 3.1,
    "step_ms": 500.0,
    "train_wall_seconds": 700.0,
    "train_words_per_second": 2000.0,
    "scores": [
        {
            "lenpen": lenpen,
            "bleu": 37.0 + lenpen,
            "chrf++": 57.0,
            "bleu_signature": "b",
            "chrf++_signature": "c",
        }
        for lenpen in (1.0, 1.6)
    ],
    "versions": {"torch": "2"},
    "commands": ["fairseq-train x --max-update 2600 --seed 1", "fairseq-generate x"],
}


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
@pytest.mark.parametrize("name", HEADS)
def test_trainings_differ_in_the_output_layer_only(corpus, name):
    options = train_options(corpus, name, Path("data"), updates=100)
    own, others = (head_options(n, Path("data"), corpus.vocab_size) for n in (name, "onehot"))
    assert options[: len(own)] == own
    if name != "adaptive-softmax":
        assert options[len(own) :] == train_options(corpus, "onehot", Path("data"), 100)[len(others) :]
    assert set(DEFAULTS) - set(UNSUPPORTED.get(name, ())) <= set(options)
    assert all(options.count(option) == 1 for option in DEFAULTS if option in options)
    assert options[options.index("--max-update") + 1] == options[options.index("--total-num-update") + 1]


def test_equal_time_gives_more_updates_to_shorter_steps(tmp_path):
    times = tmp_path / "times.json"
    steps = {BASELINE: 800.0, "sampling-tied": 500.0}
    times.write_text(json.dumps([{"name": name, "step_ms": ms} for name, ms in steps.items()]))
    assert equal_time_updates({"sampling-tied": 1000, BASELINE: 1000}, times) == {
        "sampling-tied": 1600,
        BASELINE: 1000,
    }
    with pytest.raises(CommandError, match="no step time of product;"):
        equal_time_updates({"product": 1000}, times)
    with pytest.raises(CommandError, match=r"none\.json: no such file.*step_time"):
        equal_time_updates({"product": 1000}, tmp_path / "none.json")


def test_options_of_a_corpus_overrule_the_defaults():
    for name in ("product", "adaptive-softmax"):
        options = train_options(CORPORA["tatoeba"], name, Path("data"), updates=100)
        assert options.count("--encoder-layers") == 1
        assert options[options.index("--encoder-layers") + 1] == "2"
    assert not any("{" in part for part in head_options("cascade-tied-projection", Path("data"), 8000))


def test_bfloat16_can_be_left_out():
    options = [
        train_options(CORPORA["multi30k"], "product", Path("d"), 9, bf16=bf16) for bf16 in (True, False)
    ]
    assert [part for part in options[0] if part not in options[1]] == ["--autocast-bf16"]


def test_step_times_are_told_with_and_without_the_full_softmax():
    row = {"name": "product", "step_ms": 50.0, "head_ms": 5.0, "trained_parameters": 1000}
    assert step_time.table([row]).endswith("| product | 50 | – | 5.0 | – | 1,000 | – |")
    full = {"name": BASELINE, "step_ms": 100.0, "head_ms": 50.0, "trained_parameters": 4000}
    assert step_time.table([full, row]).endswith("| product | 50 | 0.50 | 5.0 | 0.10 | 1,000 | 0.25 |")


def test_products_and_cascades_are_decoded_by_candidates():
    by_candidates = {name for name in HEADS if decoding_options(name) == ("--task", "translation_mhe")}
    assert not any(decoding_options(name) for name in HEADS if name not in by_candidates)
    assert by_candidates == {name for name in HEADS if name.startswith(("product", "cascade"))}


def with_bleu(name, seed, bleu):
    scores = [{**score, "bleu": bleu} for score in ROW["scores"]]
    return {**ROW, "name": name, "seed": seed, "scores": scores}


def test_report_has_the_tables_and_the_commands():
    rows = [with_bleu("onehot", 1, 30.0), with_bleu("product", 1, 37.0), with_bleu("product", 2, 39.0)]
    test = {"name": "product", "seeds": [1], "bleu_difference": -0.5, "bleu_p": 0.04}
    tests = [{**test, "chrf_difference": 0.25, "chrf_p": 0.5}]
    times = [{"name": "product", "step_ms": 615.6, "head_ms": 7.81, "trained_parameters": 46003}]
    text = report(rows, tests, times, [], "Multi30k", ["python -m data_prep prepare x"], "m.png")
    assert "](m.png)" in text
    assert (
        "| product | 130,000 | 2,600 | 2 | 3.100 | 38.00 ± 1.41 | 38.00 ± 1.41 | 57.00 | 46,003 | 616 | 7.8 |"
        in text
    )
    assert "| onehot | 130,000 | 2,600 | 1 | 3.100 | 30.00 | 30.00 | 57.00 | – | – | – |" in text
    assert "| product | 1 | -0.50 | 0.040 | +0.25 | 0.500 |" in text
    assert "| 2 | product | 130,000 | 3.100 | 39.00 | 39.00 | 57.00 | 700 |" in text
    assert "# product, seed 2\nfairseq-train x --max-update 2600 --seed 1\nfairseq-generate x\n" in text
    assert "python -m data_prep prepare x" in text
    assert "a processor, 1 thread" in text
    assert "peak of training" not in text
    assert "GLIBC" not in text
    peaks = [{"name": "product", "train_peak_bytes": 3 * 2**29, "peak_bytes": 2**31}]
    text = report(rows, tests, [{**times[0], "memory_kept": True}], peaks, "Multi30k", [], "m.png")
    assert "found.\nTrainings and step times keep freed memory (`GLIBC_TUNABLES`" in text
    assert "46,003 | 616 | 7.8 | 1.50 | 2.00 |" in text
    assert "| – | – | – | – | – |" in text


def test_the_report_is_written_from_the_results_file(tmp_path):
    results = tmp_path / "corpus.jsonl"
    rows = [with_bleu("onehot", 1, 30.0), with_bleu("product", 1, 37.0), with_bleu("product", 2, 39.0)]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    times = [{"name": "product", "step_ms": 615.6, "head_ms": 7.81, "trained_parameters": 46003}]
    (tmp_path / "corpus-step-time.json").write_text(json.dumps(times), encoding="utf-8")
    write_report(results, "Corpus", [])
    text = (tmp_path / "corpus.md").read_text(encoding="utf-8")
    assert "616 | 7.8 |" in text
    assert "processor time in float32" in text
    assert (tmp_path / "corpus.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / "corpus-step-time.json").rename(tmp_path / "corpus-step-time-bf16.json")
    write_report(results, "Corpus", [])
    text = (tmp_path / "corpus.md").read_text(encoding="utf-8")
    assert "616 | 7.8 |" in text
    assert "processor time with `--autocast-bf16`" in text


def test_paired_tests_take_all_common_seeds_as_one_test_set(tmp_path):
    draw = random.Random(1)
    references = [" ".join(draw.choices(["a", "b", "c", "d", "e", "f", "g", "h"], k=8)) for _ in range(60)]

    def write(name, seed, mistakes):
        lines = [" ".join(w if draw.random() > mistakes else "x" for w in r.split()) for r in references]
        folder = tmp_path / "runs" / folder_name(name, seed) / "test-lenpen1"
        folder.mkdir(parents=True)
        text = "".join(f"H-{i}\t-0.5\t{line}\n" for i, line in enumerate(lines))
        (folder / "generate-test.txt").write_text(text, encoding="utf-8")
        return lines

    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "test.en").write_text("".join(f"{line}\n" for line in references), encoding="utf-8")
    base = [write(BASELINE, seed, 0.2) for seed in (1, 2)]
    poor = [write("poor", seed, 0.5) for seed in (1, 2, 3)]
    write("alike", 1, 0.2)
    names = [(BASELINE, 1), (BASELINE, 2), ("poor", 1), ("poor", 2), ("poor", 3), ("alike", 1)]
    rows = [{"name": name, "seed": seed} for name, seed in names]
    tests = {row["name"]: row for row in paired_tests(rows, tmp_path / "runs", tmp_path / "data")}
    assert tests["poor"]["seeds"] == [1, 2]
    assert tests["alike"]["seeds"] == [1]
    expected = [BLEU().corpus_score(a + b, [references * 2]).score for a, b in (base, poor[:2])]
    assert tests["poor"]["bleu_difference"] == pytest.approx(expected[1] - expected[0])
    assert tests["poor"]["bleu_p"] < 0.01 < 0.05 < tests["alike"]["bleu_p"]
    assert BASELINE not in tests


def test_a_missing_folder_is_one_sentence(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.translation", "multi30k", str(tmp_path / "none"),
            "--prepared", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"),
            "--results", str(tmp_path / "results.jsonl"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks.translation: error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results.jsonl").exists()
