"""Lines of text files, read so that every later program counts the same number of them.

A line ends at ``\\n`` and nowhere else. Python's ``str.splitlines`` also breaks at U+2028, U+0085, form feeds
and more; reading in text mode breaks at a lone carriage return; and ``str.split``, fairseq's tokeniser,
breaks tokens at all of them. So control characters and Unicode line separators inside a line become spaces.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from data_prep.errors import PrepError

_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_OR_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@dataclass
class Tally:
    """How often something happened, and the first line (counted from 1) where it did."""

    count: int = 0
    first_line: int | None = None

    def add(self, line_number: int) -> None:
        """Count one more."""
        self.count += 1
        if self.first_line is None:
            self.first_line = line_number


def safe_line(line: str) -> str:
    """``line`` with every control character and Unicode line separator replaced by one space."""
    return _CONTROL.sub(" ", line)


def plain_spaces(line: str) -> str:
    """``line`` stripped, with each run of control characters and Unicode white space as one ASCII space.

    fairseq splits tokens at any Unicode white space, so no subword may hold one.
    """
    return _CONTROL_OR_SPACE.sub(" ", line).strip()


def decode_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Decodes binary lines as strict UTF-8, and removes the byte order mark and the line ends."""
    for number, raw in enumerate(stream, start=1):
        if number == 1:
            raw = raw.removeprefix(_BOM)
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise PrepError(
                f"{name}: line {number} is not UTF-8 (byte {error.start + 1} is 0x{raw[error.start]:02x}); "
                "convert the file first, for example with iconv -f ISO-8859-1 -t UTF-8"
            ) from None
        yield line.removesuffix("\n").removesuffix("\r")


def open_input(path: Path) -> BinaryIO:
    """Opens a file for reading, or says in one sentence why that is not possible."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise PrepError(f"{path} does not exist; check the path") from None
    except OSError as error:
        raise PrepError(
            f"{path} cannot be read: {error.strerror}; check the path and its permissions"
        ) from None


def read_lines(path: Path) -> Iterator[str]:
    """The safe lines of a UTF-8 file."""
    with open_input(path) as stream:
        yield from map(safe_line, decode_lines(stream, str(path)))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write ``lines`` as UTF-8, each ended by ``\\n``."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(line + "\n" for line in lines)


def inspect_file(path: Path) -> dict[str, Any]:
    """Reads an input file once, for its digest, its size, its lines and tallies of what reading normalises.

    Text that is not UTF-8 is refused, and so is a file in which every line is empty.
    """
    if path.exists() and not path.is_file():
        raise PrepError(
            f"{path} is not a plain file; inputs are read more than once, so give a file that holds the text"
        )
    digest = hashlib.sha256()
    size = lines = 0
    notes = {
        name: Tally()
        for name in ("byte_order_mark", "carriage_return", "tab", "control_character", "empty_line")
    }

    def measured(stream: BinaryIO) -> Iterator[bytes]:
        nonlocal size, lines
        for raw in stream:
            digest.update(raw)
            size += len(raw)
            lines += 1
            if lines == 1 and raw.startswith(_BOM):
                notes["byte_order_mark"].add(1)
            if raw.endswith(b"\r\n"):
                notes["carriage_return"].add(lines)
            yield raw

    with open_input(path) as stream:
        for number, line in enumerate(decode_lines(measured(stream), str(path)), start=1):
            if "\t" in line:
                notes["tab"].add(number)
            if _CONTROL.search(line.replace("\t", "")):
                notes["control_character"].add(number)
            if not line.strip():
                notes["empty_line"].add(number)
    if notes["empty_line"].count == lines:
        raise PrepError(f"{path} is empty; every input file needs at least one line of text")
    return {
        "path": str(path.resolve()),
        "sha256": digest.hexdigest(),
        "bytes": size,
        "lines": lines,
        "notes": {name: asdict(tally) for name, tally in notes.items() if tally.count},
    }
