"""Every head, from the command line to predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.vision_xmc.commands import DIGITS, run
from tests.vision_xmc.engine.toy_task import records
from vision_xmc.image.data.digits import DigitImages

HEADS: dict[str, list[Any]] = {
    "onehot": ["--head", "onehot"],
    "product": ["--head", "product", "--num-classes", 10, 10],
    "product-waste": ["--head", "product", "--radices", 9, 12],
    "product-three": ["--head", "product", "--radices", 4, 5, 5, "--label-order", "random"],
    "mixture": ["--head", "product", "--groups", 3],
    "joint": ["--head", "product", "--groups", 2, "--group-form", "joint"],
    "cascade": ["--head", "cascade", "--radices", 5, 20, "--prototypes", 2, "--projection"],
    "cascade-digit": ["--head", "cascade", "--conditioning", "digit", "--num-heads", 3],
    "sampling": ["--head", "sampling", "--sample-fraction", 0.5, "--label-smoothing", 0.1],
    "sampling-uniform": [
        "--head",
        "sampling",
        "--sample-by",
        "uniform",
        "--projection",
        "--sample-beside",
        "targets",
    ],
}


#: A head of each class; the others are slow.
FAST = ("onehot", "product-three", "cascade", "sampling")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in HEADS]
)
def test_trains_evaluates_and_predicts(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*DIGITS, *HEADS[name], "--output", tmp_path, "--log-steps", 1) == 0
    losses = [record["loss"] for record in records(tmp_path, "train")]
    assert np.isfinite(losses).all()
    evaluated = records(tmp_path, "eval")[-1]
    digits = {"onehot": 0, "product-three": 3, "cascade-digit": 3}.get(name, 2)
    assert [key for key in evaluated if key.startswith("digit")] == [f"digit{n + 1}" for n in range(digits)]
    assert all(evaluated[f"digit{n + 1}"] >= evaluated["top1"] for n in range(digits))
    assert evaluated["top5"] >= evaluated["top1"]

    capsys.readouterr()
    assert run("--eval", tmp_path / "best.pt", "--eval-batch-size", 77) == 0
    found = {line["split"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found["valid"]["nll"] == pytest.approx(evaluated["nll"], rel=1e-5)
    assert found["valid"]["top1"] == pytest.approx(evaluated["top1"])

    test = DigitImages("test", 2, 2000)
    Image.fromarray(test.image(7)[..., 0]).save(tmp_path / "seven.png")
    assert run("--predict", tmp_path / "seven.png", "--checkpoint", tmp_path / "best.pt") == 0
    path, *ranked = capsys.readouterr().out.strip().split("\t")
    assert path == str(tmp_path / "seven.png")
    assert len(ranked) == 5
    chances = [float(entry.split()[1]) for entry in ranked]
    assert chances == sorted(chances, reverse=True)
    assert all(entry.split()[0] in test.class_names for entry in ranked)


def test_it_learns(tmp_path: Path) -> None:
    """After seconds of training, most single digits are recognised; guessing would recognise a tenth."""
    arguments = [
        "--dataset",
        "digits",
        "--digits",
        1,
        "--digits-size",
        2000,
        "--epochs",
        3,
        "--batch-size",
        32,
    ]
    assert run(*arguments, "--head", "product", "--radices", 2, 5, "--output", tmp_path) == 0
    assert json.loads((tmp_path / "result.json").read_text())["best"]["test"]["top1"] > 0.75


def test_an_order_file_may_disappear_after_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = tmp_path / "order.txt"
    order.write_text("# ranks\n" + "\n".join(str(rank) for rank in torch.randperm(100).tolist()))
    arguments = [*DIGITS, "--head", "cascade", "--label-order", order, "--max-steps", 1]
    assert run(*arguments, "--output", tmp_path / "run") == 0
    order.unlink()
    assert run("--eval", tmp_path / "run" / "best.pt") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[-1])["split"] == "test"
