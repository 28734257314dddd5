"""The comparison of heads: its commands, its table, and one row made by the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.image import COMPARISONS, main, tables
from mhe_nmt import HeadConfig
from mhe_nmt.options import Parser, add_options, build
from tests.vision_xmc.commands import REPOSITORY, environment
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.head import build_head
from vision_xmc.image.options import ImageOptions

CLASSES = {"digits": 100, "digits-1000": 1000, "cifar100-short": 100, "cifar100": 100, "imagenet": 1000}


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_command_is_one_that_the_trainer_takes(name: str) -> None:
    comparison = COMPARISONS[name]
    data = ["--data-path", "DIR"] if comparison.needs_data else []
    for head in comparison.heads.values():
        parser = Parser(prog="command")
        for group in (ImageOptions, HeadConfig, LoopOptions):
            add_options(parser, group)
        given = vars(parser.parse_args([*head.split(), *comparison.options.split(), *data]))
        build(LoopOptions, given)
        build(ImageOptions, given)
        built = build_head(build(HeadConfig, given), 8, CLASSES[name])
        if "sampling" in head:
            assert built.used_fraction <= 0.8


@pytest.mark.slow
def test_a_row_made_by_the_real_command(tmp_path: Path) -> None:
    results = tmp_path / "digits.jsonl"
    small = "--digits-size 64 --batch-size 32 --max-steps 2 --eval-batch-size 500"
    command = [
        sys.executable, "-m", "benchmarks.image", "digits", "--only", "product-4-5-5", "--more", small,
        "--runs", tmp_path / "runs", "--results", results,
    ]  # fmt: skip
    line = [str(part) for part in command]
    for _ in range(2):
        done = subprocess.run(
            line, env=environment(), cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stderr
    # The second call finds everything done.
    assert "$ " not in done.stdout
    rows = [json.loads(text) for text in results.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 1
    assert rows[0]["head_parameters"] == 65 * 14
    assert 0 <= rows[0]["top1"] <= rows[0]["top5"] <= 1
    text = results.with_suffix(".md").read_text(encoding="utf-8")
    assert f"| product, 4 × 5 × 5 | 910 | {100 * rows[0]['top1']:.2f} |" in text
    assert tables(results, "digits")["digits"] in text
    commands = (tmp_path / "commands" / "digits.sh").read_text()
    assert "python -m vision_xmc.image --head product --radices 4 5 5 --dataset digits" in commands


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cifar100"], "cifar100 needs --data-path"),
        (
            ["digits", "--only", "adaptive"],
            "--only 'adaptive': the output layers are 'onehot', 'product-10-10'",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("benchmarks.image: error: ")
    assert sentence in error
    assert error.count("\n") == 1
