"""Fills sentence patterns. German and English put verbs, dates and particles in different places.

A model therefore has to reorder words, not just copy them.
"""

from __future__ import annotations

import re
from random import Random

from .nouns import Pair
from .sentences import SENTENCES
from .slots import SLOTS

_LINES = SENTENCES.strip().split("\n")
PATTERNS: tuple[Pair, ...] = tuple(zip(_LINES[::2], _LINES[1::2], strict=True))
"""(German, English)."""

SLOT_NAME = re.compile(r"\{([a-z_.]+)(\d?)\}")

_CONTRACTIONS = {
    "von dem": "vom", "in dem": "im", "zu dem": "zum", "zu der": "zur", "an dem": "am", "bei dem": "beim",
}  # fmt: skip
_CONTRACTED = re.compile(rf"\b({'|'.join(_CONTRACTIONS)})\b")


def fill(pattern: Pair, rng: Random) -> Pair:
    """One sentence pair of a pattern. Two draws of a slot differ: nobody goes from Rome to Rome."""
    values: dict[str, Pair] = {}
    for name, digit in dict.fromkeys(SLOT_NAME.findall(pattern[0])):
        value = SLOTS[name](rng)
        while digit and value in [values.get(name + other) for other in ("", "2", "3")]:
            value = SLOTS[name](rng)
        values[name + digit] = value
    german, english = (
        SLOT_NAME.sub(lambda match, side=side: values[match[1] + match[2]][side], pattern[side])
        for side in (0, 1)
    )
    return _tidy(_CONTRACTED.sub(lambda match: _CONTRACTIONS[match[1]], german)), _tidy(english)


def _tidy(sentence: str) -> str:
    """Plain spaces for CLDR's no-break ones, no soft hyphens, a capital letter at the start."""
    sentence = re.sub(r"\s+", " ", sentence.replace("\u00ad", ""))
    return sentence[0].upper() + sentence[1:]
