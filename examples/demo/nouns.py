"""Noun phrases: articles, adjectives and nouns in the right case and number, in German and in English.

`noun_slots` gives a slot for each `class.form.case`, such as `thing.a.acc`: "einen alten Tisch", "an old
table".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from . import lexicon, numerals

Pair = tuple[str, str]
Slot = Callable[[Random], Pair]


@dataclass(frozen=True)
class Noun:
    """gender: "m", "f" or "n". weak: whether it is "den Studenten", not "den Student", in the singular."""

    gender: str
    german: str
    german_plural: str
    english: str
    english_plural: str
    weak: bool = False

    def after(self, first_german: str, first_english: str) -> Noun:
        """The compound: "Tisch" after "Holz" is "Holztisch", "wooden table"."""
        return replace(
            self,
            german=first_german + self.german.lower(),
            german_plural=first_german + self.german_plural.lower(),
            english=f"{first_english} {self.english}",
            english_plural=f"{first_english} {self.english_plural}",
        )


_ARTICLES = {
    ("the", "nom"): {"m": "der", "f": "die", "n": "das"},
    ("the", "acc"): {"m": "den", "f": "die", "n": "das"},
    ("the", "dat"): {"m": "dem", "f": "der", "n": "dem"},
    ("a", "nom"): {"m": "ein", "f": "eine", "n": "ein"},
    ("a", "acc"): {"m": "einen", "f": "eine", "n": "ein"},
    ("a", "dat"): {"m": "einem", "f": "einer", "n": "einem"},
}
_ENDINGS = {
    ("the", "nom"): {"m": "e", "f": "e", "n": "e"},
    ("the", "acc"): {"m": "en", "f": "e", "n": "e"},
    ("the", "dat"): {"m": "en", "f": "en", "n": "en"},
    ("a", "nom"): {"m": "er", "f": "e", "n": "es"},
    ("a", "acc"): {"m": "en", "f": "e", "n": "es"},
    ("a", "dat"): {"m": "en", "f": "en", "n": "en"},
}

_FEMININE_STEMS = {"Zauberer": "Zauber", "Einwanderer": "Einwander"}
_FEMININE_ENGLISH = {"actor": "actress", "waiter": "waitress"}


def pairs(table: str, between: str = " ") -> tuple[Pair, ...]:
    """(German, English) of a table; what stands between the two is not in the German."""
    return tuple(
        (german, english) for german, english in (entry.split(between, 1) for entry in entries(table))
    )


def entries(table: str) -> list[str]:
    """What stands between commas and line ends."""
    return [entry for line in table.split("\n") for entry in line.split(", ") if entry]


def _nouns(table: str) -> list[Noun]:
    nouns = []
    for gender, german, english in (entry.split(" ", 2) for entry in entries(table)):
        singular, plural = german.split("/")
        one, _, many = english.partition("/")
        weak = gender == "w"
        nouns.append(Noun("m" if weak else gender, singular, plural, one, many or _plural(one), weak))
    return nouns


def _plural(english: str) -> str:
    return re.sub(r"[^aeou]y$", lambda match: match[0][0] + "ie", english) + "s"


def _feminine(noun: Noun) -> Noun:
    stem = _FEMININE_STEMS.get(noun.german, re.sub("e$", "", noun.german))
    english = _FEMININE_ENGLISH.get(noun.english, noun.english)
    many = noun.english_plural if english == noun.english else english + "es"
    return Noun("f", f"{stem}in", f"{stem}innen", english, many)


def _compounds(firsts: str, nouns: list[Noun]) -> list[Noun]:
    return [noun.after(*first) for first in pairs(firsts) for noun in nouns]


_THINGS = _nouns(lexicon.THINGS)
_EVENTS = _nouns(lexicon.EVENTS)
_MEN = _nouns(lexicon.WORKERS)
_BOOKS = _nouns("n Buch/Bücher book")
_TAUGHT = _nouns("m Kurs/Kurse course, f Prüfung/Prüfungen exam")
_TEACHING = _nouns("m Lehrer/Lehrer teacher, w Student/Studenten student, m Professor/Professoren professor")

#: Plain nouns, compounds, and adjectives of each class.
CLASSES: dict[str, tuple[list[Noun], list[Noun], str]] = {
    "thing": (
        _THINGS,
        [*_compounds(lexicon.MATERIALS, _THINGS), *_compounds(lexicon.SUBJECTS, _BOOKS)],
        lexicon.THING_ADJECTIVES,
    ),
    "worker": (
        [*_MEN, *map(_feminine, _MEN)],
        _compounds(lexicon.SUBJECTS, [*_TEACHING, *map(_feminine, _TEACHING)]),
        lexicon.LIVING_ADJECTIVES,
    ),
    "animal": (_nouns(lexicon.ANIMALS), [], lexicon.LIVING_ADJECTIVES),
    "place": (_nouns(lexicon.PLACES), [], lexicon.PLACE_ADJECTIVES),
    "event": (
        _EVENTS,
        [*_compounds(lexicon.OCCASIONS, _EVENTS), *_compounds(lexicon.SUBJECTS, _TAUGHT)],
        "",
    ),
}  # fmt: skip


def with_article(english: str) -> str:
    """The words after "a" or "an"."""
    vowel = re.match(r"[aeiou]|hour|honest", english, re.IGNORECASE)
    consonant = re.match(r"use|uni[^nm]|eu|one\b", english, re.IGNORECASE)
    return f"{'an' if vowel and not consonant else 'a'} {english}"


def noun_slots(names: str) -> dict[str, Slot]:
    """A slot for each `class.form.case`.

    Forms: "the", "a", "bare" (a profession: "Bäcker", "a baker"), "many" (the bare plural) and
    "count" (a number of them in words). Cases: "nom", "acc", "dat".
    """
    return {name: _noun_slot(*name.split(".")) for name in names.split()}


def _noun_slot(kind: str, form: str, case: str) -> Slot:
    plain, compounds, table = CLASSES[kind]
    adjectives = pairs(table)

    def draw(rng: Random) -> Pair:
        noun = rng.choice(compounds if compounds and rng.random() < 0.4 else plain)
        adjective = rng.choice(adjectives) if adjectives and form != "bare" and rng.random() < 0.4 else None
        if form in ("many", "count"):
            german, english = _plural_phrase(noun, case, adjective)
            if form == "many":
                return german, english
            number = rng.choice([*range(2, 100), *range(100, 1000, 10)])
            # "einundzwanzig Tische", but "hunderteins" is anybody's guess.
            number += number % 100 == 1
            return f"{numerals.german(number)} {german}", f"{numerals.english(number)} {english}"
        return _singular_phrase(noun, form, case, adjective)

    return draw


def _singular_phrase(noun: Noun, form: str, case: str, adjective: Pair | None) -> Pair:
    # "den Studenten": the same as the plural.
    german = noun.german_plural if noun.weak and case != "nom" else noun.german
    if form == "bare":
        return german, with_article(noun.english)
    key = (form, case)
    english = noun.english
    if adjective:
        german = f"{_stem(adjective[0])}{_ENDINGS[key][noun.gender]} {german}"
        english = f"{adjective[1]} {english}"
    german = f"{_ARTICLES[key][noun.gender]} {german}"
    return german, f"the {english}" if form == "the" else with_article(english)


def _plural_phrase(noun: Noun, case: str, adjective: Pair | None) -> Pair:
    german, english = noun.german_plural, noun.english_plural
    if case == "dat" and german[-1] not in "ns":
        german += "n"
    if adjective:
        german = f"{_stem(adjective[0])}{'en' if case == 'dat' else 'e'} {german}"
        english = f"{adjective[1]} {english}"
    return german, english


def _stem(adjective: str) -> str:
    return adjective.removesuffix("e")


def verb_slot(table: str, form: str) -> Slot:
    """A verb's "past" ("nahm", "took"), "perfect" ("genommen", "took") or "passive" ("genommen", "taken")."""
    verbs = []
    for past, participle, english in (entry.split(" ", 2) for entry in entries(table)):
        english_past, _, english_participle = english.partition("/")
        english = english_participle or english_past if form == "passive" else english_past
        verbs.append((past if form == "past" else participle, english))
    return lambda rng: rng.choice(verbs)
