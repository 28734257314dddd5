"""The Multi30k recipe: its options, its report, and what it says of a missing folder."""

import subprocess
import sys

import pytest

from benchmarks.heads import HEAD_OPTIONS
from benchmarks.multi30k import DEFAULTS, report, train_options
from benchmarks.process import ROOT

ROW = {
    "name": "cascade-digit",
    "seed": 1,
    "threads": 1,
    "processor": "a processor",
    "output_layer_parameters": 130000,
    "output_layer_shared_parameters": 0,
    "valid_nll_bits": 3.1,
    "step_ms": 500.0,
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
    "commands": ["fairseq-train x", "fairseq-generate x"],
}


@pytest.mark.parametrize("name", HEAD_OPTIONS)
def test_trainings_differ_in_the_output_layer_only(name):
    options = train_options(name, updates=2600)
    assert options[: len(HEAD_OPTIONS[name])] == HEAD_OPTIONS[name]
    assert options[len(HEAD_OPTIONS[name]) :] == train_options("onehot", 2600)[len(HEAD_OPTIONS["onehot"]) :]
    assert set(DEFAULTS) <= set(options)
    assert options[options.index("--max-update") + 1] == options[options.index("--total-num-update") + 1]


def test_report_has_the_table_and_the_commands():
    text = report([ROW, {**ROW, "name": "onehot"}], "python -m data_prep prepare x")
    assert "| cascade-digit | 130,000 | 3.100 | 38.00 | 38.60 | 57.00 |" in text
    assert "# onehot\nfairseq-train x\nfairseq-generate x\n" in text
    assert "python -m data_prep prepare x" in text
    assert "a processor, 1 thread" in text


def test_a_missing_folder_is_one_sentence(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.multi30k", str(tmp_path / "none"),
            "--prepared", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"),
            "--results", str(tmp_path / "results.jsonl"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks.multi30k: error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results.jsonl").exists()
