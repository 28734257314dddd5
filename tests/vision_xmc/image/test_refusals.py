"""Mistakes end in one sentence on standard error and a status that is not 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.vision_xmc.commands import DIGITS, run
from tests.vision_xmc.engine.toy_task import records

MISTAKES: dict[str, tuple[list[Any], str]] = {
    "no data path": (["--dataset", "cifar100"], "--dataset cifar100 needs --data-path"),
    "path of no data set": (["--data", "."], "with --data-path give --dataset folder, cifar10 or cifar100"),
    "missing path": (["--dataset", "folder", "--data-path", "/none"], "--data-path /none: no such folder"),
    "missing cifar": (
        ["--dataset", "c10", "--data-path", "/none"],
        "--data-path /none: no such folder or archive",
    ),
    "few codes": (
        ["--head", "product", "--radices", 9, 11],
        "radices [9, 11] give 99 codes, too few for 100 labels",
    ),
    "one radix": (["--head", "product", "--radices", 100], "at least 2 radices"),
    "radix one": (["--head", "cascade", "--radices", 1, 100], "every radix must be at least 2"),
    "onehot radices": (
        ["--head", "onehot", "--radices", 10, 10],
        "--radices belongs to --head product or cascade or sampling, not to --head onehot; leave it out",
    ),
    "foreign option": (
        ["--head", "product", "--conditioning", "table"],
        "--conditioning belongs to --head cascade",
    ),
    "fraction": (
        ["--head", "sampling", "--sample-fraction", 2],
        "sample_fraction must be in (0, 1], got 2.0",
    ),
    "smoothing": (["--label-smoothing", 1], "label_smoothing must be in [0, 1), got 1.0"),
    "order": (
        ["--head", "product", "--label-order", "/none"],
        "--label-order /none: no such file; give 'identity'",
    ),
    "checkpoint": (["--eval", "/none.pt"], "no checkpoint at /none.pt"),
    "predict": (["--predict", "a.png"], "--predict needs --checkpoint"),
    "predict what": (["--checkpoint", "a.pt"], "--checkpoint goes with --predict"),
    "policy": (["--policy", "autoaugment"], "--policy autoaugment is for colour images"),
    "batch norm": (["--sync-batchnorm"], "--sync-batchnorm needs GPUs; leave it out"),
    "validation": (["--validation", 1], "--validation must be at least 0 and below 0.9, got 1.0"),
    "digits": (["--digits", 6], "--digits must be from 1 to 5, got 6"),
    "rate": (["--lr", 0], "--lr must be above 0, got 0.0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_one_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, sentence = MISTAKES[name]
    output = [] if {"--eval", "--predict", "--checkpoint"} & set(options) else ["--output", tmp_path / "run"]
    assert run(*options, *output) == 1
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("python -m vision_xmc.image: error: ")
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("lines", ["0\n1\n1\n", "0\nx\n", "0\n100\n", "0\n1\n"])
def test_label_order_files(lines: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "order.txt"
    path.write_text(lines)
    assert run(*DIGITS, "--head", "product", "--label-order", path, "--output", tmp_path / "run") == 1
    error = capsys.readouterr().err
    expected = {
        "0\n1\n1\n": "line 3: rank 1 already stands on line 2",
        "0\nx\n": "line 2: 'x' is not an integer rank",
        "0\n100\n": "line 2: rank 100 is outside [0, 100); there are 100 classes",
        "0\n1\n": "holds 2 ranks but there are 100 classes",
    }
    assert f"{path}" in error
    assert expected[lines] in error


def test_checkpoints_and_options_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*DIGITS, "--head", "product", "--max-steps", 2]
    assert run(*arguments, "--output", tmp_path) == 0
    assert run(*arguments, "--output", tmp_path, "--radices", 5, 20) == 1
    assert "other options (then: radices None; now: radices [5, 20])" in capsys.readouterr().err
    assert run("--eval", tmp_path / "best.pt", "--digits", 3) == 1
    assert "was trained with --digits 2; leave the option out" in capsys.readouterr().err
    assert run("--eval", tmp_path / "metrics.jsonl") == 1
    assert "metrics.jsonl is not a" in capsys.readouterr().err
    assert run("--predict", tmp_path / "none.png", "--checkpoint", tmp_path / "best.pt") == 1
    assert "none.png: no such image" in capsys.readouterr().err


def test_a_batch_of_one_tiny_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", "digits", "--digits", 1, "--digits-size", 5, "--batch-size", 4, "--epochs", 1]
    options = [
        *arguments,
        "--radices",
        2,
        5,
        "--stem",
        "imagenet",
        "--eval-batch-size",
        500,
        "--output",
        tmp_path,
    ]
    assert run(*options) == 1
    assert (
        "batch norm cannot train on a micro-batch of one example, and the last batch of each epoch has 1 "
        "example for 1 micro-batch; give --drop-last, another --batch-size or a smaller --accumulate\n"
    ) in capsys.readouterr().err
    # Nothing was trained, not even the batches that are large enough.
    assert not (tmp_path / "metrics.jsonl").read_bytes()
    assert not (tmp_path / "last.pt").exists()
    assert run(*options, "--drop-last", "--restart") == 0
    assert records(tmp_path, "train")[-1]["update"] == 1
