"""The comparison with omikuji: its commands, its report, and rows made by the real commands."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from image_commands import strings
from xmc_corpus import write_corpus

from benchmarks.xmc import COMPARISONS, Comparison, main, report
from benchmarks.xmc_memory import generate
from benchmarks.xmc_worker import main as measure
from vision_xmc.data.xmc_splits import load_parts
from vision_xmc.loop_options import LoopOptions
from vision_xmc.options import build
from vision_xmc.xmc import _parser
from vision_xmc.xmc_options import EncoderOptions, LabelHeadOptions, XmcOptions


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
    for trained in (rows[1]["update"], rows[1]["one"]):
        assert 0 < trained["parameters"] <= rows[1]["head_parameters"]
        assert trained["milliseconds"] > 0
    assert rows[1]["one"]["parameters"] <= rows[1]["update"]["parameters"]
    text = results.with_suffix(".md").read_text(encoding="utf-8")
    assert f"| Parabel | {100 * rows[0]['P@1']:.2f} |" in text
    assert text == report("tibkat", rows)
    # Three times the same model is that model.
    measured = tmp_path / "together.json"
    of_data = ["--dataset", corpus, "--documents", 300, "--cache-dir", runs / "cache", "--result", measured]
    assert measure(strings(["model", run, run, run, *of_data])) == 0
    assert json.loads(measured.read_text())["P@5"] == pytest.approx(rows[1]["P@5"])


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
