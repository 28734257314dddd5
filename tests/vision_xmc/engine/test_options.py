"""Options from dataclasses: reading them, refusing them, keeping them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mhe_nmt import HeadConfig
from mhe_nmt.options import Parser, add_options, as_plain, build, fixed_names, from_plain
from vision_xmc.common.errors import UsageError
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.options import ImageOptions

GROUPS = (ImageOptions, HeadConfig, LoopOptions)


def given(*arguments: str) -> dict[str, Any]:
    parser = Parser(prog="command")
    for group in GROUPS:
        add_options(parser, group)
    return vars(parser.parse_args(arguments))


def test_only_what_is_given_is_there() -> None:
    assert given("--lr", "0.5", "--no-progress") == {"lr": 0.5, "progress": False}


@pytest.mark.parametrize(
    "arguments", [["--radices", "4", "5", "5"], ["--num-classes", "4,5,5"], ["--radices", "4,5", "5"]]
)
def test_radices(arguments: list[str]) -> None:
    assert given(*arguments) == {"radices": (4, 5, 5)}


def test_names_of_the_reference_code() -> None:
    line = "--dataset c100 --data-path d --epochs 200 --batch-size 256 --num-classes 10 10 --save-path out "
    line += "--eta-min 1e-5 --wd 5e-4 -b 128 -a resnet50 -j 4 --img-size 32"
    found = given(*line.split(" "))
    options = build(LoopOptions, found)
    assert (options.output, options.min_lr, options.weight_decay) == (Path("out"), 1e-5, 5e-4)
    assert (options.batch_size, options.num_workers, options.epochs) == (128, 4, 200)
    images = build(ImageOptions, found)
    assert (images.dataset, images.arch, images.image_size) == ("cifar100", "resnet50", 32)
    assert build(HeadConfig, found).radices == (10, 10)


def test_there_and_back(tmp_path: Path) -> None:
    chosen = (
        ImageOptions(dataset="folder", data_path=tmp_path),
        HeadConfig(radices=(3, 4)),
        LoopOptions(output=tmp_path, milestones=(0.5,), clip_norm=1.0),
    )
    plain = as_plain(*chosen)
    assert tuple(from_plain(type(group), plain) for group in chosen) == chosen


def test_what_a_resumed_run_must_share() -> None:
    names = fixed_names(*GROUPS)
    assert {"lr", "batch_size", "head", "radices", "dataset", "seed"} <= set(names)
    assert not {"output", "epochs", "num_workers", "data_path", "accumulate"} & set(names)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": 0}, "--epochs must be at least 1, got 0"),
        ({"max_steps": 0}, "--max-steps must be at least 1, got 0"),
        ({"lr": -1.0}, "--lr must be above 0, got -1.0"),
        ({"clip_norm": 0.0}, "--clip-norm must be above 0"),
        ({"ema_decay": 1.0}, "--ema-decay must be between 0 and 1"),
        ({"milestones": (0.6, 0.3)}, "--milestones must be increasing"),
        ({"betas": (0.9,)}, "--betas must be two numbers"),
        ({"num_workers": -1}, "--num-workers must be at least 0"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        LoopOptions(**options)


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        given("--lr", "fast")
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "command: error: argument --lr/--learning-rate: invalid float value: 'fast' "
        "(--help lists all options)\n"
    )


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        given("--help")
    printed = capsys.readouterr().out
    for group in GROUPS:
        for name in group.__dataclass_fields__:
            assert f"--{name.replace('_', '-')}" in printed
