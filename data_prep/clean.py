"""Filters for training pairs. Validation and test sets never pass through them."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from data_prep.lines import Tally, plain_spaces

RATIO_FREE_WORDS = 5
"""Pairs whose longer side has at most this many words are too short for a length ratio to mean anything."""

# Scripts written without spaces. A Han or Kana character counts as one word; in the alphabetic scripts of
# South-East Asia, four characters do.
_HAN_KANA = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SOUTH_EAST_ASIAN = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}


def count_words(line: str) -> int:
    """Length of a line in words, comparable between scripts with and without spaces."""
    words = len(line.split())
    if not line.isascii():
        words += len(_HAN_KANA.findall(line)) + len(_SOUTH_EAST_ASIAN.findall(line)) // 4
    return words


def is_empty(line: str) -> bool:
    """True when the line shows nothing; zero-width characters are invisible."""
    return all(unicodedata.category(character) in _INVISIBLE for character in line)


class PairKey(NamedTuple):
    """Digests of the two sides of a pair, equal for sentences that differ in white space only."""

    source: bytes
    target: bytes

    @classmethod
    def of(cls, source: str, target: str) -> "PairKey":
        """The key of a pair."""
        return cls(_digest(source), _digest(target))

    @property
    def pair(self) -> bytes:
        """One digest for both sides."""
        return self.source + self.target


def _digest(line: str) -> bytes:
    # Eight bytes per side: sets of them must fit in memory for corpora of many millions of pairs.
    return hashlib.blake2b(plain_spaces(line).encode("utf-8"), digest_size=8).digest()


@dataclass
class HeldOut:
    """Pairs and sentences of the validation and test sets, which must stay out of training."""

    pairs: set[bytes] = field(default_factory=set)
    sources: set[bytes] = field(default_factory=set)
    targets: set[bytes] = field(default_factory=set)

    def add(self, key: PairKey) -> None:
        """Hold out one pair."""
        self.pairs.add(key.pair)
        self.sources.add(key.source)
        self.targets.add(key.target)

    def shares_sentence(self, key: PairKey) -> bool:
        """True when the source or the target of a pair is held out."""
        return key.source in self.sources or key.target in self.targets


class CleanedPair(NamedTuple):
    """A training pair that passed the filters, with its line number in the input files."""

    line_number: int
    source: str
    target: str
    key: PairKey


class Cleaner:
    """Runs the filters over training pairs and counts what each of them dropped.

    ``overlap`` says which pairs are dropped because of ``held_out``: the same pairs (``pair``), all that
    share a sentence on either side (``sentence``), or none (``keep``).
    """

    def __init__(
        self, *, max_words: int, max_ratio: float, keep_duplicates: bool, overlap: str, held_out: HeldOut
    ) -> None:
        self.max_words = max_words
        self.max_ratio = max_ratio
        self.keep_duplicates = keep_duplicates
        self.overlap = overlap
        self.held_out = held_out
        names = ("empty", "too_long", "length_ratio", "duplicate", "in_valid_or_test")
        self.dropped = {name: Tally() for name in names}

    def __call__(self, pairs: Iterable[tuple[str, str]]) -> Iterator[CleanedPair]:
        """Yield the pairs that pass every filter, in their order."""
        seen: set[bytes] = set()
        for number, (source, target) in enumerate(pairs, start=1):
            source, target = source.strip(), target.strip()
            key = PairKey.of(source, target)
            reason = self._bad_lengths(source, target)
            if reason is None and key.pair in seen:
                reason = "duplicate"
            if reason is None and self._overlaps(key):
                reason = "in_valid_or_test"
            if reason is not None:
                self.dropped[reason].add(number)
                continue
            if not self.keep_duplicates:
                seen.add(key.pair)
            yield CleanedPair(number, source, target, key)

    def _bad_lengths(self, source: str, target: str) -> str | None:
        if is_empty(source) or is_empty(target):
            return "empty"
        shorter, longer = sorted((count_words(source), count_words(target)))
        if longer > self.max_words:
            return "too_long"
        if longer > RATIO_FREE_WORDS and longer > self.max_ratio * shorter:
            return "length_ratio"
        return None

    def _overlaps(self, key: PairKey) -> bool:
        if self.overlap == "sentence":
            return self.held_out.shares_sentence(key)
        return self.overlap == "pair" and key.pair in self.held_out.pairs
