"""Sentence patterns in German and English. `{name}` is a slot of `slots.SLOTS`; `{name2}` is a second draw.

German and English put verbs, dates and particles in different places, so a model has to reorder, not just
copy.
"""

from __future__ import annotations

import re
from random import Random

from .slots import SLOTS, Pair

PATTERNS: tuple[Pair, ...] = (
    # Dates and times.
    ("Am {date} kostete die Reise nach {country} {money}.", "On {date}, the trip to {country} cost {money}."),
    ("Heute ist {weekday_nominative}.", "Today is {weekday_nominative}."),
    ("{event} beginnt am {weekday_dative} um {time}.", "{event} starts at {time} on {weekday_dative}."),
    ("{event} wurde vom {moved} verschoben.", "{event} was moved from {moved}."),
    ("{person} wurde am {date} in {city} geboren.", "{person} was born in {city} on {date}."),
    ("Am {day} feiert {person} in {city} Geburtstag.", "{person} celebrates a birthday in {city} on {day}."),
    ("{event} hat {ago} begonnen und endet {from_now}.", "{event} started {ago} and ends {from_now}."),
    (
        "Wenn {event} am {date} endet, fliegt {person} nach {country}.",
        "When {event} ends on {date}, {person} will fly to {country}.",
    ),
    ("Der Vertrag mit {country} gilt vom {period}.", "The contract with {country} is valid from {period}."),
    ("Seit {month} lebt {person} in {country}.", "{person} has lived in {country} since {month}."),
    (
        "Die Öffnungszeiten am {weekday}: {time} bis {time2}.",
        "Opening hours on {weekday}: {time} to {time2}.",
    ),
    # Travel.
    (
        "{ride} nach {city} fährt um {time} ab und kommt um {time2} an.",
        "{ride} to {city} departs at {time} and arrives at {time2}.",
    ),
    ("{ride} aus {city} kam {duration} zu spät an.", "{ride} from {city} arrived {duration} late."),
    (
        "Im Jahr {year} ist {person} durch {countries} gereist.",
        "In {year}, {person} traveled through {countries}.",
    ),
    (
        "{person} möchte {from_now} von {city} nach {city2} fliegen.",
        "{person} would like to fly from {city} to {city2} {from_now}.",
    ),
    (
        "Wegen des Wetters fährt {ride} nach {city} heute nur {speed}.",
        "Because of the weather, {ride} to {city} is only doing {speed} today.",
    ),
    ("Von {city} nach {city2} sind es {distance}.", "It is {distance} from {city} to {city2}."),
    (
        "{person} ist {ago} mit {few} Freunden nach {country} gefahren.",
        "{person} went to {country} with {few} friends {ago}.",
    ),
    (
        "Für ein Visum für {country} muss {person} {money} bezahlen.",
        "{person} has to pay {money} for a visa for {country}.",
    ),
    ("Nächstes Jahr will {person} {cities} besuchen.", "Next year, {person} wants to visit {cities}."),
    (
        "Die Fahrt von {city} nach {city2} dauert {duration}.",
        "The ride from {city} to {city2} takes {duration}.",
    ),
    # Languages.
    ("{person} spricht seit {year} {languages}.", "{person} has spoken {languages} since {year}."),
    (
        "Das Buch ist auf {language} erschienen, aber noch nicht auf {language2}.",
        "The book has been published in {language}, but not yet in {language2}.",
    ),
    (
        "In {country} lernen {number} {people} {language}.",
        "In {country}, {number} {people} are learning {language}.",
    ),
    (
        "{person} hat den Brief aus {country} auf {language} und auf {language2} beantwortet.",
        "{person} answered the letter from {country} in {language} and in {language2}.",
    ),
    (
        "Auf {language} versteht {person} nur {few} Wörter.",
        "{person} only understands {few} words in {language}.",
    ),
    # Money, numbers and shares.
    ("{person} hat in {city} {thing} für {money} gekauft.", "{person} bought {thing} in {city} for {money}."),
    (
        "Für {money_in_words} bekommt man in {city} {thing}.",
        "You can get {thing} in {city} for {money_in_words}.",
    ),
    (
        "Im {quarter} sind {index} in {country} um {percent} gestiegen.",
        "In the {quarter}, {index} in {country} rose by {percent}.",
    ),
    (
        "Weil {index} um {percent} gefallen sind, verlor {country} {money_in_words}.",
        "Because {index} fell by {percent}, {country} lost {money_in_words}.",
    ),
    (
        "{percent} der {number} Befragten in {country} sagten nein.",
        "{percent} of the {number} people surveyed in {country} said no.",
    ),
    (
        "Rechnung vom {invoice_date}: {money}, zahlbar bis {day}.",
        "Invoice of {invoice_date}: {money}, payable by {day}.",
    ),
    ("{person} hat {person2} {money_in_words} geliehen.", "{person} lent {person2} {money_in_words}."),
    (
        "Im {month} kamen {number} {people} aus {country} nach {city}.",
        "In {month}, {number} {people} from {country} came to {city}.",
    ),
    (
        "{number} {people} warten seit {time} auf {person}.",
        "{number} {people} have been waiting for {person} since {time}.",
    ),
    ("Wie viele {people} wohnten {year} in {country}?", "How many {people} lived in {country} in {year}?"),
    # Measures.
    (
        "Im Jahr {year} lieferte {country} {weight} {ware} nach {country2}.",
        "In {year}, {country} delivered {weight} of {ware} to {country2}.",
    ),
    (
        "Ist der Preis für {ware} seit {month} um {percent} gesunken?",
        "Has the price of {ware} dropped by {percent} since {month}?",
    ),
    (
        "Das Grundstück in {city} ist {area} groß und kostet {money}.",
        "The property in {city} covers {area} and costs {money}.",
    ),
    (
        "Der Turm in {city} ist {height} hoch und wurde {year} gebaut.",
        "The tower in {city} is {height} tall and was built in {year}.",
    ),
    (
        "Der Tank fasst {volume}, aber {person} hat nur {volume2} bestellt.",
        "The tank holds {volume}, but {person} only ordered {volume2}.",
    ),
    (
        "Am {day} waren es in {city} {temperature} und in {city2} {temperature2}.",
        "On {day}, it was {temperature} in {city} and {temperature2} in {city2}.",
    ),
    (
        "{person} muss bis {time} {data} auf den Server in {city} kopieren.",
        "{person} has to copy {data} to the server in {city} by {time}.",
    ),
    (
        "Gestern ist {person} {distance} gelaufen und hat {duration} gebraucht.",
        "Yesterday, {person} ran {distance} and needed {duration}.",
    ),
)
"""(German, English)."""

_SLOT = re.compile(r"\{([a-z_]+)(\d?)\}")


def fill(pattern: Pair, rng: Random) -> Pair:
    """One sentence pair of a pattern. Two draws of a slot differ: nobody goes from Rome to Rome."""
    values: dict[str, Pair] = {}
    for name, digit in dict.fromkeys(_SLOT.findall(pattern[0])):
        value = SLOTS[name](rng)
        while digit and value == values[name]:
            value = SLOTS[name](rng)
        values[name + digit] = value
    german, english = (
        _SLOT.sub(lambda match, side=side: values[match[1] + match[2]][side], pattern[side])
        for side in (0, 1)
    )
    return _tidy(german), _tidy(english)


def _tidy(sentence: str) -> str:
    """Plain spaces for CLDR's no-break ones, no soft hyphens, a capital letter at the start."""
    sentence = re.sub(r"\s+", " ", sentence.replace("\u00ad", ""))
    return sentence[0].upper() + sentence[1:]
