"""The translation recipe: its options, tables, picture and paired tests, and its message about a folder."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU

from benchmarks.harness.names import TIED_SOFTMAX
from benchmarks.harness.ordered import folder_like, ordered_folder
from benchmarks.harness.process import ROOT, CommandError
from benchmarks.harness.results import append_row
from benchmarks.translation import picture, step_time
from benchmarks.translation.__main__ import equal_time_updates
from benchmarks.translation.corpora import CORPORA, DEFAULTS, train_options
from benchmarks.translation.heads import (
    HEADS,
    MEASURED,
    UNSUPPORTED,
    data_of,
    decoding_options,
    head_options,
)
from benchmarks.translation.report import tables, write_report
from benchmarks.translation.significance import folder_name, paired_tests

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
    "recipe": {
        "updates": 2600,
        "precision": "bfloat16",
        "commands": [
            ["fairseq-train", "x", "--max-update", "2600", "--seed", "1"],
            ["fairseq-generate", "x"],
        ],
    },
}


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
@pytest.mark.parametrize("name", MEASURED)
def test_trainings_differ_in_the_output_layer_only(corpus, name):
    options = train_options(corpus, name, Path("data"), updates=100)
    own, others = (head_options(n, Path("data"), corpus.vocab_size) for n in (name, "onehot"))
    assert options[: len(own)] == own
    if name not in UNSUPPORTED:
        assert options[len(own) :] == train_options(corpus, "onehot", Path("data"), 100)[len(others) :]
    assert set(DEFAULTS) - set(UNSUPPORTED.get(name, ())) <= set(options)
    assert all(options.count(option) == 1 for option in DEFAULTS if option in options)
    assert options[options.index("--max-update") + 1] == options[options.index("--total-num-update") + 1]


def test_a_learned_order_is_an_option_or_the_dictionarys():
    for name in HEADS:
        options = head_options(name, Path("data"), 8000)
        ordered = data_of(name, Path("data")) == Path("data-ordered")
        assert ordered == (name.startswith("cascade-table") and "--share-all-embeddings" in options)
        assert ("--mhe-label-order" in options) == (name == "cascade-digit")


@pytest.mark.parametrize("data", ["some/x", "some/x-ordered"])
def test_a_model_is_measured_on_a_folder_like_its_own(data):
    assert folder_like("/elsewhere/x", Path(data)) == Path("some/x")
    assert folder_like("/elsewhere/y-ordered", Path(data)) == Path("some/x-ordered")
    assert folder_like("y-ordered-200/", Path(data)) == ordered_folder(Path("some/x"), 200)


def test_equal_time_gives_more_updates_to_shorter_steps(tmp_path):
    times = tmp_path / "times.json"
    steps = {TIED_SOFTMAX: 800.0, "sampling-tied": 500.0}
    times.write_text(json.dumps([{"name": name, "step_ms": ms} for name, ms in steps.items()]))
    assert equal_time_updates({"sampling-tied": 1000, TIED_SOFTMAX: 1000}, times) == {
        "sampling-tied": 1600,
        TIED_SOFTMAX: 1000,
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
    assert not any("{" in part for part in head_options("cascade-table-tied-projection", Path("data"), 8000))


def test_bfloat16_can_be_left_out():
    options = [
        train_options(CORPORA["multi30k"], "product", Path("d"), 9, bf16=bf16) for bf16 in (True, False)
    ]
    assert [part for part in options[0] if part not in options[1]] == ["--autocast-bf16"]


def test_step_times_are_told_with_and_without_the_full_softmax():
    row = {"name": "product", "step_ms": 50.0, "head_ms": 5.0, "trained_parameters": 1000}
    assert step_time.table([row]).endswith("| product | 50 | 5.0 | 1,000 |")
    full = {"name": TIED_SOFTMAX, "step_ms": 100.0, "head_ms": 50.0, "trained_parameters": 4000}
    assert step_time.table([full, row]).endswith("| product | 50 (0.50×) | 5.0 (0.10×) | 1,000 (0.25×) |")


def test_products_and_cascades_are_decoded_by_candidates():
    by_candidates = {name for name in HEADS if decoding_options(name) == ("--task", "translation_mhe")}
    assert not any(decoding_options(name) for name in HEADS if name not in by_candidates)
    assert by_candidates == {name for name in HEADS if name.startswith(("product", "cascade"))}


def with_bleu(name, seed, bleu):
    scores = [{**score, "bleu": bleu} for score in ROW["scores"]]
    return {**ROW, "name": name, "seed": seed, "scores": scores}


def write_rows(results, *bleus):
    rows = [with_bleu(*one) for one in bleus]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


TIMES = [{"name": "product", "step_ms": 615.6, "head_ms": 7.81, "trained_parameters": 46003}]


def test_tables_are_made_of_the_rows_of_all_files(tmp_path):
    results = tmp_path / "corpus.jsonl"
    write_rows(results, ("onehot", 1, 30.0), ("product", 1, 37.0), ("product", 2, 39.0))
    test = {"name": "product", "seeds": [1], "bleu_difference": -0.5, "bleu_p": 0.04}
    test |= {"chrf_difference": 0.25, "chrf_p": 0.5}
    (tmp_path / "corpus-paired.json").write_text(json.dumps([test]))
    (tmp_path / "corpus-step-time.json").write_text(json.dumps(TIMES))
    found = tables(results)
    assert "| product | 130,000 | 2,600 | 2 | 3.100 | 38.00 ± 1.41 | 57.00 |" in found["corpus-quality"]
    assert "| full softmax | 130,000 | 2,600 | 1 | 3.100 | 30.00 | 57.00 |" in found["corpus-quality"]
    assert "| product | 1 | -0.50 | 0.040 | +0.25 | 0.500 |" in found["corpus-paired"]
    assert "| product | 2 | 3.100 | 39.00 | 39.00 | 57.00 | 700 |" in found["corpus-runs"]
    assert "a processor, 1 thread." in found["corpus-runs"]
    assert found["corpus-cost"].endswith("| product | 46,003 | 616 | 7.8 |")
    peaks = [{"name": "onehot", "train_peak_bytes": 3 * 2**29, "peak_bytes": 2**31}]
    (tmp_path / "corpus-memory.json").write_text(json.dumps(peaks))
    assert tables(results)["corpus-cost"].splitlines()[2:] == [
        "| full softmax | – | – | – | 1.50 | 2.00 |",
        "| product | 46,003 | 616 | 7.8 | – | – |",
    ]
    # Without times in float32 those in bfloat16 count.
    (tmp_path / "corpus-step-time.json").rename(tmp_path / "corpus-step-time-bf16.json")
    assert "| product | 46,003 | 616 | 7.8 | – | – |" in tables(results)["corpus-cost"]


def test_tables_commands_and_plot_are_written_next_to_the_rows(tmp_path):
    results = tmp_path / "corpus.jsonl"
    write_rows(results, ("onehot", 1, 30.0), ("product", 2, 39.0))
    write_report(results, "multi30k")
    text = (tmp_path / "corpus.md").read_text(encoding="utf-8")
    assert all(f"## {name}\n\n{table}\n" in text for name, table in tables(results).items())
    assert (tmp_path / "corpus.png").read_bytes().startswith(b"\x89PNG")
    commands = (tmp_path / "commands" / "corpus.sh").read_text()
    assert "-m data_prep prepare -s de -t en --trainpref DATA_FOLDER/train " in commands
    assert "data_prep reorder" not in commands
    row = with_bleu("cascade-table-tied", 1, 30.0)
    row["recipe"] = {**row["recipe"], "commands": [["fairseq-train", "data/multi30k.de-en-ordered"]]}
    append_row(results, row)
    write_report(results, "multi30k")
    commands = (tmp_path / "commands" / "corpus.sh").read_text()
    assert "-m data_prep reorder --data data/multi30k.de-en --destdir data/multi30k.de-en-ordered" in commands
    assert "\n# product, seed 2\nfairseq-train x --max-update 2600 --seed 1\nfairseq-generate x\n" in commands


def test_the_picture_and_its_table_are_made_of_measured_rows(tmp_path):
    names = [TIED_SOFTMAX, "adaptive-softmax", "sampling-tied", "cascade-table-tied", "cascade-digit"]
    for corpus in CORPORA:
        rows = [(name, 1, 30.0) for name in names] + [("sampling-tied-equal-time", 1, 33.0)]
        write_rows(tmp_path / f"{corpus}.jsonl", *rows)
        times = [{"name": name, "step_ms": 100.0} for name in names]
        (tmp_path / f"{corpus}-step-time-bf16.json").write_text(json.dumps(times))
    peaks = [{"name": name, "train_peak_bytes": 2**30} for name in names]
    (tmp_path / "tatoeba-64k-memory.json").write_text(json.dumps(peaks))
    steps = [
        {"name": name, "dense_step_ms": 9.0, "candidates_step_ms": 7.0}
        for name in names
        if name != "sampling-tied"
    ]
    (tmp_path / "tatoeba-64k-decoding.json").write_text(json.dumps(steps))
    assert picture.tables(tmp_path)["results-in-short"].splitlines()[2:] == [
        "| full softmax, tied | 30.0 | 130,000 | 1.00 | 100 | 9 |",
        "| adaptive softmax | 30.0 (after 2,600 updates) | 130,000 | 1.00 | 100 | 9 |",
        "| sampling, tied | 33.0 | 130,000 | 1.00 | 100 | as full softmax |",
        "| cascade by table, tied | 30.0 (after 2,600 updates) | 130,000 | 1.00 | 100 | 7 |",
        "| cascade by digit | 30.0 (after 2,600 updates) | 130,000 | 1.00 | 100 | 7 |",
    ]
    picture.write(tmp_path)
    png = (tmp_path / "plots" / "quality-against-time.png").read_bytes()
    assert png.startswith(b"\x89PNG")


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
    base = [write(TIED_SOFTMAX, seed, 0.2) for seed in (1, 2)]
    product = [write("product", seed, 0.5) for seed in (1, 2, 3)]
    write("sampling", 1, 0.2)
    names = [
        (TIED_SOFTMAX, 1),
        (TIED_SOFTMAX, 2),
        ("product", 1),
        ("product", 2),
        ("product", 3),
        ("sampling", 1),
    ]
    rows = [{"name": name, "seed": seed} for name, seed in names]
    tests = {row["name"]: row for row in paired_tests(rows, tmp_path / "runs", tmp_path / "data")}
    assert tests["product"]["seeds"] == [1, 2]
    assert tests["sampling"]["seeds"] == [1]
    expected = [BLEU().corpus_score(a + b, [references * 2]).score for a, b in (base, product[:2])]
    assert tests["product"]["bleu_difference"] == pytest.approx(expected[1] - expected[0])
    assert tests["product"]["bleu_p"] < 0.01 < 0.05 < tests["sampling"]["bleu_p"]
    assert TIED_SOFTMAX not in tests


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
