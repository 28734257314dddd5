"""Flags from dataclasses: each option is one field, from which its flag, help, default and check come."""

import argparse
import types
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

Options = TypeVar("Options")


@dataclass(frozen=True)
class About:
    """What a field does not say by its name, type and default."""

    help: str
    short: str | None
    metavar: str | None
    choices: Sequence[str] | None
    least: float | None
    most: float | None
    group: str | None
    one_of: str | None
    stage: str | None


def option(
    help: str,
    *,
    default: Any = MISSING,
    short: str | None = None,
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    least: float | None = None,
    most: float | None = None,
    group: str | None = None,
    one_of: str | None = None,
    stage: str | None = None,
) -> Any:
    """A dataclass field that is also a command-line option.

    Args:
        help: its description; the default is added to it unless that is None or off.
        default: its default; without one the option must be given.
        short: a second flag, such as ``-s``.
        metavar: what stands for its value in the help.
        choices: its possible values.
        least: the least number that is allowed.
        most: the greatest number that is allowed.
        group: title of the group of the help that lists it.
        one_of: exactly one of the options that share this word must be given.
        stage: the first stage of ``prepare`` whose output depends on it.
    """
    about = About(help, short, metavar, choices, least, most, group, one_of, stage)
    return field(default=default, metadata={"about": about})


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help lists all options)\n")


def flag_of(name: str) -> str:
    """The flag of the field ``name``."""
    return "--" + name.replace("_", "-")


def about(of: "Field[Any]") -> About:
    """What :func:`option` was told of a field."""
    return of.metadata["about"]


def add_flags(parser: Parser, cls: type, groups: dict[str, argparse._ArgumentGroup]) -> None:
    """Adds a flag for each field of the dataclass ``cls``.

    Only the flags that are given end up in the namespace; :func:`build` leaves the rest to the dataclass.

    Args:
        parser: the parser of one command.
        cls: a dataclass whose fields are all made by :func:`option`.
        groups: the groups of ``parser`` by title.
    """
    hints = get_type_hints(cls)
    exclusive: dict[str, argparse._MutuallyExclusiveGroup] = {}
    for of in fields(cls):
        said = about(of)
        target: argparse._ActionsContainer = groups[said.group] if said.group else parser
        if said.one_of:
            if said.one_of not in exclusive:
                exclusive[said.one_of] = parser.add_mutually_exclusive_group(required=True)
            target = exclusive[said.one_of]
        keywords = _reading(hints[of.name], of.default, said)
        if of.default is MISSING:
            keywords["required"] = True
        target.add_argument(
            *filter(None, (said.short, flag_of(of.name))),
            dest=of.name,
            default=argparse.SUPPRESS,
            help=said.help.replace("%", "%%") + _shown(of.default),
            **keywords,
        )


def build(cls: type[Options], given: argparse.Namespace) -> Options:
    """An instance of the dataclass ``cls`` with the flags that were given, and its defaults for the rest."""
    names = [of.name for of in fields(cls) if hasattr(given, of.name)]  # type: ignore[arg-type]
    return cls(**{name: getattr(given, name) for name in names})


def _reading(hint: Any, default: Any, said: About) -> dict[str, Any]:
    """How argparse reads a value of this type."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hint is bool:
        return {"action": "store_true" if default is False else argparse.BooleanOptionalAction}
    keywords: dict[str, Any] = {"metavar": said.metavar, "choices": said.choices}
    if hint in (int, float):
        keywords["type"] = _number(hint, said.least, said.most)
    elif hint is Path:
        keywords["type"] = Path
    return keywords


def _number(kind: type, least: float | None, most: float | None) -> Callable[[str], float]:
    allowed = f"{least} to {most}" if most is not None else f"{least} or more"

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}; use {allowed}") from None
        if not ((least is None or value >= least) and (most is None or value <= most)):
            raise argparse.ArgumentTypeError(f"{text} is out of range; use {allowed}")
        return value

    return read


def _shown(default: Any) -> str:
    if default is MISSING or default is None or default is False:
        return ""
    return f" (default: {'on' if default is True else default})"
