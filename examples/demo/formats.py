"""Pairs of a German and an English text formatted from one value, by CLDR, the locale data in Babel."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import cache
from random import Random

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit

from . import numerals
from .nouns import Pair, Slot

LOCALES = ("de", "en")


def words(text: str) -> list[str]:
    return text.split()


# Countries whose names take no article in either language: German says "nach Peru" but "in die Schweiz".
COUNTRIES = words("""
AD AF AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BO BR BT BW BY BZ CA CL CM CN CO CR CU CV CY CZ DE DJ
DK DZ EC EE EG ER ES ET FI FJ FR GA GE GH GL GR GT GW GY HN HR HT HU ID IE IL IN IS IT JM JO JP KE KG KH KI
KP KR KW KZ LA LI LK LR LS LT LU LV LY MA MC ME MG MK ML MR MT MU MW MX MY MZ NA NG NI NO NP NR NZ PA PE PG
PK PL PR PT PW PY QA RO RS RU RW SA SE SG SI SL SM SN SO SR SV SY SZ TG TH TJ TM TN TO TV TW TZ UG UY UZ VE
VN VU WS ZA ZM ZW
""")

# CLDR names time zones by cities, except for those of oceans and some named by an island or a country.
_OCEANS = re.compile(r"Etc/|Antarctica/|Atlantic/|Indian/|Pacific/|Arctic/")
_NO_CITIES = re.compile(
    r"St\. |Saint|Lower|Fernando|Bahia|Kaiman|Cura|Jamaika|Kamtschatka|Sachalin|Katar|Vatikan|Brunei|Insel"
)

# Cities that both languages write alike.
_CITIES = words("""
Berlin London Paris Madrid Oslo Amsterdam Helsinki Stockholm Toronto Lima Nairobi Budapest Sofia Dublin
Riga Vilnius Tallinn Minsk Istanbul Ankara Delhi Manila Jakarta Bangkok Seoul Sydney Melbourne Chicago
Boston Detroit Denver Montevideo Caracas Santiago Dakar Accra Lagos Hanoi Dhaka Hamburg Dresden Leipzig
Frankfurt Bremen Stuttgart Salzburg Innsbruck Graz Linz Bern Lausanne Lyon Marseille Bordeaux Barcelona
Valencia Bilbao Porto Palermo Bologna Manchester Liverpool Glasgow Edinburgh Oxford Cambridge Ottawa
Vancouver Phoenix Houston Dallas
""")

# Not languages, or names that do not stand alone after "auf".
_NO_LANGUAGES = frozenset(words("und zxx mul mis den art egy gor"))

CURRENCIES = words("""
AED AFN ALL AMD AOA ARS AUD AZN BDT BGN BHD BRL BTN BWP CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP ETB
FJD GBP GEL GHS GTQ HKD HNL HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KRW KWD KZT LAK LBP LKR
LYD MAD MDL MGA MKD MMK MNT MXN MYR NAD NGN NOK NPR NZD OMR PEN PHP PKR PLN PYG QAR RON RSD RUB SAR SEK
SGD THB TND TRY TWD TZS UAH UGX USD UYU UZS VND ZAR
""")


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


def _both(value: Callable[[str], str]) -> Pair:
    german, english = (value(name) for name in LOCALES)
    return german, english


def cities() -> list[Pair]:
    """Cities of CLDR's time zones that have a German name, and cities that both languages write alike."""
    german, english = (_locale(name).time_zones for name in LOCALES)
    cities = [(city, city) for city in _CITIES]
    for zone in sorted(german):
        city = german[zone].get("city")
        if city and "," not in city and not _OCEANS.match(zone) and not _NO_CITIES.match(city):
            cities.append((city, english.get(zone, {}).get("city") or zone.split("/")[-1].replace("_", " ")))
    return cities


def languages() -> list[str]:
    """Codes of the languages whose German name is one word, which needs no ending after "auf"."""
    german, english = (_locale(name).languages for name in LOCALES)
    return sorted(
        code
        for code, name in german.items()
        if code not in _NO_LANGUAGES
        and code in english
        and name.isalpha()
        and "sprache" not in name
        and "_" not in code
    )


def _some_day(rng: Random) -> dt.date:
    return dt.date(1990, 1, 1) + dt.timedelta(days=rng.randrange(45 * 365))


def named(table: str, codes: list[str]) -> Slot:
    """One of CLDR's display names: `table` is "territories" or "languages"."""

    def draw(rng: Random) -> Pair:
        code = rng.choice(codes)
        return _both(lambda name: getattr(_locale(name), table)[code])

    return draw


def list_of(slot: Slot, least: int, most: int) -> Slot:
    """Several different draws, joined as the language does: "A, B und C", "A, B, and C"."""

    def draw(rng: Random) -> Pair:
        wanted = rng.randint(least, most)
        chosen: dict[str, str] = {}
        while len(chosen) < wanted:
            chosen.update([slot(rng)])
        return format_list(list(chosen), locale="de"), format_list(list(chosen.values()), locale="en")

    return draw


def date(pattern_de: str, pattern_en: str) -> Slot:
    """A day; the patterns are CLDR date patterns, or names of its standard formats."""

    def draw(rng: Random) -> Pair:
        day = _some_day(rng)
        return format_date(day, pattern_de, locale="de"), format_date(day, pattern_en, locale="en")

    return draw


def period(style: str, joint_de: str, joint_en: str) -> Slot:
    """Two days in their order, with the words between them."""

    def draw(rng: Random) -> Pair:
        start = _some_day(rng)
        end = start + dt.timedelta(days=rng.randint(5, 2000))
        german, english = ([format_date(day, style, locale=name) for day in (start, end)] for name in LOCALES)
        return joint_de.join(german), joint_en.join(english)

    return draw


def day_of_year(rng: Random) -> Pair:
    day = _some_day(rng)
    return _both(lambda name: format_skeleton("MMMMd", day, locale=name))


def time(rng: Random) -> Pair:
    time = dt.time(rng.randrange(24), rng.randrange(0, 60, 5))
    return format_time(time, "short", locale="de") + " Uhr", format_time(time, "short", locale="en")


def span(add_direction: bool, past: bool = False) -> Slot:
    """A duration ("3 Wochen"), or one seen from now ("vor 3 Wochen", "3 weeks ago")."""
    units = {"minutes": 50, "hours": 20, "days": 6, "weeks": 3}

    def draw(rng: Random) -> Pair:
        unit = rng.choice(list(units))
        delta = dt.timedelta(**{unit: rng.randint(2, units[unit])})
        return _both(
            lambda name: format_timedelta(-delta if past else delta, add_direction=add_direction, locale=name)
        )

    return draw


def _round_number(rng: Random) -> int:
    return rng.choice([12, 15, 18, 20, 25, 30, 40, 50, 60, 75, 80, 90]) * rng.choice([1, 10, 100, 1000])


def number(rng: Random) -> Pair:
    value = _round_number(rng)
    return _both(lambda name: format_decimal(value, locale=name))


def numeral(rng: Random) -> Pair:
    # Small numbers are the more frequent ones, as in speech; each number of digits is as likely as another.
    value = rng.randrange(2, rng.choice([21, 100, 1000, 10_000]))
    value += value % 100 == 1
    return numerals.german(value), numerals.english(value)


def year_in_words(rng: Random) -> Pair:
    year = rng.choice([*range(1810, 1900), *range(1910, 2030)])
    return numerals.german_year(year), numerals.english_year(year)


def ordinal(most: int) -> Slot:
    def draw(rng: Random) -> Pair:
        value = rng.randint(2, most)
        return numerals.german_ordinal(value), numerals.english_ordinal(value)

    return draw


def day_in_words(rng: Random) -> Pair:
    day = _some_day(rng)
    german, english = (format_date(day, "MMMM", locale=name) for name in LOCALES)
    return (
        f"{numerals.german_ordinal(day.day)} {german}",
        f"the {numerals.english_ordinal(day.day)} of {english}",
    )


def fraction(rng: Random) -> Pair:
    below = rng.choice([3, 4, 5, 6, 7, 8, 9, 10, 12])
    above = rng.randrange(2, below)
    return numerals.german_fraction(above, below), numerals.english_fraction(above, below)


def clock(rng: Random) -> Pair:
    hour, minute = rng.randint(1, 12), rng.randrange(0, 60, 5)
    return numerals.german_clock(hour, minute), numerals.english_clock(hour, minute)


def money(rng: Random) -> Pair:
    amount = rng.randint(2, 9) * rng.choice([1, 10, 100]) + rng.choice([0, 0.5, 5, 9.99])
    currency = rng.choice(["EUR", "USD", "GBP"])
    return _both(lambda name: format_currency(amount, currency, locale=name))


def money_in_words(rng: Random) -> Pair:
    amount, currency = _round_number(rng), rng.choice(CURRENCIES)
    return _both(
        lambda name: format_currency(
            amount, currency, "#,##0", locale=name, format_type="name", currency_digits=False
        )
    )


def percent(rng: Random) -> Pair:
    # CLDR's own patterns: German puts a space before the sign, English does not.
    share = rng.randint(1, 40) / 200
    return format_percent(share, "#,##0.# %", locale="de"), format_percent(share, "#,##0.#%", locale="en")


def measure(*units: str, step: int = 1, decimals: bool = True) -> Slot:
    """A quantity with its unit in full, "12,5 Kilometer"; never 1, so the unit is always a plural."""

    def draw(rng: Random) -> Pair:
        value: float = rng.randint(2, 40) * step
        if decimals:
            value += rng.choice([0, 0, 0.25, 0.5])
        unit = rng.choice(units)
        return _both(lambda name: format_unit(value, unit, length="long", locale=name))

    return draw


def one_of(*pairs: Pair) -> Slot:
    return lambda rng: rng.choice(pairs)


def same(*lists: list[str], between: str = "") -> Slot:
    """A word that both languages write alike, put together from one of each list."""
    return lambda rng: (between.join(rng.choice(words) for words in lists),) * 2
