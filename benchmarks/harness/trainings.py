"""What the comparisons of whole trainings share: options, running each training once, and their rows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from benchmarks.harness.process import CommandError, run_logged, shown, stop_others
from benchmarks.harness.results import Row, append_row, read_rows, write_json
from benchmarks.harness.runner import processor_name, versions

Item = TypeVar("Item")
DONE = "commands.json"


def new_parser(program: str, doc: str | None, kind: str, name: str) -> argparse.ArgumentParser:
    """A parser with the options of all comparisons.

    Args:
        program: the module that starts it, such as `benchmarks.image`.
        doc: its docstring; the first paragraph is the description, the second the epilog.
        kind: what it compares, in the plural.
        name: of the folder of trainings and of the results; may contain the name of another option.
    """
    paragraphs = (doc or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}", description=paragraphs[0], epilog=paragraphs[1]
    )
    add = parser.add_argument
    # fmt: off
    add("--only", nargs="+", metavar="NAME", help=f"some of the {kind}, by their ids")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads of each (default: %(default)s)")
    add("--more", default="", metavar="OPTIONS",
        help="further options of our trainings, such as '--device cpu'")
    add("--runs", type=Path, metavar="DIR", help=f"folder of the trainings (default: runs/{name})")
    add("--results", type=Path, metavar="FILE", help=f"default: docs/results/{name}.jsonl")
    # fmt: on
    return parser


def chosen(only: Sequence[str] | None, known: Collection[str], kind: str) -> list[str]:
    """The names of `--only`, or all. Raises CommandError for a name that is not known."""
    for name in only or ():
        if name not in known:
            raise CommandError(f"--only {name!r}: the {kind} are {', '.join(map(repr, known))}")
    return list(only or known)


def folder_of(name: str) -> str:
    """A row's name as the name of a folder."""
    return name.replace(",", "").replace(" ", "-")


def run_once(
    commands: Sequence[Sequence[str]],
    folder: Path,
    threads: int,
    *,
    first: Callable[[], None] = lambda: None,
    on_line: Callable[[str], None] | None = None,
) -> bool:
    """Runs the commands, unless exactly these have all been run with this folder.

    Args:
        commands: they fill the folder.
        folder: keeps the log and a record of the commands.
        threads: CPU threads of each command.
        first: called before the first command.
        on_line: is given each line that they print.

    Returns:
        Whether they were run. Raises CommandError if one fails.
    """
    done = folder / DONE
    listed = [list(command) for command in commands]
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == listed:
        return False
    first()
    for command in commands:
        print(f"$ {shown(command)}", flush=True)
        run_logged(command, folder / "log.txt", threads=threads, on_line=on_line)
    write_json(done, listed)
    return True


def in_turn(items: Sequence[Item], work: Callable[[Item], None], jobs: int = 1) -> None:
    """Does `work` for each item, `jobs` of them at a time; if one fails, the others are stopped."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for _ in pool.map(work, items):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_others()
            raise


def keep(row: Row, results: Path) -> None:
    """Adds a row to the .jsonl file, unless the same row is there already."""
    if row not in read_rows(results):
        append_row(results, row)


def surroundings(*packages: str) -> Row:
    """The part of a row that names the versions and the processor it was measured with."""
    numbers = {package: version(package) for package in packages}
    return {"versions": {"python": versions()["python"], **numbers}, "processor": processor_name()}
