"""Numbers, ordinals, years, fractions and times of day in words, in German and in English."""

from __future__ import annotations

# fmt: off
_GERMAN = [
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
    "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
]
_GERMAN_TENS = [
    "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
]
_ENGLISH = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_ENGLISH_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on

_GERMAN_ORDINALS = {1: "ersten", 3: "dritten", 7: "siebten", 8: "achten"}
_ENGLISH_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def german(number: int) -> str:
    """347 is "dreihundertsiebenundvierzig". The number is at least 0 and below a million."""
    if number < 20:
        return _GERMAN[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return (f"{_joined(ones)}und" if ones else "") + _GERMAN_TENS[tens - 2]
    unit, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    many, rest = divmod(number, unit)
    return _joined(many) + name + (german(rest) if rest else "")


def _joined(number: int) -> str:
    """As it stands before another part: "eins" loses its s."""
    words = german(number)
    return words[:-1] if words.endswith("eins") else words


def english(number: int) -> str:
    """347 is "three hundred and forty-seven". The number is at least 0 and below a million."""
    if number < 20:
        return _ENGLISH[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _ENGLISH_TENS[tens - 2] + (f"-{_ENGLISH[ones]}" if ones else "")
    unit, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, unit)
    words = f"{english(many)} {name}"
    if not rest:
        return words
    return f"{words} and {english(rest)}" if rest < 100 else f"{words} {english(rest)}"


def german_year(year: int) -> str:
    """1985 is "neunzehnhundertfünfundachtzig"; from 2000 on a year is read as a number."""
    return german(year) if year >= 2000 else f"{german(year // 100)}hundert{german(year % 100)}"


def english_year(year: int) -> str:
    """1985 is "nineteen eighty-five"; from 2000 on a year is read as a number. Not for 1901 to 1909."""
    return english(year) if year >= 2000 else f"{english(year // 100)} {english(year % 100)}"


def german_ordinal(number: int) -> str:
    """The weak form: "dritten", "zwanzigsten". The number is at least 1 and below 100."""
    return _GERMAN_ORDINALS.get(number) or german(number) + ("ten" if number < 20 else "sten")


def english_ordinal(number: int) -> str:
    """ "third", "twentieth", "twenty-first". The number is at least 1 and below 100."""
    head, hyphen, last = english(number).rpartition("-")
    if last.endswith("y"):
        return f"{head}{hyphen}{last[:-1]}ieth"
    return f"{head}{hyphen}{_ENGLISH_ORDINALS.get(last, f'{last}th')}"


def german_fraction(above: int, below: int) -> str:
    """2/3 is "zwei Drittel". `below` is at least 3 and at most 12."""
    # The ordinal's stem, "viert" and "siebt"; in "Drittel" too.
    return f"{german(above)} {german_ordinal(below)[:-1].capitalize()}l"


def english_fraction(above: int, below: int) -> str:
    """2/3 is "two thirds". `above` is at least 2."""
    return f"{english(above)} {'quarters' if below == 4 else english_ordinal(below) + 's'}"


def german_clock(hour: int, minute: int) -> str:
    """7:30 is "halb acht". The hour is 1 to 12, the minute a multiple of five."""
    this, following = german(hour), german(hour % 12 + 1)
    if minute == 0:
        return f"{_joined(hour)} Uhr"
    if minute == 30:
        return f"halb {following}"
    past, name = (minute, this) if minute < 30 else (60 - minute, following)
    return f"{'Viertel' if past == 15 else german(past)} {'nach' if minute < 30 else 'vor'} {name}"


def english_clock(hour: int, minute: int) -> str:
    """7:30 is "half past seven". The hour is 1 to 12, the minute a multiple of five."""
    if minute == 0:
        return f"{english(hour)} o'clock"
    if minute == 30:
        return f"half past {english(hour)}"
    past, name = (minute, hour) if minute < 30 else (60 - minute, hour % 12 + 1)
    amount = "a quarter" if past == 15 else english(past)
    return f"{amount} {'past' if minute < 30 else 'to'} {english(name)}"
