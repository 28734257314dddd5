"""The pages of the documentation, and what stands in their code blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced code block: its language, the file that it is a part of, if any, and its text."""

    language: str
    file: str | None
    text: str


def written_pages() -> list[Path]:
    """Pages written by hand: all but the results, which scripts write."""
    return [page for page in sorted(DOCS.rglob("*.md")) if DOCS / "results" not in page.parents]


def blocks(page: Path) -> list[Block]:
    """The fenced code blocks of a page, in order."""
    return [
        Block(language, file or None, text)
        for language, file, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command in a page's shell blocks, with its variables and arrays filled in."""
    variables: dict[str, str] = {}
    for block in blocks(page):
        if block.language != "bash":
            continue
        text = block.text.replace("\\\n", " ")
        arrays = re.findall(r"^(\w+)=\((.*?)\)$", text, re.DOTALL | re.MULTILINE)
        for name, values in [*arrays, *re.findall(r'^(\w+)="(.*?)"$', text, re.DOTALL | re.MULTILINE)]:
            variables[name] = " ".join(values.split())
        text = re.sub(r"^\w+=\(.*?\)$", "", text, flags=re.DOTALL | re.MULTILINE)
        # Of a loop, its first round.
        variables |= dict(re.findall(r"^for (\w+) in (\S+?)[ ;]", text, re.MULTILINE))
        for name, value in variables.items():
            text = text.replace(f'"${{{name}[@]}}"', value).replace(f"${name}", value)
        for line in text.splitlines():
            words = shlex.split(re.sub(r"[<>] ?\S+|; done|; wait|&$|\| .*", "", line), comments=True)
            if words:
                yield words
