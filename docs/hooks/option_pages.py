"""Writes the pages of options while the site is built, from the commands' own argument parsers.

``mkdocs.yml`` names this file as a hook. The repository keeps no page of options, so none can fall behind.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock


@dataclass(frozen=True)
class Command:
    """A command whose module's ``main`` parses ``arguments`` with argparse before it does anything."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """One generated page: its file, its title, the sentence under the title, and the commands it lists."""

    path: str
    title: str
    introduction: str
    commands: tuple[Command, ...]


PAGES = (
    Page(
        "reference/options-data-prep.md",
        "Options of data_prep",
        "How these commands work together is told in [Preparing data](../guides/data.md).",
        (Command("python -m data_prep", "data_prep.cli"),),
    ),
    Page(
        "reference/options-images.md",
        "Options of the image trainer",
        "The guide is [Images](../guides/images.md).",
        (Command("python -m vision_xmc.image", "vision_xmc.image.__main__"),),
    ),
    Page(
        "reference/options-text.md",
        "Options of the text trainer",
        "The guide is [Text with very many labels](../guides/text.md).",
        tuple(
            Command(
                f"python -m vision_xmc.xmc {below}".strip(), "vision_xmc.xmc.__main__", tuple(below.split())
            )
            for below in ("", "predict", "ensemble", "neighbours", "export")
        ),
    ),
    Page(
        "reference/options-faces.md",
        "Options of the face commands",
        "The guides are [Faces](../guides/faces.md) and [Verifying faces](../guides/faces-verification.md).",
        (
            Command("python -m vision_xmc.face train", "vision_xmc.face.__main__", ("train",)),
            Command("python -m vision_xmc.face", "vision_xmc.face.__main__"),
        ),
    ),
    Page(
        "reference/options-demo.md",
        "Options of the demo",
        "The tutorial is [A first translation model](../tutorials/translation.md).",
        (
            Command("python -m examples.demo", "examples.demo.__main__"),
            Command("python -m examples.demo.corpus", "examples.demo.corpus"),
        ),
    ),
)
FAIRSEQ_PAGE = "reference/options-fairseq.md"


class _Parsing(Exception):
    """Carries the parser, and what it was given, out of the command that was about to parse."""

    def __init__(self, parser: argparse.ArgumentParser, arguments: list[str]) -> None:
        super().__init__()
        self.parser, self.arguments = parser, arguments


def parsing_of(command: Command) -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser that the command reads its options with, and the arguments that it gives to it."""

    def caught(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        raise _Parsing(self, list(sys.argv[1:] if args is None else args))

    module = importlib.import_module(command.module)
    # A small script has no function of that name; it is run as a command is.
    main: Callable[[], Any] = getattr(module, "main", None) or (
        lambda: runpy.run_module(command.module, run_name="__main__")
    )
    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", caught),
        mock.patch.object(sys, "argv", [command.name, *command.arguments]),
    ):
        try:
            main()
        except _Parsing as found:
            return found.parser, found.arguments
    raise RuntimeError(f"{command.name} parsed no arguments")


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser that the command reads its options with."""
    return parsing_of(command)[0]


def page_text(page: Page) -> str:
    """The whole page in Markdown."""
    parts = [f"# {page.title}", page.introduction]
    for command in page.commands:
        for name, parser in _with_commands_below(command.name, parser_of(command)):
            parts += [f"## `{name}`", *_described(parser), *_groups(parser)]
    return "\n\n".join(parts) + "\n"


def fairseq_page_text() -> str:
    """What the plug-in adds to fairseq's own options: the model's, the criterion's and the task's."""
    importlib.import_module("user_dir")
    from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
    from fairseq.dataclass.utils import gen_parser_from_dataclass
    from fairseq.models.transformer import TransformerModel
    from fairseq.tasks.translation import TranslationConfig

    from user_dir.models.transformer_mhe import TransformerMHEModel
    from user_dir.tasks.config import TranslationMHEConfig

    model, plain, criterion, task, translation = (argparse.ArgumentParser(add_help=False) for _ in range(5))
    TransformerMHEModel.add_args(model)
    TransformerModel.add_args(plain)
    gen_parser_from_dataclass(criterion, CRITERION_DATACLASS_REGISTRY["mhe_ce"]())
    gen_parser_from_dataclass(task, TranslationMHEConfig())
    gen_parser_from_dataclass(translation, TranslationConfig())
    average = Command("python -m user_dir.average_checkpoints", "user_dir.average_checkpoints")
    parts = [
        "# Options of the fairseq plug-in",
        "All options of `fairseq-train`, `fairseq-generate` and their kin keep their meaning; "
        "`fairseq-train --help` lists them. The guide is [The fairseq plug-in](../guides/fairseq.md).",
        "## `--arch transformer_mhe…`",
        "Every option of fairseq's `transformer`, and these:",
        _table(model, _added(model, plain)),
        "## `--criterion mhe_ce`",
        _table(criterion, criterion._actions),
        "## `--task translation_mhe`",
        "Every option of fairseq's `translation`, and this one, which also `fairseq-generate` takes:",
        _table(task, _added(task, translation)),
        f"## `{average.name}`",
        _table(parser_of(average), parser_of(average)._actions),
    ]
    return "\n\n".join(parts) + "\n"


def _added(parser: argparse.ArgumentParser, plain: argparse.ArgumentParser) -> list[argparse.Action]:
    """The parser's actions that ``plain`` does not have."""
    known = {action.dest for action in plain._actions}
    return [action for action in parser._actions if action.dest not in known]


def _with_commands_below(
    name: str, parser: argparse.ArgumentParser
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for word, inner in action.choices.items():
            # A command that is only announced here, and parsed elsewhere, has no options yet.
            if inner._actions:
                yield f"{name} {word}", inner


def _described(parser: argparse.ArgumentParser) -> list[str]:
    # Modules' docstrings name the command for --help; here it is the heading.
    description = re.sub(r":?\s*``python -m [^`]*``", "", parser.description or "")
    return [_plain(text) for text in (description, parser.epilog) if text]


def _groups(parser: argparse.ArgumentParser) -> Iterator[str]:
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]
        if not actions:
            continue
        if group.title and group.title not in ("options", "positional arguments"):
            yield f"**{group.title[0].upper()}{group.title[1:]}.** {_plain(group.description or '')}".strip()
        yield _table(parser, actions)


def _table(parser: argparse.ArgumentParser, actions: list[argparse.Action]) -> str:
    formatter = parser._get_formatter()
    rows = ["| option | meaning |", "|---|---|"]
    for action in actions:
        if isinstance(action, argparse._HelpAction) or action.help == argparse.SUPPRESS:
            continue
        # Options and their values stand together; a choice's bars would end the cell.
        names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        value = "" if action.nargs == 0 or not action.option_strings else formatter._format_args(
            action, formatter._get_default_metavar_for_optional(action)
        )  # fmt: skip
        shown = f"{names} {value}".strip().replace("|", "\\|")
        meaning = formatter._expand_help(action) if action.help else ""
        if "default" not in meaning and action.default not in (None, False, argparse.SUPPRESS):
            meaning += f" (default: {action.default})"
        rows.append(f"| `{shown}` | {_plain(meaning)} |")
    return "\n".join(rows)


def _plain(text: str) -> str:
    """Help text as one line of Markdown; what stands between back-ticks stays code."""
    parts = re.split(r"`+([^`]+)`+", " ".join(text.split()))
    for place, part in enumerate(parts):
        parts[place] = f"`{part}`" if place % 2 else re.sub(r"([\\*_\[\]<>|])", r"\\\1", part)
    return "".join(parts)


@contextmanager
def _logging_unchanged() -> Iterator[None]:
    """Importing fairseq sets the root logger's level and handlers, which are MkDocs's here."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def on_files(files: Any, config: Any) -> Any:
    """MkDocs calls this when it has listed the pages; the generated ones are added to them."""
    from mkdocs.structure.files import File

    with _logging_unchanged():
        texts = {page.path: page_text(page) for page in PAGES}
        texts[FAIRSEQ_PAGE] = fairseq_page_text()
    for path, text in texts.items():
        files.append(File.generated(config, path, content=text))
    return files
