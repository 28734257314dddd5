"""The parallel files that ``prepare`` reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import PrepError
from data_prep.lines import inspect_file, read_lines


@dataclass(frozen=True)
class ParallelFiles:
    """The source and the target file of one split."""

    source: Path
    target: Path

    @classmethod
    def from_prefix(cls, option: str, prefix: str, languages: tuple[str, str]) -> "ParallelFiles":
        """``PREFIX.LANG`` for both languages, as in fairseq; both files must exist."""
        files = cls(*(Path(f"{prefix}.{lang}") for lang in languages))
        for path in (files.source, files.target):
            if not path.exists():
                stem = files.source.name.removesuffix(languages[0])
                similar = sorted(p.name for p in path.parent.glob("*") if p.name.startswith(stem))
                there = (
                    f"there is {', '.join(similar[:6])}" if similar else f"nothing there begins with {stem}"
                )
                raise PrepError(
                    f"{path} does not exist: {option} {prefix} with the language pair {'-'.join(languages)} "
                    f"means {files.source} and {files.target}, but {there}; check prefix and languages"
                )
        return files

    def __iter__(self) -> Iterator[Path]:
        return iter((self.source, self.target))

    def inspect(self) -> list[dict[str, Any]]:
        """Facts of both files; refused unless they have the same number of lines."""
        source, target = map(inspect_file, self)
        if source["lines"] != target["lines"]:
            raise PrepError(
                f"{self.source} has {source['lines']} lines but {self.target} has {target['lines']}; the two "
                "files of a parallel text need the same number, so find where they fall out of step"
            )
        return [source, target]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """The safe lines of both files, side by side."""
        return zip(read_lines(self.source), read_lines(self.target), strict=True)
