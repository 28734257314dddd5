"""Command-line options from dataclasses: one field is one option, from flag and help to the JSON of a run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

Options = TypeVar("Options")

REQUIRED = dataclasses.MISSING
"""In the place of a default: the option must be given."""


def option(
    default: Any,
    help: str,
    *,
    aliases: Sequence[str] = (),
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    least: float | None = None,
    most: float | None = None,
    group: str | None = None,
    one_of: str | None = None,
    may_change: bool = False,
    **more: Any,
) -> Any:
    """A dataclass field that is also a command-line option.

    Args:
        default: its default, or :data:`REQUIRED`.
        help: its description; the default is added to it unless it is None, off or empty.
        aliases: further flags, dashes included.
        metavar: what stands for its value in the help.
        choices: its possible values, if the type does not name them.
        least: the least number that is allowed.
        most: the greatest number that is allowed.
        group: title of the group of the help that lists it.
        one_of: exactly one of the options that share this word must be given.
        may_change: a run may be resumed with another value.
        more: whatever else the program wants to know of the option, for the field's metadata.
    """
    about = {"help": help, "aliases": tuple(aliases), "metavar": metavar, "choices": choices, "least": least}
    about |= {"most": most, "group": group, "one_of": one_of, "may_change": may_change, **more}
    return dataclasses.field(default=default, metadata=about)


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line instead of a page of usage."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "argument_default": argparse.SUPPRESS, **settings})

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help lists all options)\n")

    def convert_arg_line_to_args(self, line: str) -> list[str]:
        """Allows comments, and several options per line, in files (see ``fromfile_prefix_chars``)."""
        try:
            return shlex.split(line, comments=True)
        except ValueError as error:
            self.error(f"{error} in {line.strip()!r}")


def flag_of(name: str) -> str:
    """The flag of the option ``name``."""
    return "--" + name.replace("_", "-")


def add_flags(
    parser: argparse._ActionsContainer,
    cls: type,
    *,
    groups: Mapping[str, argparse._ActionsContainer] | None = None,
) -> None:
    """Adds a flag for each field of the dataclass ``cls`` that :func:`option` made.

    Only options that are given end up in the namespace; :func:`build` fills in the rest.

    Args:
        parser: gets the flags; a parser or a group of one.
        cls: the dataclass.
        groups: of the parser, by the titles that fields name.
    """
    hints = get_type_hints(cls)
    exclusive: dict[str, argparse._ActionsContainer] = {}
    for field in dataclasses.fields(cls):
        about = field.metadata
        if "help" not in about:
            continue
        target = groups[about["group"]] if groups and about["group"] else parser
        if about["one_of"]:
            if about["one_of"] not in exclusive:
                exclusive[about["one_of"]] = parser.add_mutually_exclusive_group(required=True)
            target = exclusive[about["one_of"]]
        keywords = flag_keywords(field, hints[field.name])
        if field.default is REQUIRED:
            keywords["required"] = True
        target.add_argument(
            *(alias for alias in about["aliases"] if not alias.startswith("--")),
            flag_of(field.name),
            *(alias for alias in about["aliases"] if alias.startswith("--")),
            dest=field.name,
            default=argparse.SUPPRESS,
            **keywords,
        )


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """:func:`add_flags`, in a group under the first line of the docstring of ``cls``."""
    title = (cls.__doc__ or cls.__name__).split("\n")[0].rstrip(".")
    add_flags(parser.add_argument_group(title), cls)


def flag_keywords(field: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    """What ``add_argument`` must know of an option: how it is read, and its help."""
    about = field.metadata
    keywords = _reading(hint, about["least"], about["most"])
    keywords |= {key: about[key] for key in ("metavar", "choices") if about[key]}
    keywords["help"] = about["help"].replace("%", "%%") + _shown_default(field.default)
    return keywords


def build(cls: type[Options], given: Mapping[str, Any]) -> Options:
    """An instance of the dataclass ``cls``: the values in ``given`` that are its fields, else defaults."""
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in given.items() if name in known})


def as_plain(*groups: Any) -> dict[str, Any]:
    """The values of several option dataclasses in one dict of JSON types."""
    values: dict[str, Any] = {}
    for group in groups:
        values |= dataclasses.asdict(group)
    return json.loads(json.dumps(values, default=str))


def from_plain(cls: type[Options], values: Mapping[str, Any]) -> Options:
    """What :func:`as_plain` wrote, as an instance of ``cls``."""
    hints = get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls) if field.name in values]  # type: ignore[arg-type]
    return cls(**{name: _restored(hints[name], values[name]) for name in known})


def fixed_names(*classes: type) -> list[str]:
    """Names of the options that must have the same values when a run is resumed."""
    return [
        field.name
        for cls in classes
        for field in dataclasses.fields(cls)
        if not field.metadata.get("may_change")
    ]


def shown_defaults(defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence for the help that lists the defaults of each data set."""
    sets = (
        f"{dataset}: " + ", ".join(f"{name.replace('_', '-')} {value}" for name, value in values.items())
        for dataset, values in defaults.items()
    )
    return f"Some defaults depend on the data set: {'; '.join(sets)}."


def _restored(hint: Any, value: Any) -> Any:
    kind, many = _kind(hint)
    if value is None:
        return None
    if many:
        return tuple(value)
    return Path(value) if kind is Path else value


def _kind(hint: Any) -> tuple[Any, bool]:
    """The type behind an optional or a tuple, and whether it was a tuple."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    return hint, False


def _reading(hint: Any, least: float | None, most: float | None) -> dict[str, Any]:
    kind, many = _kind(hint)
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if many:
        return {"nargs": "+", "action": _Many, "type": _separated(kind)}
    if least is not None or most is not None:
        return {"type": _number(kind, least, most)}
    return {"type": kind}


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


def _separated(kind: type) -> Any:
    """Reads ``10,10`` as well as ``10 10``."""

    def read(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",") if part] if kind is not Path else [Path(text)]

    read.__name__ = kind.__name__
    return read


class _Many(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, tuple(part for value in values for part in value))


def _shown_default(default: Any) -> str:
    if default is REQUIRED or default is None or default is False or default == ():
        return ""
    return f" (default: {'on' if default is True else default})"
