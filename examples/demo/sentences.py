"""Sentence patterns, two lines each: the German one and its translation.

`{name}` is a slot of `slots.SLOTS`; `{name2}` is a second draw.
"""

SENTENCES = """
Am {date} kostete die Reise nach {country} {money}.
On {date}, the trip to {country} cost {money}.
Heute ist {weekday_nominative}.
Today is {weekday_nominative}.
{event.the.nom} beginnt am {weekday_dative} um {time}.
{event.the.nom} starts at {time} on {weekday_dative}.
{event.the.nom} wurde vom {moved} verschoben.
{event.the.nom} was moved from {moved}.
{person} wurde am {date} in {city} geboren.
{person} was born in {city} on {date}.
Am {day} feiert {person} in {city} Geburtstag.
{person} celebrates a birthday in {city} on {day}.
{event.the.nom} hat {ago} begonnen und endet {from_now}.
{event.the.nom} started {ago} and ends {from_now}.
Wenn {event.the.nom} am {date} endet, fliegt {person} nach {country}.
When {event.the.nom} ends on {date}, {person} will fly to {country}.
Der Vertrag mit {country} gilt vom {period}.
The contract with {country} is valid from {period}.
Seit {month} lebt {person} in {country}.
{person} has lived in {country} since {month}.
Die Öffnungszeiten am {weekday}: {time} bis {time2}.
Opening hours on {weekday}: {time} to {time2}.
{ride} nach {city} fährt um {time} ab und kommt um {time2} an.
{ride} to {city} departs at {time} and arrives at {time2}.
{ride} aus {city} kam {duration} zu spät an.
{ride} from {city} arrived {duration} late.
Im Jahr {year} ist {person} durch {countries} gereist.
In {year}, {person} traveled through {countries}.
{person} möchte {from_now} von {city} nach {city2} fliegen.
{person} would like to fly from {city} to {city2} {from_now}.
Wegen des Wetters fährt {ride} nach {city} heute nur {speed}.
Because of the weather, {ride} to {city} is only doing {speed} today.
Von {city} nach {city2} sind es {distance}.
It is {distance} from {city} to {city2}.
{person} ist {ago} mit {few} Freunden nach {country} gefahren.
{person} went to {country} with {few} friends {ago}.
Für ein Visum für {country} muss {person} {money} bezahlen.
{person} has to pay {money} for a visa for {country}.
Nächstes Jahr will {person} {cities} besuchen.
Next year, {person} wants to visit {cities}.
Die Fahrt von {city} nach {city2} dauert {duration}.
The ride from {city} to {city2} takes {duration}.
{person} spricht seit {year} {languages}.
{person} has spoken {languages} since {year}.
Das Buch ist auf {language} erschienen, aber noch nicht auf {language2}.
The book has been published in {language}, but not yet in {language2}.
In {country} lernen {number} {worker.many.nom} {language}.
In {country}, {number} {worker.many.nom} are learning {language}.
{person} hat den Brief aus {country} auf {language} und auf {language2} beantwortet.
{person} answered the letter from {country} in {language} and in {language2}.
Auf {language} versteht {person} nur {few} Wörter.
{person} only understands {few} words in {language}.
{person} hat in {city} {thing.a.acc} für {money} gekauft.
{person} bought {thing.a.acc} in {city} for {money}.
Für {money_in_words} bekommt man in {city} {thing.a.acc}.
You can get {thing.a.acc} in {city} for {money_in_words}.
Im {quarter} sind die {index} in {country} um {percent} gestiegen.
In the {quarter}, {index} in {country} rose by {percent}.
Weil die {index} um {percent} gefallen sind, verlor {country} {money_in_words}.
Because {index} fell by {percent}, {country} lost {money_in_words}.
{percent} der {number} Befragten in {country} sagten nein.
{percent} of the {number} people surveyed in {country} said no.
Rechnung vom {invoice_date}: {money}, zahlbar bis {day}.
Invoice of {invoice_date}: {money}, payable by {day}.
{person} hat {person2} {money_in_words} geliehen.
{person} lent {person2} {money_in_words}.
Im {month} kamen {number} {worker.many.nom} aus {country} nach {city}.
In {month}, {number} {worker.many.nom} from {country} came to {city}.
{number} {worker.many.nom} warten seit {time} auf {person}.
{number} {worker.many.nom} have been waiting for {person} since {time}.
Wie viele {worker.many.nom} wohnten {year} in {country}?
How many {worker.many.nom} lived in {country} in {year}?
Im Jahr {year} lieferte {country} {weight} {ware} nach {country2}.
In {year}, {country} delivered {weight} of {ware} to {country2}.
Ist der Preis für {ware} seit {month} um {percent} gesunken?
Has the price of {ware} dropped by {percent} since {month}?
Das Grundstück in {city} ist {area} groß und kostet {money}.
The property in {city} covers {area} and costs {money}.
Der Turm in {city} ist {height} hoch und wurde {year} gebaut.
The tower in {city} is {height} tall and was built in {year}.
Der Tank fasst {volume}, aber {person} hat nur {volume2} bestellt.
The tank holds {volume}, but {person} only ordered {volume2}.
Am {day} waren es in {city} {temperature} und in {city2} {temperature2}.
On {day}, it was {temperature} in {city} and {temperature2} in {city2}.
{person} muss bis {time} {data} auf den Server in {city} kopieren.
{person} has to copy {data} to the server in {city} by {time}.
Gestern ist {person} {distance} gelaufen und hat {duration} gebraucht.
Yesterday, {person} ran {distance} and needed {duration}.
{worker.the.nom} {make_past} {thing.a.acc}.
{worker.the.nom} {make_past} {thing.a.acc}.
{adverb} {make_past} {worker.the.nom} {thing.the.acc}.
{adverb}, {worker.the.nom} {make_past} {thing.the.acc}.
{worker.a.nom} hat {thing.the.acc} {make_perfect}.
{worker.a.nom} {make_perfect} {thing.the.acc}.
{adverb} hat {person} in {village} {thing.a.acc} {make_perfect}.
{adverb}, {person} {make_perfect} {thing.a.acc} in {village}.
{thing.the.nom} wurde von {worker.the.dat} {make_passive}.
{thing.the.nom} was {make_passive} by {worker.the.dat}.
{person} glaubt, dass {worker.the.nom} {thing.a.acc} {make_perfect} hat.
{person} believes that {worker.the.nom} {make_perfect} {thing.a.acc}.
Weil {worker.the.nom} {animal.the.acc} {meet_past}, kam {person} zu spät.
Because {worker.the.nom} {meet_past} {animal.the.acc}, {person} was late.
{animal.the.nom} schläft unter {thing.the.dat}.
{animal.the.nom} is sleeping under {thing.the.dat}.
{animal.a.nom} sitzt vor {place.the.dat} in {village}.
{animal.a.nom} is sitting in front of {place.the.dat} in {village}.
{animal.the.nom} wurde {adverb} von {worker.the.dat} {meet_passive}.
{adverb}, {animal.the.nom} was {meet_passive} by {worker.the.dat}.
{full_name} hat {animal.a.acc} und {animal.count.acc}.
{full_name} has {animal.a.acc} and {animal.count.acc}.
In {village} gibt es {place.a.acc} und {place.a.acc2}.
There is {place.a.acc} and {place.a.acc2} in {village}.
Zwischen {village} und {village2} liegt {place.a.nom}.
There is {place.a.nom} between {village} and {village2}.
{person} hat {place.the.acc} in {village} {tour_perfect}.
{person} {tour_perfect} {place.the.acc} in {village}.
{place.the.nom} in {city} wurde {year} von {worker.the.dat} {tour_passive}.
{place.the.nom} in {city} was {tour_passive} by {worker.the.dat} in {year}.
{adverb} {tour_past} {full_name} {place.a.acc}.
{adverb}, {full_name} {tour_past} {place.a.acc}.
Die Adresse von {full_name} lautet {street} {few} in {village}.
The address of {full_name} is {street} {few} in {village}.
{event.the.nom} findet in {place.the.dat} in {village} statt.
{event.the.nom} takes place in {place.the.dat} in {village}.
{full_name} arbeitet seit {year} in {city} als {worker.bare.nom}.
{full_name} has worked in {city} as {worker.bare.nom} since {year}.
Das ältere Kind von {full_name} will {worker.bare.nom} werden.
{full_name}'s older child wants to become {worker.bare.nom}.
Die Tochter von {full_name} ist mit {worker.the.dat} aus {village} verheiratet.
{full_name}'s daughter is married to {worker.the.dat} from {village}.
{person} zählte {thing.count.acc} und {animal.count.acc}.
{person} counted {thing.count.acc} and {animal.count.acc}.
{person} hat sich die Zahl {numeral} gemerkt.
{person} remembered the number {numeral}.
Auf der Rechnung von {full_name} stehen {numeral} Euro.
The bill from {full_name} says {numeral} euros.
{numeral} plus {numeral2} ist mehr, als {person} bezahlen kann.
{numeral} plus {numeral2} is more than {person} can pay.
Im Jahr {year_in_words} wurde in {village} {place.a.nom} gebaut.
In {year_in_words}, {place.a.nom} was built in {village}.
{full_name} kam am {day_in_words} {year_in_words} in {village} zur Welt.
{full_name} came into the world in {village} on {day_in_words}, {year_in_words}.
{worker.the.nom} wohnt im {floor} Stock.
{worker.the.nom} lives on the {floor} floor.
{event.the.nom} beginnt um {clock}.
{event.the.nom} starts at {clock}.
{ride} nach {village} fährt um {clock} ab und kommt um {clock2} an.
{ride} to {village} departs at {clock} and arrives at {clock2}.
{fraction} der Einwohner von {village} sprechen {language}.
{fraction} of the residents of {village} speak {language}.
{fraction} der {number} {worker.many.nom} kommen aus {country}.
{fraction} of the {number} {worker.many.nom} come from {country}.
{animal.the.nom} ist {comparative} als {animal.the.nom2}.
{animal.the.nom} is {comparative} than {animal.the.nom2}.
Von allen in {village} ist nur {full_name} {comparative} als {worker.the.nom}.
Of everyone in {village}, only {full_name} is {comparative} than {worker.the.nom}.
{person} möchte {thing.a.acc} oder {thing.a.acc2} haben.
{person} would like to have {thing.a.acc} or {thing.a.acc2}.
Wo ist {thing.the.nom}, und wem gehört {animal.the.nom}?
Where is {thing.the.nom}, and who does {animal.the.nom} belong to?
Gehört {thing.the.nom} {worker.the.dat}?
Does {thing.the.nom} belong to {worker.the.dat}?
{thing.the.nom} gehört {full_name} aus {village}.
{thing.the.nom} belongs to {full_name} from {village}.
{thing.many.nom} aus {country} sind in {country2} sehr beliebt.
{thing.many.nom} from {country} are very popular in {country2}.
Auf dem Markt in {village} verkauft {person} {ware}, {ware2} und {ware3}.
At the market in {village}, {person} sells {ware}, {ware2}, and {ware3}.
Der Bus von {village} nach {village2} hält auch in {village3}.
The bus from {village} to {village2} also stops in {village3}.
{worker.the.nom} sprach mit {worker.the.dat} über {thing.the.acc}.
{worker.the.nom} talked to {worker.the.dat} about {thing.the.acc}.
{person} fährt mit {worker.the.dat} zu {event.the.dat} nach {village}.
{person} is going to {event.the.dat} in {village} with {worker.the.dat}.
Ohne {thing.the.acc} kann {worker.the.nom} nicht arbeiten.
{worker.the.nom} cannot work without {thing.the.acc}.
Trotz des Regens fand {event.the.nom} in {place.the.dat} statt.
Despite the rain, {event.the.nom} took place in {place.the.dat}.
Vor {event.the.dat} hat {person} {worker.the.acc} {meet_perfect}.
Before {event.the.dat}, {person} {meet_perfect} {worker.the.acc}.
{full_name} hat von {worker.many.dat} und {animal.many.dat} geträumt.
{full_name} dreamed of {worker.many.dat} and {animal.many.dat}.
"""
