"""The documentation of the text trainer is true: the trainer accepts its commands, and its table is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mhe_nmt.options import build
from tests.vision_xmc.image.test_docs import blocks
from tests.vision_xmc.xmc.corpus import QUICK, run, write_corpus
from tests.vision_xmc.xmc.test_training import predicted
from vision_xmc.engine.options import LoopOptions
from vision_xmc.xmc.__main__ import _parser
from vision_xmc.xmc.options import RECIPES, EncoderOptions, LabelHeadOptions, XmcOptions, defaults
from vision_xmc.xmc.predict import COMMANDS

PAGES = ("README.md", "docs/guides/text.md", "docs/guides/many-gpus.md", "docs/guides/coming-from.md")


def commands() -> list[list[str]]:
    """The arguments of every command of the text trainer on the pages."""
    lines = [
        line
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.replace("\\\n", " ").split("\n")
    ]
    on_pages = [re.sub(r"\s+#.*", "", line).split() for line in lines if "-m vision_xmc.xmc" in line]
    return [words[words.index("vision_xmc.xmc") + 1 :] for words in on_pages]


def test_commands() -> None:
    assert len(commands()) > 12
    for words in commands():
        if words[0] in COMMANDS:
            continue
        given = vars(_parser().parse_args(words))
        given = {**defaults(given.get("dataset", "docstrings"), given.get("encoder", "bow")), **given}
        for group in (XmcOptions, EncoderOptions, LabelHeadOptions, LoopOptions):
            build(group, given)


def test_every_option_of_the_page_exists() -> None:
    text = Path(__file__).parents[3].joinpath("docs", "guides", "text.md").read_text(encoding="utf-8")
    page = {
        name
        for name in re.findall(r"--[a-z][a-z-]+", text)
        if name
        not in ("--no-deps", "--texts", "--labels", "--top", "--count", "--power", "--weight", "--characters")
    }
    known = {name for action in _parser()._actions for name in action.option_strings}
    assert page <= known


@pytest.mark.parametrize("name", RECIPES)
def test_the_table_of_recipes(name: str) -> None:
    text = Path(__file__).parents[3].joinpath("docs", "guides", "text.md").read_text(encoding="utf-8")
    given = defaults(name, "models/bert")
    loop, head = build(LoopOptions, given), build(LabelHeadOptions, given)
    longest = build(EncoderOptions, given).max_len or 512
    cells = [
        f"`{name}`", f"{head.num_groups:,}", str(loop.epochs), str(loop.batch_size),
        str(longest), str(head.hidden_dim or "–"), str(head.candidates_topk),
    ]  # fmt: skip
    sizes, averaging = (
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in text.splitlines()
        if line.startswith(f"| `{name}`")
    )
    assert sizes == cells
    assert averaging == [f"`{name}`", f"{loop.swa_start:.0%}", f"{loop.swa_steps:,} updates"]
    assert build(LoopOptions, {**given, "epochs": 3}).epochs == 3


def test_a_newcomer_s_own_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's commands and the page's Python, on a user's two files."""
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "data" / "mine")
    for name in ("test_texts.txt", "test_labels.txt"):
        (tmp_path / "data" / "mine" / name).unlink()
    assert run("--dataset", "data/mine", *QUICK, "--output", "runs/mine") == 0
    Path("runs/new.txt").write_text("alpha3 beta7 noise1\n")
    capsys.readouterr()
    assert run("ensemble", "runs/mine", "runs/mine", "--texts", "runs/new.txt") == 0
    (line,) = predicted(capsys.readouterr().out)
    assert len(line["labels"]) == 5
    assert run("export", "runs/mine", "--output", "model") == 0
    (example,) = blocks("docs/guides/text.md", "python")
    exec(compile(example, "docs/guides/text.md", "exec"), {"__name__": "example"})
    assert "'L" in capsys.readouterr().out
