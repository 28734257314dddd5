"""The nouns, adjectives and verbs of the made corpus, as short text tables."""

from __future__ import annotations

THINGS = """
m Tisch/Tische table, m Stuhl/Stühle chair, f Lampe/Lampen lamp, n Fahrrad/Fahrräder bicycle
f Uhr/Uhren clock, m Mantel/Mäntel coat, n Sofa/Sofas sofa, m Drucker/Drucker printer, n Zelt/Zelte tent
f Kamera/Kameras camera, n Klavier/Klaviere piano, f Geige/Geigen violin, f Flöte/Flöten flute
f Gitarre/Gitarren guitar, f Trommel/Trommeln drum, m Löffel/Löffel spoon, f Gabel/Gabeln fork
n Messer/Messer knife/knives, m Teller/Teller plate, f Tasse/Tassen cup, f Schüssel/Schüsseln bowl
f Pfanne/Pfannen pan, m Topf/Töpfe pot, m Korb/Körbe basket, m Eimer/Eimer bucket, f Flasche/Flaschen bottle
f Dose/Dosen can, f Kiste/Kisten crate, n Fass/Fässer barrel, m Schrank/Schränke cupboard
n Regal/Regale shelf/shelves, n Bett/Betten bed, m Spiegel/Spiegel mirror, m Teppich/Teppiche carpet
m Vorhang/Vorhänge curtain, n Kissen/Kissen pillow, f Decke/Decken blanket, m Hut/Hüte hat
m Schal/Schals scarf/scarves, m Handschuh/Handschuhe glove, m Stiefel/Stiefel boot, m Schuh/Schuhe shoe
n Hemd/Hemden shirt, f Jacke/Jacken jacket, m Rock/Röcke skirt, n Kleid/Kleider dress/dresses
m Gürtel/Gürtel belt, m Ring/Ringe ring, f Kette/Ketten necklace, m Koffer/Koffer suitcase
m Rucksack/Rucksäcke backpack, f Tasche/Taschen bag, m Regenschirm/Regenschirme umbrella
m Schlüssel/Schlüssel key, n Schloss/Schlösser lock, m Hammer/Hämmer hammer, f Säge/Sägen saw
m Nagel/Nägel nail, f Schraube/Schrauben screw, f Leiter/Leitern ladder, n Seil/Seile rope
f Schere/Scheren pair of scissors/pairs of scissors, m Bleistift/Bleistifte pencil
m Pinsel/Pinsel paintbrush/paintbrushes, n Heft/Hefte notebook, m Brief/Briefe letter, n Paket/Pakete parcel
f Karte/Karten map, n Bild/Bilder picture, f Skulptur/Skulpturen sculpture, f Vase/Vasen vase
f Kerze/Kerzen candle, f Münze/Münzen coin, f Fahne/Fahnen flag, f Glocke/Glocken bell, n Boot/Boote boat
n Flugzeug/Flugzeuge airplane, m Hubschrauber/Hubschrauber helicopter, m Lastwagen/Lastwagen truck
m Traktor/Traktoren tractor, n Motorrad/Motorräder motorcycle, m Schlitten/Schlitten sled
m Anker/Anker anchor, n Segel/Segel sail, n Ruder/Ruder oar
n Fernglas/Ferngläser pair of binoculars/pairs of binoculars, n Mikroskop/Mikroskope microscope
n Teleskop/Teleskope telescope, m Computer/Computer computer, f Tastatur/Tastaturen keyboard
m Bildschirm/Bildschirme screen, n Telefon/Telefone telephone, f Batterie/Batterien battery
m Motor/Motoren engine, f Pumpe/Pumpen pump, m Kompass/Kompasse compass/compasses, m Ball/Bälle ball
m Schläger/Schläger racket, f Puppe/Puppen doll, m Drachen/Drachen kite, n Rad/Räder wheel, f Tür/Türen door
n Fenster/Fenster window, m Zaun/Zäune fence, n Tor/Tore gate, f Bank/Bänke bench/benches, m Ofen/Öfen stove
f Waage/Waagen scale, m Kamm/Kämme comb, f Bürste/Bürsten brush/brushes, n Handtuch/Handtücher towel
f Seife/Seifen soap, f Truhe/Truhen chest, m Hocker/Hocker stool, n Tablett/Tabletts tray, m Krug/Krüge jug
f Kanne/Kannen teapot, m Würfel/Würfel die/dice, n Schwert/Schwerter sword, m Helm/Helme helmet
n Schild/Schilder sign, m Käfig/Käfige cage
"""

WORKERS = """
m Bäcker/Bäcker baker, m Lehrer/Lehrer teacher, m Fahrer/Fahrer driver, m Maler/Maler painter
m Tischler/Tischler carpenter, m Schneider/Schneider tailor, m Gärtner/Gärtner gardener
m Fischer/Fischer fisher, m Metzger/Metzger butcher, m Schauspieler/Schauspieler actor
m Sänger/Sänger singer, m Tänzer/Tänzer dancer, m Musiker/Musiker musician
m Schriftsteller/Schriftsteller writer, m Übersetzer/Übersetzer translator, m Forscher/Forscher researcher
m Händler/Händler trader, m Verkäufer/Verkäufer salesperson/salespeople, m Kellner/Kellner waiter
m Richter/Richter judge, m Politiker/Politiker politician, m Minister/Minister minister
m Bürgermeister/Bürgermeister mayor, m Mechaniker/Mechaniker mechanic, m Elektriker/Elektriker electrician
m Klempner/Klempner plumber, m Maurer/Maurer bricklayer, m Schmied/Schmiede blacksmith
m Müller/Müller miller, m Förster/Förster forester, m Jäger/Jäger hunter, w Hirte/Hirten shepherd
m Reiter/Reiter rider, m Ritter/Ritter knight, m Schüler/Schüler pupil, m Besucher/Besucher visitor
w Nachbar/Nachbarn neighbor, m Spieler/Spieler player, m Trainer/Trainer coach/coaches
m Läufer/Läufer runner, m Schwimmer/Schwimmer swimmer, m Bergsteiger/Bergsteiger mountaineer
m Reporter/Reporter reporter, m Ingenieur/Ingenieure engineer, m Friseur/Friseure hairdresser
m Direktor/Direktoren director, m Professor/Professoren professor, m Autor/Autoren author
m Doktor/Doktoren doctor, m Pilot/Piloten pilot, w Student/Studenten student
w Präsident/Präsidenten president, w Polizist/Polizisten police officer, w Journalist/Journalisten journalist
w Pianist/Pianisten pianist, w Tourist/Touristen tourist, w Artist/Artisten acrobat
w Florist/Floristen florist, w Architekt/Architekten architect, w Fotograf/Fotografen photographer
w Biologe/Biologen biologist, w Geologe/Geologen geologist, w Psychologe/Psychologen psychologist
w Kollege/Kollegen colleague, w Kunde/Kunden customer, w Zeuge/Zeugen witness/witnesses
w Agent/Agenten agent, w Dirigent/Dirigenten conductor, w Astronaut/Astronauten astronaut
w Diplomat/Diplomaten diplomat, w Soldat/Soldaten soldier, w Patient/Patienten patient
m Apotheker/Apotheker pharmacist, m Chemiker/Chemiker chemist, m Physiker/Physiker physicist
m Mathematiker/Mathematiker mathematician, m Historiker/Historiker historian, m Erfinder/Erfinder inventor
m Buchhändler/Buchhändler bookseller, m Uhrmacher/Uhrmacher watchmaker, m Schuhmacher/Schuhmacher shoemaker
m Gastgeber/Gastgeber host, m Wächter/Wächter guard, m Dichter/Dichter poet, m Bildhauer/Bildhauer sculptor
m Regisseur/Regisseure film director, m Kapitän/Kapitäne captain, m Sammler/Sammler collector
m Zauberer/Zauberer magician, m Bewohner/Bewohner resident, m Künstler/Künstler artist
m Sportler/Sportler athlete, m Einwanderer/Einwanderer immigrant, m Gewinner/Gewinner winner
m Verlierer/Verlierer loser, m Helfer/Helfer helper
"""

ANIMALS = """
m Hund/Hunde dog, f Katze/Katzen cat, n Pferd/Pferde horse, f Kuh/Kühe cow, n Schwein/Schweine pig
n Schaf/Schafe sheep/sheep, f Ziege/Ziegen goat, m Esel/Esel donkey, n Huhn/Hühner chicken, f Ente/Enten duck
f Gans/Gänse goose/geese, m Schwan/Schwäne swan, m Adler/Adler eagle, f Eule/Eulen owl, f Taube/Tauben pigeon
f Krähe/Krähen crow, m Storch/Störche stork, m Papagei/Papageien parrot, m Fuchs/Füchse fox/foxes
m Wolf/Wölfe wolf/wolves, m Hirsch/Hirsche deer/deer, n Reh/Rehe roe deer/roe deer
n Wildschwein/Wildschweine wild boar, m Igel/Igel hedgehog, m Biber/Biber beaver, f Maus/Mäuse mouse/mice
f Ratte/Ratten rat, n Eichhörnchen/Eichhörnchen squirrel, m Tiger/Tiger tiger, f Giraffe/Giraffen giraffe
n Zebra/Zebras zebra, n Kamel/Kamele camel, n Krokodil/Krokodile crocodile, f Schlange/Schlangen snake
f Schildkröte/Schildkröten turtle, m Frosch/Frösche frog, f Eidechse/Eidechsen lizard, m Wal/Wale whale
m Delfin/Delfine dolphin, f Robbe/Robben seal, m Pinguin/Pinguine penguin, m Lachs/Lachse salmon/salmon
f Forelle/Forellen trout/trout, f Biene/Bienen bee, f Spinne/Spinnen spider
m Schmetterling/Schmetterlinge butterfly, f Ameise/Ameisen ant, m Käfer/Käfer beetle
w Elefant/Elefanten elephant, w Löwe/Löwen lion, w Affe/Affen monkey, w Hase/Hasen hare
w Falke/Falken falcon, w Rabe/Raben raven
"""

PLACES = """
m Bahnhof/Bahnhöfe train station, m Flughafen/Flughäfen airport, m Hafen/Häfen harbor
f Brücke/Brücken bridge, m Turm/Türme tower, f Kirche/Kirchen church/churches, f Burg/Burgen castle
m Palast/Paläste palace, n Kloster/Klöster monastery, m Tempel/Tempel temple, n Museum/Museen museum
n Theater/Theater theater, n Kino/Kinos cinema, f Bibliothek/Bibliotheken library, f Schule/Schulen school
f Universität/Universitäten university, n Krankenhaus/Krankenhäuser hospital, f Apotheke/Apotheken pharmacy
n Rathaus/Rathäuser town hall, m Markt/Märkte market, n Geschäft/Geschäfte shop
n Kaufhaus/Kaufhäuser department store, f Fabrik/Fabriken factory, f Werkstatt/Werkstätten workshop
f Mühle/Mühlen mill, f Brauerei/Brauereien brewery, f Bäckerei/Bäckereien bakery
n Restaurant/Restaurants restaurant, n Café/Cafés café, n Hotel/Hotels hotel, n Haus/Häuser house
f Hütte/Hütten hut, f Scheune/Scheunen barn, f Garage/Garagen garage, n Büro/Büros office
n Labor/Labore laboratory, f Botschaft/Botschaften embassy, n Gefängnis/Gefängnisse prison
n Stadion/Stadien stadium, n Schwimmbad/Schwimmbäder swimming pool, m Park/Parks park, m Garten/Gärten garden
m Friedhof/Friedhöfe cemetery, m Spielplatz/Spielplätze playground, m Campingplatz/Campingplätze campsite
m Leuchtturm/Leuchttürme lighthouse, f Höhle/Höhlen cave, m Brunnen/Brunnen fountain
n Denkmal/Denkmäler monument, m Tunnel/Tunnel tunnel, n Kraftwerk/Kraftwerke power plant
n Bergwerk/Bergwerke mine, m Weinberg/Weinberge vineyard, f Gärtnerei/Gärtnereien garden center
m Wald/Wälder forest, m See/Seen lake, m Berg/Berge mountain, f Insel/Inseln island
"""

EVENTS = """
f Konferenz/Konferenzen conference, n Konzert/Konzerte concert, f Prüfung/Prüfungen exam
n Treffen/Treffen meeting, m Kurs/Kurse course, f Ausstellung/Ausstellungen exhibition
m Vortrag/Vorträge lecture, f Vorstellung/Vorstellungen show, n Fest/Feste festival
f Hochzeit/Hochzeiten wedding, f Reise/Reisen trip, m Wettbewerb/Wettbewerbe competition
n Turnier/Turniere tournament, f Versammlung/Versammlungen assembly, f Sitzung/Sitzungen session
f Führung/Führungen tour, m Ausflug/Ausflüge excursion, f Messe/Messen trade fair
f Auktion/Auktionen auction, n Seminar/Seminare seminar, f Feier/Feiern celebration, f Probe/Proben rehearsal
f Lesung/Lesungen reading, f Wanderung/Wanderungen hike, n Rennen/Rennen race, n Spiel/Spiele game
f Wahl/Wahlen election
"""

WARES = """
Kaffee coffee, Tee tea, Reis rice, Weizen wheat, Stahl steel, Holz wood, Zucker sugar, Wolle wool
Kupfer copper, Salz salt, Mehl flour, Butter butter, Käse cheese, Honig honey, Milch milk, Roggen rye
Gerste barley, Hafer oats, Mais corn, Baumwolle cotton, Seide silk, Leder leather, Papier paper
Zement cement, Kohle coal, Eisen iron, Silber silver, Gold gold, Aluminium aluminum, Zinn tin, Blei lead
Pfeffer pepper, Zimt cinnamon, Vanille vanilla, Kakao cocoa, Tabak tobacco, Fleisch meat, Fisch fish
Obst fruit, Gemüse vegetables, Kartoffeln potatoes, Zwiebeln onions, Tomaten tomatoes, Gurken cucumbers
Äpfel apples, Birnen pears, Kirschen cherries, Pflaumen plums, Erdbeeren strawberries, Himbeeren raspberries
Trauben grapes, Zitronen lemons, Nüsse nuts, Mandeln almonds, Oliven olives, Bohnen beans, Linsen lentils
Erbsen peas, Pilze mushrooms, Spargel asparagus, Kürbisse pumpkins, Knoblauch garlic, Senf mustard
Essig vinegar
"""

INDEXES = """
Preise prices, Mieten rents, Löhne wages, Exporte exports, Steuern taxes, Importe imports
Zinsen interest rates, Ausgaben expenditures, Einnahmen revenues, Gewinne profits, Verluste losses
Gebühren fees, Schulden debts
"""

# What compounds begin with: the German first part, and the English word before the noun.
MATERIALS = """
Holz wooden, Glas glass, Stahl steel, Stein stone, Metall metal, Kunststoff plastic, Leder leather
Papier paper, Gold gold, Silber silver, Kupfer copper, Marmor marble, Bambus bamboo, Porzellan porcelain
Gummi rubber, Beton concrete, Messing brass, Bronze bronze, Blech tin, Seiden silk, Samt velvet, Leinen linen
"""

OCCASIONS = """
Sommer summer, Winter winter, Herbst fall, Frühlings spring, Abend evening, Morgen morning, Nacht night
Sonntags Sunday, Samstags Saturday, Wochenend weekend, Ferien vacation, Weihnachts Christmas, Oster Easter
Schul school, Vereins club, Firmen company, Familien family, Jubiläums anniversary, Straßen street
Musik music, Tanz dance, Theater theater, Film film, Schach chess, Fußball soccer, Tennis tennis
"""

SUBJECTS = """
Mathematik math, Geschichts history, Musik music, Chemie chemistry, Physik physics, Biologie biology
Sport sports, Kunst art, Deutsch German, Englisch English, Informatik computer science, Erdkunde geography
Latein Latin, Philosophie philosophy, Sprach language
"""

# The stem that endings follow.
THING_ADJECTIVES = """
alt old, neu new, klein small, groß large, rot red, blau blue, grün green, gelb yellow, schwarz black
weiß white, braun brown, grau gray, schwer heavy, leicht light, billig cheap, wertvoll valuable
schön beautiful, hässlich ugly, rund round, viereckig square, lang long, kurz short, breit wide
schmal narrow, dick thick, dünn thin, leer empty, kaputt broken, sauber clean, schmutzig dirty, nass wet
trocken dry, warm warm, kalt cold, glatt smooth, rau rough, modern modern, altmodisch old-fashioned
bunt colorful, einfach simple, bequem comfortable, praktisch practical, nützlich useful, selten rare
seltsam strange, fremd foreign, gewöhnlich ordinary, gebraucht used, verrostet rusty, bemalt painted
verziert decorated, gestohlen stolen, verloren lost, versteckt hidden, geliehen borrowed
zerbrechlich fragile, stabil sturdy
"""

LIVING_ADJECTIVES = """
alt old, jung young, groß tall, klein little, dick fat, dünn thin, stark strong, schwach weak, müde tired
krank sick, gesund healthy, hungrig hungry, durstig thirsty, freundlich friendly, unfreundlich unfriendly
höflich polite, ruhig calm, laut loud, still quiet, schnell fast, langsam slow, klug clever
neugierig curious, vorsichtig careful, mutig brave, ängstlich fearful, fröhlich cheerful, traurig sad
zufrieden satisfied, wütend angry, nervös nervous, geduldig patient, ungeduldig impatient
fleißig hardworking, faul lazy, berühmt famous, unbekannt unknown, beliebt popular, einsam lonely
verletzt injured, erfahren experienced, ehrlich honest
"""

PLACE_ADJECTIVES = """
alt old, neu new, klein small, groß large, schön beautiful, ruhig quiet, laut noisy, berühmt famous
verlassen abandoned, geschlossen closed, beliebt popular, modern modern, mittelalterlich medieval
prächtig magnificent, winzig tiny, riesig huge, nah nearby, abgelegen remote, gemütlich cozy
überfüllt crowded, zerstört destroyed, renoviert renovated, historisch historic, königlich royal
städtisch municipal, unterirdisch underground, sonnig sunny, schattig shady, unheimlich eerie
gefährlich dangerous, sicher safe, bekannt well-known
"""

# German preterite and participle; English past and participle where they differ.
THING_VERBS = """
kaufte gekauft bought, verkaufte verkauft sold, reparierte repariert repaired, suchte gesucht sought
fand gefunden found, verlor verloren lost, zeichnete gezeichnet drew/drawn, malte gemalt painted
putzte geputzt cleaned, bezahlte bezahlt paid for, bestellte bestellt ordered, lieferte geliefert delivered
sammelte gesammelt collected, versteckte versteckt hid/hidden, stahl gestohlen stole/stolen
verschenkte verschenkt gave away/given away, benutzte benutzt used, brauchte gebraucht needed
prüfte geprüft checked, testete getestet tested, beschrieb beschrieben described
zerbrach zerbrochen broke/broken, holte geholt fetched, brachte gebracht brought, trug getragen carried
zerlegte zerlegt took apart/taken apart, warf geworfen threw/thrown, fing gefangen caught
wusch gewaschen washed, trocknete getrocknet dried, verpackte verpackt packed, verschickte verschickt shipped
berührte berührt touched, betrachtete betrachtet looked at, erbte geerbt inherited
bewunderte bewundert admired, erfand erfunden invented, entwarf entworfen designed, baute gebaut built
verbrannte verbrannt burned, verkleinerte verkleinert made smaller, polierte poliert polished
"""

LIVING_VERBS = """
traf getroffen met, sah gesehen saw/seen, hörte gehört heard, suchte gesucht sought, fand gefunden found
rief gerufen called, begleitete begleitet accompanied, begrüßte begrüßt greeted
beobachtete beobachtet watched, fotografierte fotografiert photographed, besuchte besucht visited
verfolgte verfolgt chased, rettete gerettet rescued, fütterte gefüttert fed
erschreckte erschreckt frightened, verstand verstanden understood, vergaß vergessen forgot/forgotten
erkannte erkannt recognized, liebte geliebt loved, störte gestört disturbed, malte gemalt painted
beschützte beschützt protected, weckte geweckt woke/woken, beruhigte beruhigt calmed, lobte gelobt praised
"""

PLACE_VERBS = """
besuchte besucht visited, fotografierte fotografiert photographed, baute gebaut built
renovierte renoviert renovated, fand gefunden found, zeichnete gezeichnet drew/drawn, kaufte gekauft bought
verkaufte verkauft sold, beschrieb beschrieben described, verließ verlassen left, bewachte bewacht guarded
zerstörte zerstört destroyed, entdeckte entdeckt discovered, erbte geerbt inherited, mietete gemietet rented
schloss geschlossen closed, öffnete geöffnet opened, leitete geleitet managed, gründete gegründet founded
bewunderte bewundert admired
"""

# With the equals sign, because the German has spaces.
ADVERBS = """
gestern = yesterday, heute = today, gestern Abend = last night, am Morgen = in the morning
am Abend = in the evening, am Nachmittag = in the afternoon, in der Nacht = during the night
letzte Woche = last week, letztes Jahr = last year, vor kurzem = recently, manchmal = sometimes
zum Glück = fortunately, leider = unfortunately, überraschend = surprisingly, schließlich = finally
plötzlich = suddenly, im Sommer = in summer, im Winter = in winter, nach dem Essen = after the meal
vor dem Frühstück = before breakfast, im Urlaub = on vacation, damals = back then
am Wochenende = on the weekend
"""

COMPARATIVES = """
größer taller, kleiner smaller, älter older, jünger younger, schneller faster, langsamer slower
stärker stronger, schwächer weaker, klüger cleverer, mutiger braver, müder more tired, fauler lazier
fleißiger more hardworking, lauter louder, ruhiger calmer, freundlicher friendlier, vorsichtiger more careful
geduldiger more patient, neugieriger more curious, berühmter more famous
"""
