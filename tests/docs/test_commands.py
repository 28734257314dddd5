"""Every command in the pages is one that its program takes."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from fairseq import options as fairseq_options

from mhe_nmt.options import build
from tests.docs.pages import DOCS, REPOSITORY, commands, written_pages
from vision_xmc.engine.options import LoopOptions
from vision_xmc.face.options import ClassifierOptions, FaceOptions, defaults

PAGES = written_pages()
#: Programs of the shell, and those that only set things up.
NOT_OURS = {"source", "export", "for", "done", "head", "grep", "echo", "make", "wait", "fi"}
FAIRSEQ = {
    "fairseq-train": fairseq_options.get_training_parser,
    "fairseq-generate": fairseq_options.get_generation_parser,
    "fairseq-interactive": fairseq_options.get_interactive_generation_parser,
}


@cache
def hook() -> ModuleType:
    """``docs/hooks/option_pages.py``, which knows how to get at a command's parser."""
    spec = importlib.util.spec_from_file_location("option_pages", DOCS / "hooks" / "option_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def parse(words: list[str]) -> argparse.Namespace | None:
    """The parsed arguments of a command of this project; ``None`` for a script or another program."""
    if "-m" in words:
        module, arguments = words[words.index("-m") + 1], words[words.index("-m") + 2 :]
        name = f"{module}.__main__" if REPOSITORY.joinpath(*module.split(".")).is_dir() else module
        parser, given = hook().parsing_of(hook().Command(module, name, tuple(arguments)))
        return parser.parse_args(given)
    if words[0] in FAIRSEQ:
        return fairseq_options.parse_args_and_arch(FAIRSEQ[words[0]](), words[1:])
    assert words[0] in NOT_OURS | {"python"} or "=" in words[0], words
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_commands_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for words in commands(page):
        try:
            parse(words)
        except SystemExit:
            pytest.fail(f"{page.name}: {' '.join(words)} is refused")


def test_options_of_face_trainings_fit_together() -> None:
    found = 0
    for page in PAGES:
        for words in commands(page):
            if "vision_xmc.face" in words and "train" in words:
                parsed = parse(words)
                assert parsed is not None
                given = {**defaults(vars(parsed)), **vars(parsed)}
                for group in (FaceOptions, ClassifierOptions, LoopOptions):
                    build(group, given)
                found += 1
    assert found > 6


def test_there_are_many_commands() -> None:
    assert sum(1 for page in PAGES for _ in commands(page)) > 80


def test_each_source_has_a_command() -> None:
    """`coming from` ends each table with a full command."""
    text = (DOCS / "guides" / "coming-from.md").read_text(encoding="utf-8")
    sections = [part for part in text.split("\n## ")[1:] if "\n### " not in part]
    sections += [part for whole in text.split("\n## ")[1:] for part in whole.split("\n### ")[1:]]
    assert len(sections) >= 9
    for section in sections:
        assert "```bash" in section, section.splitlines()[0]
        assert "\n|---|---|\n" in section, section.splitlines()[0]
