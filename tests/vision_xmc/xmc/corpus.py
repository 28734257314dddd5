"""Small document collections for the text trainer, and its commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.vision_xmc import commands as image_commands
from tests.vision_xmc.commands import strings
from vision_xmc.xmc.__main__ import main

LABELS = 40
#: A training of seconds: a projection of size 32, ten epochs of a few updates.
QUICK = ["--epochs", 10, "--batch-size", 32, "--lr", 0.02, "--bow-features", 32, "--dropout", 0.1,
         "--num-groups", 6, "--candidates-topk", 2, "--valid-size", 0.1]  # fmt: skip


def documents(count: int, seed: int) -> tuple[list[str], list[list[str]]]:
    """Texts with one to three labels each.

    A text holds one of the two words of each of its labels, among words that mean nothing.
    """
    random = np.random.default_rng(seed)
    texts, sets = [], []
    for _ in range(count):
        labels = sorted(random.choice(LABELS, size=random.integers(1, 4), replace=False).tolist())
        words = [f"{'alpha' if random.random() < 0.5 else 'beta'}{label}" for label in labels]
        words += [f"noise{number}" for number in random.integers(0, 30, size=random.integers(2, 12))]
        random.shuffle(words)
        texts.append(" ".join(words))
        sets.append([f"L{label}" for label in labels])
    return texts, sets


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_corpus(folder: Path, train: int = 400, test: int = 60, prefix: str = "texts") -> Path:
    """The layout of LightXML (``texts``) or of AttentionXML (``raw_texts``)."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, count, seed in (("train", train, 1), ("test", test, 2)):
        texts, sets = documents(count, seed)
        write_lines(folder / f"{role}_{prefix}.txt", texts)
        write_lines(folder / f"{role}_labels.txt", [" ".join(labels) for labels in sets])
    return folder


def run(*arguments: Any) -> int:
    """Runs the command in this process; returns its exit status."""
    return main(strings(arguments))


def command(
    *arguments: Any, launcher: tuple[Any, ...] = (sys.executable,)
) -> subprocess.CompletedProcess[str]:
    """Runs the command in a separate process, or in the processes that ``launcher`` starts."""
    return image_commands.command(*arguments, launcher=launcher, module="vision_xmc.xmc")
