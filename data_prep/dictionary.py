"""fairseq's dictionary, written from the SentencePiece vocabulary.

Left to itself, fairseq-preprocess would take every token of the training text: rare characters that
SentencePiece does not know would become entries, and byte pieces that do not occur in the text would not.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data_prep.lines import read_lines, write_lines

SPECIAL_SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>")
"""fairseq's own symbols, which it puts before the entries of the file."""

_MULTIPLE = 8


def write_dictionary(path: Path, pieces: Iterable[str], counts: Counter[str]) -> None:
    """Writes ``pieces`` in fairseq's order, the most frequent first, padded like fairseq's own dictionaries.

    The padding makes the number of labels a multiple of 8, which suits tensor cores.
    """
    entries = [f"{piece} {counts[piece]}" for piece in sorted(pieces, key=lambda p: (-counts[p], p))]
    padding = -(len(entries) + len(SPECIAL_SYMBOLS)) % _MULTIPLE
    write_lines(path, entries + [f"madeupword{number:04d} 0" for number in range(padding)])


def read_symbols(path: Path) -> list[str]:
    """The symbols of a dictionary file in the order of their numbers, fairseq's own first."""
    return [*SPECIAL_SYMBOLS, *(line.rsplit(" ", 1)[0] for line in read_lines(path))]


def write_reordered(path: Path, dictionary: Path, ranks: np.ndarray) -> None:
    """Writes the entries of ``dictionary`` in the order of their ranks, each with its count.

    fairseq's own symbols stay first, whatever their ranks are. Where they have the ranks 0 to 3, the symbol
    at line ``i`` of the order is symbol ``i`` of the new dictionary.

    Args:
        path: of the new dictionary file; it may be ``dictionary`` itself.
        dictionary: a dictionary file.
        ranks: ``(V,)`` int64, of symbols 0, 1, 2 … of ``dictionary``, fairseq's own included.
    """
    entries = list(read_lines(dictionary))
    write_lines(path, [entries[number] for number in np.argsort(ranks[len(SPECIAL_SYMBOLS) :])])
