"""What the comparisons of whole trainings share: options, doing everything once, rows and reports."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from benchmarks.harness.process import CommandError, run_logged, shown, stop_others
from benchmarks.harness.results import Row, append_row, read_rows, write_whole
from benchmarks.harness.runner import processor_name, versions, write_json

Item = TypeVar("Item")
DONE = "commands.json"


def new_parser(program: str, doc: str | None, kind: str, name: str) -> argparse.ArgumentParser:
    """A parser with the options of all comparisons.

    Args:
        program: what starts it, such as `benchmarks.image`.
        doc: its docstring; the first paragraph is the description, the second the epilog.
        kind: what it compares, in the plural.
        name: of the folder of trainings and of the results, which may depend on another option.
    """
    paragraphs = (doc or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}", description=paragraphs[0], epilog=paragraphs[1]
    )
    add = parser.add_argument
    # fmt: off
    add("--only", nargs="+", metavar="NAME", help=f"some of the {kind}, by the names in the table")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads each (default: %(default)s)")
    add("--more", default="", metavar="OPTIONS", help="more options of our trainings, such as '--device cpu'")
    add("--runs", type=Path, metavar="DIR", help=f"folder of the trainings (default: runs/{name})")
    add("--results", type=Path, metavar="FILE", help=f"default: docs/results/{name}.jsonl")
    # fmt: on
    return parser


def chosen(only: Sequence[str] | None, known: Collection[str], kind: str) -> list[str]:
    """The names of `--only`, or all. Raises CommandError naming one that is not known."""
    for name in only or ():
        if name not in known:
            raise CommandError(f"--only {name!r}: the {kind} are {', '.join(map(repr, known))}")
    return list(only or known)


def folder_of(name: str) -> str:
    """A row's name as that of a folder."""
    return name.replace(",", "").replace("%", "").replace(" ", "-")


def run_once(
    commands: Sequence[Sequence[str]],
    folder: Path,
    threads: int,
    *,
    first: Callable[[], None] = lambda: None,
    on_line: Callable[[str], None] | None = None,
) -> bool:
    """Runs the commands, unless these very ones have all been run with this folder.

    Args:
        commands: what fills the folder.
        folder: keeps the log and a record of the commands.
        threads: of the processor, each.
        first: called before the first command.
        on_line: sees what they print.

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
    """Does `work` for each item, `jobs` at a time; when one fails, the others are stopped."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for _ in pool.map(work, items):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_others()
            raise


def keep(row: Row, results: Path, report: Callable[[list[Row]], str]) -> None:
    """Adds a new row to the .jsonl file and writes the report of all of them beside it (.md)."""
    if row not in read_rows(results):
        append_row(results, row)
    write_whole(results.with_suffix(".md"), report(read_rows(results)))


def surroundings(*packages: str) -> Row:
    """The part of a row that says what it was measured with and on."""
    found = {package: version(package) for package in packages}
    return {"versions": {"python": versions()["python"], **found}, "processor": processor_name()}


def measured_with(rows: Sequence[Row]) -> str:
    """A sentence of the report on versions and machines."""
    numbers = ", ".join(f"{package} {number}" for package, number in rows[-1]["versions"].items())
    machines = "; ".join(dict.fromkeys(f"{row['processor']}, {row['threads']} thread(s)" for row in rows))
    return f"Measured with {numbers}, on {machines}."


def command_section(rows: Sequence[Row], program: str) -> str:
    """The part of a report with the commands of all rows; `program` is the command that runs them."""
    commands = "\n\n".join("\n".join([f"# {row['name']}", *row["commands"]]) for row in rows)
    return f"""## Commands

From the repository's folder; `python -m {program}` runs them all.

```sh
{commands}
```
"""
