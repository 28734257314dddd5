"""The comparison with omikuji: its commands, its tables, and rows made by the real commands."""

from __future__ import annotations

import importlib.util
import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from benchmarks.xmc.__main__ import COMPARISONS, Comparison, main, tables
from benchmarks.xmc.memory import generate
from benchmarks.xmc.pairs import difference
from benchmarks.xmc.pairs import main as pairs
from benchmarks.xmc.worker import main as measure
from mhe_nmt.options import build
from tests.vision_xmc.commands import strings
from tests.vision_xmc.xmc.corpus import write_corpus
from vision_xmc.engine.options import LoopOptions
from vision_xmc.xmc.__main__ import _parser
from vision_xmc.xmc.__main__ import main as train
from vision_xmc.xmc.data.splits import load_parts
from vision_xmc.xmc.options import EncoderOptions, LabelHeadOptions, XmcOptions


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_command_is_one_that_the_trainer_takes(name: str) -> None:
    comparison: Comparison = COMPARISONS[name]
    for model, options in comparison.models.items():
        if options.startswith("ensemble"):
            assert set(options.partition(" ")[2].split("|")) <= comparison.models.keys(), model
        elif options.startswith("neighbours"):
            assert options.partition(" ")[2].partition(" --")[0] in comparison.models, model
        elif not options.startswith("omikuji"):
            given = vars(_parser().parse_args([*comparison.options.split(), *options.split()]))
            for group in (XmcOptions, EncoderOptions, LabelHeadOptions, LoopOptions):
                build(group, given)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("omikuji") is None, reason="omikuji is not installed")
def test_rows_made_by_the_real_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, results, runs = write_corpus(tmp_path / "corpus"), tmp_path / "rows.jsonl", tmp_path / "runs"
    small = "--epochs 10 --lr 0.02 --dropout 0.1 --bow-features 32 --batch-size 32"
    small += " --valid-size 0.1 --num-groups 6"
    names = ["Parabel", "bag of words, MHC", "bag of words, MHC, with neighbours", "neighbours alone"]
    arguments = ["tibkat", "--dataset", corpus, "--only", *names, "--more", small, "--documents", 300,
                 "--runs", runs, "--results", results]  # fmt: skip
    for _ in range(2):
        capsys.readouterr()
        assert main(strings(arguments)) == 0
    # The second call finds everything done.
    assert "$ " not in capsys.readouterr().out
    rows = [json.loads(text) for text in results.read_text(encoding="utf-8").splitlines()]
    assert [row["name"] for row in rows] == names
    # What the worker measures of our models is what their training measured at its end.
    run = runs / "bag-of-words-MHC"
    result = json.loads((run / "result.json").read_text())
    for metric in ("P@1", "P@5", "nDCG@5"):
        assert rows[1][metric] == pytest.approx(result["best"]["test"][metric], rel=1e-5)
    for row in rows:
        assert row["documents"] == 60
        assert 0.2 < row["P@1"] <= 1
        assert row["bytes"] > 1000
    assert 0 < rows[1]["trained"]["one"] <= rows[1]["trained"]["update"] <= rows[1]["head_parameters"]
    text = results.with_suffix(".md").read_text(encoding="utf-8")
    assert f"| Parabel | {100 * rows[0]['P@1']:.2f} |" in text
    assert all(table in text for table in tables(results, "tibkat").values())
    # Three times the same model is that model.
    measured = tmp_path / "together.json"
    of_data = ["--dataset", corpus, "--documents", 300, "--cache-dir", runs / "cache", "--result", measured]
    assert measure(strings(["model", run, run, run, *of_data])) == 0
    assert json.loads(measured.read_text())["P@5"] == pytest.approx(rows[1]["P@5"])


def test_pairs_of_trainings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, results = write_corpus(tmp_path / "corpus"), tmp_path / "pairs.jsonl"
    small = ["--encoder", "bow", "--bow-features", 16, "--epochs", 2, "--lr", 0.02, "--batch-size", 32]
    small += ["--valid-size", 0.1, "--dataset", corpus, "--cache-dir", tmp_path / "cache", "--no-progress"]
    for name, groups in (("all", 0), ("groups", 6)):
        assert train(strings([*small, "--num-groups", groups, "--output", tmp_path / name])) == 0
    assert pairs(strings([tmp_path / "all", tmp_path / "groups", "--results", results])) == 0
    rows = [json.loads(text) for text in results.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        reported = json.loads((tmp_path / row["name"] / "result.json").read_text())["best"]
        for part in ("valid", "test"):
            for k in (1, 3, 5):
                assert row[part][f"P@{k}"]["value"] == pytest.approx(reported[part][f"P@{k}"])
        assert row["passes_ms"] > 0
    assert rows[0]["passes_ratio"] == 1
    text = results.with_suffix(".md").read_text(encoding="utf-8")
    assert "## pairs-valid\n\n| training | P@1, % |" in text
    capsys.readouterr()
    assert pairs(strings([tmp_path / "all", tmp_path])) == 1
    assert f"{tmp_path} is not the folder of a training" in capsys.readouterr().err
    assert train(strings([*small, "--documents", 100, "--output", tmp_path / "part"])) == 0
    assert pairs(strings([tmp_path / "all", tmp_path / "part"])) == 1
    assert "the trainings have different --documents: None, 100" in capsys.readouterr().err


def test_differences_have_the_error_of_pairs() -> None:
    hits = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]], dtype=bool)
    base = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    found = difference(hits, base, 3)
    # In thirds: 2, 2, 1, 3 against 1, 0, 2, 3.
    assert found["value"] == pytest.approx(8 / 12)
    assert found["difference"] == pytest.approx(2 / 12)
    assert found["standard_error"] == pytest.approx(statistics.stdev([1 / 3, 2 / 3, -1 / 3, 0]) / 2)


def test_generated_data_name_every_label(tmp_path: Path) -> None:
    generate(tmp_path / "some", 12_000)
    part = load_parts(tmp_path / "some")["train"]
    assert len(set(part.sets.labels.tolist())) == 12_000
    assert len(part) == 2400


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tibkat"], "tibkat needs --dataset"),
        (["docstrings", "--only", "x"], "--only 'x': the models are 'Parabel'"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("benchmarks.xmc: error: ")
    assert sentence in error
    assert error.count("\n") == 1
