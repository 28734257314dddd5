"""The parser of ``python -m data_prep``: one table of commands, whose flags come from their options."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import NamedTuple

from data_prep.commands import run_decode, run_encode, run_order, run_prepare, run_reorder, run_score
from data_prep.options import (
    GROUPS,
    FilterOptions,
    InputOptions,
    OrderOptions,
    PrepareOptions,
    ReorderOptions,
    RunOptions,
    ScoreOptions,
)
from mhe_nmt.options import Parser, add_flags, build


class Command(NamedTuple):
    """A subcommand: its work takes an instance of each of its option classes, in their order."""

    name: str
    does: str
    run: Callable[..., None]
    options: tuple[type, ...]
    more: str = ""


COMMANDS = (
    Command(
        "prepare",
        "turn raw parallel text into a fairseq data folder",
        run_prepare,
        (RunOptions, InputOptions, PrepareOptions),
        "A second run with the same inputs and options does nothing, and an interrupted one is resumed.",
    ),
    Command("score", "score translations by detokenised sacreBLEU and chrF++", run_score, (ScoreOptions,)),
    Command(
        "encode",
        "turn raw text on standard input into the subwords of a data folder",
        run_encode,
        (FilterOptions,),
    ),
    Command("decode", "turn subwords on standard input back into raw text", run_decode, (FilterOptions,)),
    Command(
        "order",
        "write a label order for --mhe-label-order, learned from the training text",
        run_order,
        (OrderOptions,),
        "Words that occur in like contexts become neighbours, in clusters of equal size; a word's cluster is "
        "its first digit.",
    ),
    Command(
        "reorder",
        "copy a data folder, with the target dictionary in a learned order",
        run_reorder,
        (RunOptions, ReorderOptions),
        "Cascades and products then need no --mhe-label-order, and a tied embedding costs nothing more. A "
        "joined dictionary is reordered for both languages. Models trained on the old folder do not fit the "
        "new one.",
    ),
)


def build_parser() -> Parser:
    """The parser; ``run`` of its result takes the result and does the work."""
    parser = Parser(prog="python -m data_prep", description="Parallel text in, scores out, around fairseq.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        does = f"{command.does[0].upper()}{command.does[1:]}."
        added = commands.add_parser(
            command.name, help=command.does, description=f"{does} {command.more}".strip()
        )
        added.set_defaults(run=_runner(command))
        used = {field.metadata["group"] for cls in command.options for field in fields(cls)}
        groups = {
            title: added.add_argument_group(title, text) for title, text in GROUPS.items() if title in used
        }
        for cls in command.options:
            add_flags(added, cls, groups=groups)
    return parser


def _runner(command: Command) -> Callable[[argparse.Namespace], None]:
    return lambda args: command.run(*(build(cls, vars(args)) for cls in command.options))
