"""fairseq's dictionary, written from the SentencePiece vocabulary.

Left to itself, fairseq-preprocess would take every token of the training text: rare characters that
SentencePiece does not know would become entries, and byte pieces that do not occur in the text would not.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from data_prep.lines import write_lines

_SPECIAL_SYMBOLS = 4  # <s>, <pad>, </s> and <unk>, which fairseq adds itself
_MULTIPLE = 8


def write_dictionary(path: Path, pieces: Iterable[str], counts: Counter[str]) -> None:
    """Writes ``pieces`` in fairseq's order, the most frequent first, padded like fairseq's own dictionaries.

    The padding makes the number of labels a multiple of 8, which suits tensor cores.
    """
    entries = [f"{piece} {counts[piece]}" for piece in sorted(pieces, key=lambda p: (-counts[p], p))]
    padding = -(len(entries) + _SPECIAL_SYMBOLS) % _MULTIPLE
    write_lines(path, entries + [f"madeupword{number:04d} 0" for number in range(padding)])
