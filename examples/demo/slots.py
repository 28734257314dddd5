"""What can stand in a sentence pattern: pairs of German and English text.

A slot is a function of a `random.Random` that returns one pair. Each pair says the same thing twice: both
sides come from one value, so the English side is a function of the German one.
"""

from __future__ import annotations

from . import formats, lexicon, names
from .formats import words
from .nouns import Slot, noun_slots, pairs, verb_slot

_country = formats.named("territories", formats.COUNTRIES)
_language = formats.named("languages", formats.languages())
_city = formats.one_of(*formats.cities())
_first_names = list(dict.fromkeys(words(names.FIRST)))

PHRASES = """
thing.a.acc thing.the.nom thing.the.acc thing.the.dat thing.many.nom thing.count.acc
worker.a.nom worker.the.nom worker.the.acc worker.the.dat worker.bare.nom worker.many.nom worker.many.dat
animal.a.nom animal.a.acc animal.the.nom animal.the.acc animal.count.acc animal.many.dat
place.a.nom place.a.acc place.the.acc place.the.dat place.the.nom
event.the.nom event.the.dat
"""

SLOTS: dict[str, Slot] = {
    "person": formats.same(_first_names),
    "full_name": formats.same(_first_names, words(names.FAMILY), between=" "),
    "village": formats.same(words(names.VILLAGE_BEGINNINGS), words(names.VILLAGE_ENDINGS)),
    "street": formats.same(words(names.STREET_BEGINNINGS), words(names.STREET_ENDINGS)),
    "country": _country,
    "countries": formats.list_of(_country, 3, 4),
    "city": _city,
    "cities": formats.list_of(_city, 2, 3),
    "language": _language,
    "languages": formats.list_of(_language, 2, 4),
    "date": formats.date("long", "long"),
    "period": formats.period("long", " bis zum ", " to "),
    "moved": formats.period("medium", " auf den ", " to "),
    "invoice_date": formats.date("medium", "medium"),
    "weekday": formats.date("EEEE", "EEEE"),
    "weekday_nominative": formats.date("EEEE, 'der' d. MMMM y", "full"),
    "weekday_dative": formats.date("EEEE, 'dem' d. MMMM y", "full"),
    "month": formats.date("MMMM y", "MMMM y"),
    "quarter": formats.date("QQQQ y", "QQQQ 'of' y"),
    "day": formats.day_of_year,
    "year": lambda rng: (str(rng.randint(1990, 2034)),) * 2,
    "time": formats.time,
    "ago": formats.span(add_direction=True, past=True),
    "from_now": formats.span(add_direction=True),
    "duration": formats.span(add_direction=False),
    "number": formats.number,
    "numeral": formats.numeral,
    "year_in_words": formats.year_in_words,
    "day_in_words": formats.day_in_words,
    "floor": formats.ordinal(30),
    "fraction": formats.fraction,
    "clock": formats.clock,
    "few": lambda rng: (str(rng.randint(2, 30)),) * 2,
    "money": formats.money,
    "money_in_words": formats.money_in_words,
    "percent": formats.percent,
    "distance": formats.measure("length-kilometer", "length-mile", step=20, decimals=False),
    "height": formats.measure("length-meter", "length-foot"),
    "weight": formats.measure("mass-kilogram", "mass-gram", "mass-ton"),
    "volume": formats.measure("volume-liter", "volume-cubic-meter"),
    "speed": formats.measure("speed-kilometer-per-hour", step=5, decimals=False),
    "area": formats.measure("area-hectare", "area-square-kilometer", "area-square-meter"),
    "data": formats.measure("digital-megabyte", "digital-gigabyte", "digital-terabyte"),
    "temperature": formats.measure("temperature-celsius"),
    "ride": formats.one_of(("der Zug", "the train"), ("der Bus", "the bus"), ("die Fähre", "the ferry")),
    "ware": formats.one_of(*pairs(lexicon.WARES)),
    "index": formats.one_of(*pairs(lexicon.INDEXES)),
    "adverb": formats.one_of(*pairs(lexicon.ADVERBS, " = ")),
    "comparative": formats.one_of(*pairs(lexicon.COMPARATIVES)),
    **{
        f"{kind}_{form}": verb_slot(table, form)
        for kind, table in (
            ("make", lexicon.THING_VERBS), ("meet", lexicon.LIVING_VERBS), ("tour", lexicon.PLACE_VERBS)
        )
        for form in ("past", "perfect", "passive")
    },
    **noun_slots(PHRASES),
}  # fmt: skip
"""Every slot by the name it has in a pattern."""
