"""Command-line options from dataclasses: one field, one option, and back to JSON for the checkpoint."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from vision_xmc.common.errors import UsageError

Options = TypeVar("Options")


def option(
    default: Any,
    help: str,
    *,
    aliases: Sequence[str] = (),
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    may_change: bool = False,
) -> Any:
    """A dataclass field that is also a command-line option.

    Args:
        default: its default.
        help: its description.
        aliases: further names for it.
        metavar: what stands for its value in the help.
        choices: its possible values, if the type does not name them.
        may_change: a run may be resumed with another value.
    """
    shown = {"help": help, "metavar": metavar, "choices": choices}
    return dataclasses.field(
        default=default, metadata={**shown, "aliases": aliases, "may_change": may_change}
    )


class Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line instead of a page of usage."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help lists all options)\n")

    def convert_arg_line_to_args(self, line: str) -> list[str]:
        """Allows comments, and several options per line, in files (see ``fromfile_prefix_chars``)."""
        try:
            return shlex.split(line, comments=True)
        except ValueError as error:
            self.error(f"{error} in {line.strip()!r}")


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """Adds an option for each field of the dataclass ``cls``, in a group under its docstring's first line.

    Only options that are given end up in the namespace; :func:`build` fills in the rest.
    """
    group = parser.add_argument_group((cls.__doc__ or cls.__name__).split("\n")[0].rstrip("."))
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if "help" not in field.metadata:
            continue
        names = ["--" + field.name.replace("_", "-"), *field.metadata["aliases"]]
        keywords: dict[str, Any] = {"dest": field.name, **_reading(hints[field.name])}
        keywords["help"] = field.metadata["help"].replace("%", "%%") + _shown_default(field.default)
        keywords |= {key: field.metadata[key] for key in ("metavar", "choices") if field.metadata[key]}
        group.add_argument(*names, **keywords)


def build(cls: type[Options], given: dict[str, Any]) -> Options:
    """An instance of the dataclass ``cls``: the values in ``given`` that are its fields, else defaults."""
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in given.items() if name in known})


def as_plain(*groups: Any) -> dict[str, Any]:
    """The values of several option dataclasses in one dict of JSON types."""
    values: dict[str, Any] = {}
    for group in groups:
        values |= dataclasses.asdict(group)
    return json.loads(json.dumps(values, default=str))


def from_plain(cls: type[Options], values: dict[str, Any]) -> Options:
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


def _reading(hint: Any) -> dict[str, Any]:
    kind, many = _kind(hint)
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if many:
        return {"nargs": "+", "action": _Many, "type": _separated(kind)}
    return {"type": kind}


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
    if default is None or default is False or default == ():
        return ""
    return f" (default: {'on' if default is True else default})"


def shown_defaults(defaults: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence for the help that lists the defaults of each data set."""
    sets = (
        f"{dataset}: " + ", ".join(f"{name.replace('_', '-')} {value}" for name, value in values.items())
        for dataset, values in defaults.items()
    )
    return f"Some defaults depend on the data set: {'; '.join(sets)}."


def require(condition: bool, sentence: str) -> None:
    """Raises UsageError with ``sentence`` unless ``condition`` holds."""
    if not condition:
        raise UsageError(sentence)
