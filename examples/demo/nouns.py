"""Nouns of the sentence patterns, each with the article of the case that it is used in."""

from __future__ import annotations


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    halves = (pair.split(" = ") for pair in text.split(", "))
    return tuple((german, english) for german, english in halves)


NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "ride": _pairs("der Zug = the train, der Bus = the bus, die Fähre = the ferry, das Schiff = the ship"),
    "event": _pairs(
        "die Konferenz = the conference, das Konzert = the concert, die Prüfung = the exam, "
        "das Treffen = the meeting, der Kurs = the course, die Ausstellung = the exhibition, "
        "der Vortrag = the lecture, die Vorstellung = the show"
    ),
    "thing": _pairs(
        "einen Tisch = a table, eine Lampe = a lamp, ein Fahrrad = a bicycle, einen Mantel = a coat, "
        "eine Uhr = a watch, ein Sofa = a sofa, einen Drucker = a printer, ein Zelt = a tent, "
        "eine Kamera = a camera, ein Klavier = a piano"
    ),
    "ware": _pairs(
        "Kaffee = coffee, Tee = tea, Reis = rice, Weizen = wheat, Stahl = steel, Holz = wood, "
        "Zucker = sugar, Wolle = wool, Kupfer = copper, Salz = salt"
    ),
    "people": _pairs(
        "Schüler = pupils, Touristen = tourists, Gäste = guests, Ärzte = doctors, Zuschauer = spectators, "
        "Arbeiter = workers, Freiwillige = volunteers"
    ),
    "index": _pairs(
        "die Preise = prices, die Mieten = rents, die Löhne = wages, die Exporte = exports, "
        "die Steuern = taxes, die Importe = imports"
    ),
}
"""(German, English) by the name of the slot."""
