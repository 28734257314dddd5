"""Numbers in words, and noun phrases in the right case, in German and in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from examples.demo import numerals
from examples.demo.nouns import CLASSES, noun_slots, with_article
from examples.demo.patterns import fill


@pytest.mark.parametrize(
    ("number", "german", "english"),
    [
        (0, "null", "zero"),
        (1, "eins", "one"),
        (16, "sechzehn", "sixteen"),
        (17, "siebzehn", "seventeen"),
        (21, "einundzwanzig", "twenty-one"),
        (70, "siebzig", "seventy"),
        (100, "einhundert", "one hundred"),
        (101, "einhunderteins", "one hundred and one"),
        (347, "dreihundertsiebenundvierzig", "three hundred and forty-seven"),
        (1000, "eintausend", "one thousand"),
        (4011, "viertausendelf", "four thousand and eleven"),
        (21_600, "einundzwanzigtausendsechshundert", "twenty-one thousand six hundred"),
        (
            999_999,
            "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
        ),
    ],
)
def test_numbers(number: int, german: str, english: str) -> None:
    assert (numerals.german(number), numerals.english(number)) == (german, english)


def test_numbers_have_different_words() -> None:
    for words in (numerals.german, numerals.english):
        assert len({words(number) for number in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    ("number", "german", "english"),
    [
        (1, "ersten", "first"),
        (2, "zweiten", "second"),
        (3, "dritten", "third"),
        (7, "siebten", "seventh"),
        (8, "achten", "eighth"),
        (12, "zwölften", "twelfth"),
        (19, "neunzehnten", "nineteenth"),
        (20, "zwanzigsten", "twentieth"),
        (31, "einunddreißigsten", "thirty-first"),
    ],
)
def test_ordinals(number: int, german: str, english: str) -> None:
    assert (numerals.german_ordinal(number), numerals.english_ordinal(number)) == (german, english)


def test_years() -> None:
    assert numerals.german_year(1985) == "neunzehnhundertfünfundachtzig"
    assert numerals.english_year(1985) == "nineteen eighty-five"
    assert numerals.german_year(2012) == "zweitausendzwölf"
    assert numerals.english_year(2012) == "two thousand and twelve"


@pytest.mark.parametrize(
    ("parts", "german", "english"),
    [
        ((2, 3), "zwei Drittel", "two thirds"),
        ((3, 4), "drei Viertel", "three quarters"),
        ((6, 7), "sechs Siebtel", "six sevenths"),
        ((5, 8), "fünf Achtel", "five eighths"),
        ((7, 12), "sieben Zwölftel", "seven twelfths"),
    ],
)
def test_fractions(parts: tuple[int, int], german: str, english: str) -> None:
    assert (numerals.german_fraction(*parts), numerals.english_fraction(*parts)) == (german, english)


@pytest.mark.parametrize(
    ("hour", "minute", "german", "english"),
    [
        (1, 0, "ein Uhr", "one o'clock"),
        (7, 30, "halb acht", "half past seven"),
        (12, 30, "halb eins", "half past twelve"),
        (3, 15, "Viertel nach drei", "a quarter past three"),
        (12, 45, "Viertel vor eins", "a quarter to one"),
        (8, 40, "zwanzig vor neun", "twenty to nine"),
        (8, 5, "fünf nach acht", "five past eight"),
    ],
)
def test_times_of_day(hour: int, minute: int, german: str, english: str) -> None:
    assert (numerals.german_clock(hour, minute), numerals.english_clock(hour, minute)) == (german, english)


def drawn(name: str) -> Iterator[tuple[str, str]]:
    rng = Random(5)
    draw = noun_slots(name)[name]
    return (draw(rng) for _ in range(100_000))


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("thing.a.acc", ("einen alten Tisch", "an old table")),
        ("thing.a.acc", ("ein rotes Fahrrad", "a red bicycle")),
        ("thing.the.dat", ("der Lampe", "the lamp")),
        ("thing.the.nom", ("der Holztisch", "the wooden table")),
        ("thing.many.nom", ("neue Messer", "new knives")),
        ("worker.the.acc", ("den Studenten", "the student")),
        ("worker.the.dat", ("der Ingenieurin", "the engineer")),
        ("worker.bare.nom", ("Übersetzerin", "a translator")),
        ("worker.many.dat", ("Bäckern", "bakers")),
        ("animal.the.acc", ("den müden Löwen", "the tired lion")),
        ("animal.many.dat", ("Mäusen", "mice")),
        ("animal.many.dat", ("klugen Zebras", "clever zebras")),
        ("place.a.nom", ("ein verlassener Turm", "an abandoned tower")),
        ("event.the.dat", ("dem Sommerkonzert", "the summer concert")),
    ],
)
def test_noun_phrases(name: str, pair: tuple[str, str]) -> None:
    # `in` stops at the first that is equal.
    assert pair in drawn(name)


def test_counted_nouns_are_in_the_plural() -> None:
    plural = {noun.english_plural for noun in CLASSES["animal"][0]}
    for german, english in islice(drawn("animal.count.acc"), 500):
        assert any(english.endswith(f" {animal}") for animal in plural)
        assert german.split()[0] == numerals.german(number_of(english))


NUMBERS = {numerals.english(number): number for number in range(1001)}


def number_of(english: str) -> int:
    """The largest number whose words the text begins with."""
    words = english.split()
    prefixes = (" ".join(words[:length]) for length in range(len(words), 0, -1))
    return next(NUMBERS[prefix] for prefix in prefixes if prefix in NUMBERS)


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [
        ("owl", "an owl"),
        ("used hat", "a used hat"),
        ("university", "a university"),
        ("unknown lake", "an unknown lake"),
        ("honest baker", "an honest baker"),
        ("history book", "a history book"),
    ],
)
def test_indefinite_article(noun: str, phrase: str) -> None:
    assert with_article(noun) == phrase


def test_preposition_and_article_are_contracted() -> None:
    for pattern, word in (
        ("Das Bild von {thing.the.dat}.", "vom"),
        ("Wir gehen zu {event.the.dat}.", "zu[rm]"),
    ):
        sentences = [fill((pattern, pattern), Random(seed))[0] for seed in range(40)]
        assert any(re.search(rf"\b{word}\b", sentence) for sentence in sentences)
        assert not any(re.search(r"\b(von|zu) dem\b|\bzu der\b", sentence) for sentence in sentences)
