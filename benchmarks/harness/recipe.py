"""How a row was made: its commands as lists of arguments, and what tables show of them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Any

from benchmarks.harness.process import ROOT
from benchmarks.harness.results import Row


def recipe(commands: Sequence[Sequence[str]], **facts: Any) -> Row:
    """The part of a row that says how it was made.

    Args:
        commands: in the order in which they ran; paths inside the repository become relative to it.
        facts: what tables show of them, such as the number of updates.
    """
    return {"recipe": {**facts, "commands": [[_relative(part) for part in line] for line in commands]}}


def _relative(part: str) -> str:
    return part.replace(f"{ROOT}{os.sep}", "")


def shell_lines(row: Row) -> list[str]:
    """The row's commands as one would type them in the repository's folder."""
    return [shlex.join(command) for command in row["recipe"]["commands"]]


def script(titled: Sequence[tuple[str, Row]], preparation: Sequence[str] = ()) -> str:
    """A shell script with the commands of all rows, each under its title."""
    parts = ["# From the repository's folder.", *preparation]
    parts += ["\n".join([f"# {title}", *shell_lines(row)]) for title, row in titled]
    return "\n\n".join(parts) + "\n"
