"""The comparison of classifiers on LFW: its commands, its tables, and rows made by the real commands."""

from __future__ import annotations

import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks.face.__main__ import CLASSIFIERS, RECIPE, main, used_fraction
from benchmarks.face.all_pairs import all_pairs, area
from benchmarks.face.memory import Plan
from benchmarks.face.report import tables
from benchmarks.harness.results import write_rows
from mhe_nmt.options import build
from tests.vision_xmc.commands import strings
from tests.vision_xmc.face.pictures_made import view_2, write_people
from vision_xmc.engine.metrics_log import read
from vision_xmc.engine.options import LoopOptions
from vision_xmc.face.options import ClassifierOptions, FaceOptions
from vision_xmc.face.train import _parser, resolved

SMALL = "--embedding 8 --image-size 16 --batch-size 4 --epochs 2 --warmup-epochs 0"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people, eight of them in the pairs of four folds, four in those of the last two."""
    folder = tmp_path_factory.mktemp("lfw")
    write_people(folder / "lfw112", people=12, extension=".png")
    (folder / "pairs.txt").write_text(view_2())
    return folder


def test_every_command_is_one_that_the_trainer_takes() -> None:
    for options in CLASSIFIERS.values():
        given = vars(_parser().parse_args([resolved(RECIPE), "--data-path", "DIR", *options.split()]))
        for group in (FaceOptions, ClassifierOptions, LoopOptions):
            build(group, given)


@pytest.mark.slow
def test_rows_made_by_the_real_commands(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, runs = tmp_path / "made.jsonl", tmp_path / "runs"
    names = ["arcface", "arcface-sampling-50-percent"]
    arguments = [place, "--only", *names, "--seeds", 1, 2, "--folds", 3, 4, "--more", SMALL, "--runs", runs,
                 "--results", results]  # fmt: skip
    for _ in range(2):
        capsys.readouterr()
        assert main(strings(arguments)) == 0
    # The second call finds everything done.
    assert "$ " not in capsys.readouterr().out
    rows = [json.loads(text) for text in results.read_text(encoding="utf-8").splitlines()]
    assert [(row["name"], row["seed"]) for row in rows] == [(n, s) for s in (1, 2) for n in names]
    tested = {f"Person_{number}" for number in (4, 5, 6, 7)}
    assert set((runs / "people-of-folds-3-4.txt").read_text().split()) == tested
    for row in rows:
        assert row["people"] == 8
        assert row["pairs"] == 8
        assert row["folds"] == [3, 4]
        assert 0 <= row["accuracy"] <= 1
        plan = Plan(8, 8, 1, 4, row["used_fraction"])
        assert row["classifier_bytes"] == plan.peak
        # Four people with as many pictures as the made-up set has of them.
        pictures = sum(len(list((place / "lfw112" / name).iterdir())) for name in tested)
        assert row["all_pairs"]["pictures"] == pictures
        assert row["all_pairs"]["pairs"] == pictures * (pictures - 1) // 2
        assert 0 <= row["all_pairs"]["auc"] <= 1
    # Trained on nobody who is verified, and verified with the weights that came out.
    for name in ("arcface-seed1", "arcface-sampling-50-percent-seed2"):
        content = torch.load(runs / name / "last.pt", weights_only=True)
        assert not set(content["task"]["class_names"]) & tested
        assert f"--checkpoint {runs / name / 'last.pt'}" in (runs / name / "log.txt").read_text()
    assert rows[0]["used_fraction"] == 1
    # Two epochs of as many updates, with a record of each.
    records = read(runs / "arcface-sampling-50-percent-seed1" / "metrics.jsonl")
    used = [record["used_fraction"] for record in records if record["kind"] == "train"]
    assert rows[1]["used_fraction"] == pytest.approx(statistics.fmean(used))
    assert len(used) == 2
    text = results.with_suffix(".md").read_text(encoding="utf-8")
    for table in tables(results, list(CLASSIFIERS)).values():
        assert table in text
    assert "\n# ArcFace, sampling, 50%, seed 2\n" in (tmp_path / "commands" / "made.sh").read_text()
    with Image.open(results.with_suffix(".png")) as plot:
        assert plot.format == "PNG"


def row(name: str, seed: int, accuracy: float, **more: Any) -> dict[str, Any]:
    same = {"threads": 1, "people": 9, "updates": 10, "epochs": 2.0, "fold_standard_error": 0.01,
            "folds": [9, 10], "pairs": 1200, "tar": 0.5, "used_fraction": 0.25,
            "classifier_bytes": 2_500_000, "train_seconds": 60.0,
            "all_pairs": {"pairs": 30, "pairs_of_one_person": 6, "auc": accuracy + 0.1, "tar": 0.25},
            "recipe": {"commands": [["a"], ["b"]]}, "versions": {"python": "3"},
            "processor": "CPU"}  # fmt: skip
    return {"name": name, "seed": seed, "accuracy": accuracy, **same, **more}


def test_means_and_standard_errors(tmp_path: Path) -> None:
    """(0.7 + 0.72 + 0.74) / 3, and 0.02 / √3 of it; errors of differences add as squares."""
    full = [row("arcface", seed, 0.7 + 0.02 * seed) for seed in range(3)]
    sampled = [row("arcface-sampling-25-percent", seed, 0.69 + 0.03 * seed) for seed in (1, 2)]
    write_rows(tmp_path / "made.jsonl", [*sampled, *full, row("cosface", 1, 0.5)])
    made = tables(tmp_path / "made.jsonl", list(CLASSIFIERS))
    assert made["made-accuracy"].splitlines()[2:] == [
        "| ArcFace | 3 | 72.00 ± 1.15 | ± 1.00 | – | 50.00 ± 0.00 |",
        "| ArcFace, sampling, 25% | 2 | 73.50 ± 1.50 | ± 1.00 | +1.50 ± 1.89 | 50.00 ± 0.00 |",
        "| CosFace | 1 | 50.00 | ± 1.00 | – | 50.00 |",
    ]
    assert made["made-all-pairs"].splitlines()[2:4] == [
        "| ArcFace | 82.00 ± 1.15 | – | 25.00 ± 0.00 |",
        "| ArcFace, sampling, 25% | 83.50 ± 1.50 | +1.50 ± 1.89 | 25.00 ± 0.00 |",
    ]
    assert made["made-cost"].splitlines()[2] == "| ArcFace | 25.0 | 2.5 | 6000 | 1.0 |"


def test_used_fraction_is_a_mean_over_updates() -> None:
    records = [
        {"kind": "train", "update": 10, "used_fraction": 0.2},
        {"kind": "eval", "update": 10},
        {"kind": "train", "update": 12, "used_fraction": 0.5},
    ]
    assert used_fraction(records) == pytest.approx((10 * 0.2 + 2 * 0.5) / 12)
    assert used_fraction([{"kind": "train", "update": 3}]) == 1


def test_all_pairs() -> None:
    """The area under the curve is the chance that a pair of one person scores above one of two; ties half."""
    torch.manual_seed(3)
    embeddings = torch.nn.functional.normalize(torch.randint(-2, 3, (9, 3)).float() + 0.1)
    people = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3])
    scores, same = all_pairs(embeddings, people)
    pairs = list(itertools.combinations(range(9), 2))
    assert scores.tolist() == pytest.approx([float(embeddings[a] @ embeddings[b]) for a, b in pairs])
    assert same.tolist() == [bool(people[a] == people[b]) for a, b in pairs]
    won = (scores[same][:, None] > scores[~same]).double() + 0.5 * (scores[same][:, None] == scores[~same])
    assert area(scores, same) == pytest.approx(float(won.mean()))


def test_mistakes_are_one_sentence(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, sentence in (
        ([place, "--only", "SphereFace"], "--only 'SphereFace': the classifiers are 'arcface', "),
        ([tmp_path], f"{tmp_path}/pairs.txt: no such file of pairs"),
        ([place], f"--folds 9: {place}/pairs.txt has folds 1 to 4"),
    ):
        assert main(strings([*arguments, "--runs", tmp_path / "runs"])) == 1
        error = capsys.readouterr().err
        assert error.startswith("benchmarks.face: error: ")
        assert sentence in error
        assert error.count("\n") == 1
