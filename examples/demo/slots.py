"""What can stand in a sentence pattern: (German, English) pairs drawn from CLDR, the locale data in Babel.

A slot is a function of a `random.Random` that returns one pair. Each pair says the same thing twice: both
sides are formatted from one value, so the English side is a function of the German one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from random import Random

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit

from .nouns import NOUNS

Pair = tuple[str, str]
Slot = Callable[[Random], Pair]

LOCALES = ("de", "en")


def _words(text: str) -> list[str]:
    return text.split()


# Countries whose names take no article in either language: German says "nach Peru" but "in die Schweiz".
COUNTRIES = _words("""
AD AF AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BO BR BT BW BY BZ CA CL CM CN CO CR CU CV CY CZ DE DJ
DK DZ EC EE EG ER ES ET FI FJ FR GA GE GH GL GR GT GW GY HN HR HT HU ID IE IL IN IS IT JM JO JP KE KG KH KI
KP KR KW KZ LA LI LK LR LS LT LU LV LY MA MC ME MG MK ML MR MT MU MW MX MY MZ NA NG NI NO NP NR NZ PA PE PG
PK PL PR PT PW PY QA RO RS RU RW SA SE SG SI SL SM SN SO SR SV SY SZ TG TH TJ TM TN TO TV TW TZ UG UY UZ VE
VN VU WS ZA ZM ZW
""")

# Time zones whose city has a name of its own in German.
CITY_ZONES = _words("""
Africa/Addis_Ababa Africa/Algiers Africa/Cairo Africa/Dar_es_Salaam Africa/Khartoum Africa/Mogadishu
Africa/Tripoli America/Havana America/Mexico_City Asia/Baghdad Asia/Bishkek Asia/Calcutta Asia/Damascus
Asia/Dushanbe Asia/Hong_Kong Asia/Karachi Asia/Muscat Asia/Nicosia Asia/Novosibirsk Asia/Pyongyang
Asia/Rangoon Asia/Riyadh Asia/Saigon Asia/Taipei Asia/Tashkent Asia/Tbilisi Asia/Tehran Asia/Tokyo
Asia/Vladivostok Asia/Yakutsk Asia/Yekaterinburg Asia/Yerevan Europe/Astrakhan Europe/Athens Europe/Belgrade
Europe/Brussels Europe/Bucharest Europe/Copenhagen Europe/Kiev Europe/Lisbon Europe/Moscow Europe/Prague
Europe/Rome Europe/Tirane Europe/Vienna Europe/Volgograd Europe/Warsaw Europe/Zurich Europe/Berlin
Europe/London Europe/Paris Europe/Madrid Europe/Oslo Europe/Amsterdam Europe/Helsinki Europe/Stockholm
America/Toronto America/Lima Africa/Nairobi
""")

LANGUAGES = _words("""
af am ar az be bg bn bo br bs ca co cs cy da de el en eo es et eu fa fi fo fr ga gl gu he hi hr hu hy id is
it ja jv ka kk km ko ku ky la lb lo lt lv mk mn mr ms mt my ne nl no oc pa pl pt qu rm ro ru sa sc si sk sl
sm so sq sr sv sw ta te tg th tk tr tt uk ur uz vi wo yi yo zh zu
""")

CURRENCIES = _words(
    "AUD BRL CAD CHF CZK DKK EGP GBP INR ISK KES MXN NOK PLN SEK TRY USD ZAR CLP ARS NZD JPY THB"
)

# First names that both languages write alike.
PEOPLE = _words("""
Anna Ben Clara David Emma Felix Greta Hannah Ida Jonas Karl Laura Maria Nina Oliver Paula Robert Sara Thomas
Vera Martin Julia Simon Lena Peter Eva Max Sophie Daniel Olga
""")


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


def _both(value: Callable[[str], str]) -> Pair:
    german, english = (value(name) for name in LOCALES)
    return german, english


def _city(zone: str) -> Pair:
    return _both(
        lambda name: (
            _locale(name).time_zones.get(zone, {}).get("city") or zone.split("/")[-1].replace("_", " ")
        )
    )


def _some_day(rng: Random) -> dt.date:
    return dt.date(1990, 1, 1) + dt.timedelta(days=rng.randrange(45 * 365))


def _named(table: str, codes: list[str]) -> Slot:
    """One of CLDR's display names: `table` is "territories" or "languages"."""

    def draw(rng: Random) -> Pair:
        code = rng.choice(codes)
        return _both(lambda name: getattr(_locale(name), table)[code])

    return draw


def _list_of(slot: Slot, least: int, most: int) -> Slot:
    """Several different draws, joined as the language does: "A, B und C", "A, B, and C"."""

    def draw(rng: Random) -> Pair:
        wanted = rng.randint(least, most)
        chosen: dict[str, str] = {}
        while len(chosen) < wanted:
            chosen.update([slot(rng)])
        return format_list(list(chosen), locale="de"), format_list(list(chosen.values()), locale="en")

    return draw


def _date(pattern_de: str, pattern_en: str) -> Slot:
    """A day; the patterns are CLDR date patterns, or names of its standard formats."""

    def draw(rng: Random) -> Pair:
        day = _some_day(rng)
        return format_date(day, pattern_de, locale="de"), format_date(day, pattern_en, locale="en")

    return draw


def _period(style: str, joint_de: str, joint_en: str) -> Slot:
    """Two days in their order, with the words between them."""

    def draw(rng: Random) -> Pair:
        start = _some_day(rng)
        end = start + dt.timedelta(days=rng.randint(5, 2000))
        german, english = ([format_date(day, style, locale=name) for day in (start, end)] for name in LOCALES)
        return joint_de.join(german), joint_en.join(english)

    return draw


def _day_of_year(rng: Random) -> Pair:
    day = _some_day(rng)
    return _both(lambda name: format_skeleton("MMMMd", day, locale=name))


def _time(rng: Random) -> Pair:
    time = dt.time(rng.randrange(24), rng.randrange(0, 60, 5))
    return format_time(time, "short", locale="de") + " Uhr", format_time(time, "short", locale="en")


def _span(add_direction: bool, past: bool = False) -> Slot:
    """A duration ("3 Wochen"), or one seen from now ("vor 3 Wochen", "3 weeks ago")."""
    units = {"minutes": 50, "hours": 20, "days": 6, "weeks": 3}

    def draw(rng: Random) -> Pair:
        unit = rng.choice(list(units))
        delta = dt.timedelta(**{unit: rng.randint(2, units[unit])})
        return _both(
            lambda name: format_timedelta(-delta if past else delta, add_direction=add_direction, locale=name)
        )

    return draw


# Numbers are mostly round, as in speech, and so few that a small model sees each of them often enough.
def _round_number(rng: Random) -> int:
    return rng.choice([12, 15, 18, 20, 25, 30, 40, 50, 60, 75, 80, 90]) * rng.choice([1, 10, 100, 1000])


def _number(rng: Random) -> Pair:
    value = _round_number(rng)
    return _both(lambda name: format_decimal(value, locale=name))


def _money(rng: Random) -> Pair:
    amount = rng.randint(2, 9) * rng.choice([1, 10, 100]) + rng.choice([0, 0.5, 5, 9.99])
    currency = rng.choice(["EUR", "USD", "GBP"])
    return _both(lambda name: format_currency(amount, currency, locale=name))


def _money_in_words(rng: Random) -> Pair:
    amount, currency = _round_number(rng), rng.choice(CURRENCIES)
    return _both(
        lambda name: format_currency(
            amount, currency, "#,##0", locale=name, format_type="name", currency_digits=False
        )
    )


def _percent(rng: Random) -> Pair:
    # CLDR's own patterns: German puts a space before the sign, English does not.
    share = rng.randint(1, 40) / 200
    return format_percent(share, "#,##0.# %", locale="de"), format_percent(share, "#,##0.#%", locale="en")


def _measure(*units: str, step: int = 1, decimals: bool = True) -> Slot:
    """A quantity with its unit in full, "12,5 Kilometer"; never 1, so the unit is always a plural."""

    def draw(rng: Random) -> Pair:
        value: float = rng.randint(2, 40) * step
        if decimals:
            value += rng.choice([0, 0, 0.25, 0.5])
        unit = rng.choice(units)
        return _both(lambda name: format_unit(value, unit, length="long", locale=name))

    return draw


def _one_of(*pairs: Pair) -> Slot:
    return lambda rng: rng.choice(pairs)


_country = _named("territories", COUNTRIES)
_language = _named("languages", LANGUAGES)
_zones = [_city(zone) for zone in CITY_ZONES]

SLOTS: dict[str, Slot] = {
    "person": lambda rng: (rng.choice(PEOPLE),) * 2,
    "country": _country,
    "countries": _list_of(_country, 3, 4),
    "city": _one_of(*_zones),
    "cities": _list_of(_one_of(*_zones), 2, 3),
    "language": _language,
    "languages": _list_of(_language, 2, 4),
    "date": _date("long", "long"),
    "period": _period("long", " bis zum ", " to "),
    "moved": _period("medium", " auf den ", " to "),
    "invoice_date": _date("medium", "medium"),
    "weekday": _date("EEEE", "EEEE"),
    "weekday_nominative": _date("EEEE, 'der' d. MMMM y", "full"),
    "weekday_dative": _date("EEEE, 'dem' d. MMMM y", "full"),
    "month": _date("MMMM y", "MMMM y"),
    "quarter": _date("QQQQ y", "QQQQ 'of' y"),
    "day": _day_of_year,
    "year": lambda rng: (str(rng.randint(1990, 2034)),) * 2,
    "time": _time,
    "ago": _span(add_direction=True, past=True),
    "from_now": _span(add_direction=True),
    "duration": _span(add_direction=False),
    "number": _number,
    "few": lambda rng: (str(rng.randint(2, 30)),) * 2,
    "money": _money,
    "money_in_words": _money_in_words,
    "percent": _percent,
    "distance": _measure("length-kilometer", "length-mile", step=20, decimals=False),
    "height": _measure("length-meter", "length-foot"),
    "weight": _measure("mass-kilogram", "mass-gram", "mass-ton"),
    "volume": _measure("volume-liter", "volume-cubic-meter"),
    "speed": _measure("speed-kilometer-per-hour", step=5, decimals=False),
    "area": _measure("area-hectare", "area-square-kilometer", "area-square-meter"),
    "data": _measure("digital-megabyte", "digital-gigabyte", "digital-terabyte"),
    "temperature": _measure("temperature-celsius"),
    **{name: _one_of(*pairs) for name, pairs in NOUNS.items()},
}
"""Every slot by the name it has in a pattern."""
