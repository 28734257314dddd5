"""What the documentation says works: its example runs, and the trainer accepts its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mhe_nmt import HeadConfig
from mhe_nmt.options import build
from tests.vision_xmc.commands import REPOSITORY
from vision_xmc.engine.options import LoopOptions
from vision_xmc.image.__main__ import _parser
from vision_xmc.image.head import build_head
from vision_xmc.image.options import ImageOptions

PAGES = ("README.md", "docs/guides/images.md", "docs/guides/many-gpus.md", "docs/guides/coming-from.md")
CLASSES = {"cifar100": 100, "digits": 100, "folder": 1000}


def blocks(page: str, language: str) -> list[str]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[list[str]]:
    """The arguments of every command of the image trainer, with shell arrays filled in."""
    found = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            lines = block.replace("\\\n", " ")
            for name, values in re.findall(r"(\w+)=\((.*?)\)", lines, re.DOTALL):
                lines = lines.replace(f'"${{{name}[@]}}"', " ".join(values.split()))
            for line in lines.splitlines():
                words = shlex.split(line, comments=True)
                if "vision_xmc.image" in words:
                    found.append(words[words.index("vision_xmc.image") + 1 :])
    return found


def test_commands() -> None:
    assert len(commands()) > 12
    for words in commands():
        given = vars(_parser().parse_args(words))
        if "eval" in given or "predict" in given:
            continue
        build(LoopOptions, given)
        classes = CLASSES[build(ImageOptions, given).dataset]
        build_head(build(HeadConfig, given), 8, classes)


def test_the_example_of_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("docs/guides/images.md", "python")
    exec(compile(example, "docs/guides/images.md", "exec"), {"__name__": "example"})
    assert "'updates': 60" in capsys.readouterr().out
    assert (tmp_path / "runs" / "points" / "best.pt").exists()
