"""Names that German and English write alike: people, streets and villages."""

from __future__ import annotations

FIRST = """
Anna Ben Clara David Emma Felix Greta Hannah Ida Jonas Karl Laura Maria Nina Oliver Paula Robert Sara Thomas
Vera Martin Julia Simon Lena Peter Eva Max Sophie Daniel Olga Adam Adele Agnes Albert Alexander Alfred Alice
Alma Amelie Andrea Andreas Angela Anita Anton Antonia Arnold Arthur August Aurelia Barbara Bastian Beate
Benedikt Benjamin Bernd Bernhard Berta Bettina Bianca Birgit Bruno Camilla Carla Caroline Caspar Cecilia
Charlotte Christian Christina Claudia Cornelia Dagmar Dennis Diana Dieter Dietrich Dora Doris Dorothea Edgar
Edith Eduard Elena Elias Elisabeth Ella Elsa Emil Emilia Erich Erik Erika Ernst Erwin Esther Eugen Fabian
Ferdinand Fiona Flora Florian Frank Franz Franziska Frederik Frieda Friedrich Gabriel Georg Gerald Gerda
Gerhard Gisela Gloria Gregor Gudrun Gustav Hanna Hans Harald Hedwig Heidi Heiko Heinrich Heinz Helena Helga
Helmut Henrik Henriette Hermann Herta Hilda Holger Horst Hubert Hugo Ilse Inge Ingo Ingrid Irene Iris Irma
Isabella Ivan Jakob Jan Jasmin Jens Joachim Johanna Johannes Josef Judith Julian Julius Jutta Karin Karla
Katharina Katja Kilian Kirsten Klara Klaus Konrad Konstantin Kurt Lars Leo Leonard Leonie Leopold Linda Lisa
Lorenz Lothar Louis Lucia Ludwig Luise Lukas Lydia Magda Magdalena Manfred Manuel Marcel Margarete Marianne
Marie Marion Marta Mathilda Matthias Melanie Michael Milan Miriam Monika Moritz Nadine Natalie Nicole Niklas
Nora Norbert Oskar Otto Pascal Patricia Patrick Paul Pauline Petra Philipp Rainer Ralf Raphael Regina Renate
Richard Rita Roland Rosa Rosalie Rudolf Ruth Sabine Sandra Sebastian Selma Siegfried Silke Silvia Sofia Sonja
Stefan Stella Susanne Sven Svenja Sylvia Tamara Tanja Teresa Theo Theresa Tilda Tim Tina Tobias Ulrich Ursula
Valentin Valerie Veronika Viktor Viktoria Vincent Viola Volker Walter Werner Wilhelm Wolfgang Xaver Yvonne
"""

# Their last letter is never "s", for the genitive.
FAMILY = """
Adam Albrecht Altmann Arnold Bach Bachmann Bader Baker Bauer Baumann Baumgartner Beck Becker Behrend Bennett
Berger Bergmann Bernhardt Binder Bischoff Blum Böhm Brandt Braun Breuer Brown Bruckner Brunner Busch Campbell
Carter Clark Cohen Cooper Cramer Decker Dietz Dorn Drexler Ebert Eberhardt Eckert Eder Egger Ehrlich Eichhorn
Engel Engelhardt Ernst Ertl Fabian Falk Faust Feldmann Fiedler Fink Fischer Fleischer Forster Frank Freitag
Freund Friedrich Fritsch Fuller Gabriel Gebhardt Geiger Gerber Gerlach Glaser Goldmann Graf Grimm Gruber
Günther Hafner Hahn Hamann Harper Hartmann Haupt Heider Heller Hempel Henning Hermann Herzog Hofer Hoffmann
Holzer Horn Huber Hübner Hunter Jäger Jansen Jordan Jung Kaiser Kaufmann Keller Kern Kessler Kirchner Klein
Knight Koch Köhler König Kowalski Krämer Kramer Kraft Krüger Kuhn Lang Lehmann Lindner Löffler Lorenz Ludwig
Mahler Maier Martin Maurer Mayer Meier Menzel Merkel Metzger Miller Mitchell Möller Moore Moser Müller Murphy
Nagel Naumann Neubauer Neumann Nolte Novak Oppermann Otto Pfeiffer Pohl Porter Raab Reimann Reinhardt Reiter
Richter Ritter Robinson Roth Rudolph Sauer Schäfer Schiller Schilling Schmidt Schneider Schreiber Schröder
Schubert Schulte Schumacher Schuster Schwarz Seidel Simon Singer Sommer Springer Stadler Stark Stein Steiner
Stewart Stoll Strauch Taylor Thiel Turner Ullmann Unger Urban Vogel Vogt Voigt Wagner Walker Walter Weber
Wegner Weigel Weiler Weiner Wendt Werner Weston White Wild Wilson Winkler Winter Wirth Wolf Zeller Ziegler
Zimmermann Ackermann Appel Arendt Auer Barth Beckmann Bender Benz Berg Betz Beyer Blank Bock Bode Bohn
Brenner Brinkmann Buchholz Buck Burger Burkhardt Carstensen Conrad Daniel Diehl Dietrich Dittmann Döring
Drescher Ehlert Eichler Engelmann Esser Falkner Farmer Feld Ferber Feser Förster Franke Fritz Frey Gärtner
Geisler Gordon Götz Grant Greenberg Grünwald Haase Hagen Hammer Harder Hauser Heil Heinemann Heinrich Held
Helm Henkel Herrmann Heuer Hill Hirsch Hoppe Horvath Humboldt Jackson Jacob Johnson Junker Kahn Kaminski
Kellner Kirsch Klose Kluge Knoll Kolb Köster Kruse Kühn Kunz Kurz Langer Lauer Lenz Lewin Linden Link Lutz
Marquardt Mason Merz Meyer Michel Mohr Morgan Nelson Newman Oswald Parker Petersen Peterson Rauch Reuter
Riedel Rieger Robertson Rose Runge Sander Scherer Schenk Schlegel Schmitt Schott Seifert Shelton Sloan
Spencer Steffen Stern Stone Thompson Vetter Wallner Wegener Wenzel Wetzel Wiegand Wiesner Witt Wood Wright
Wünsch Young Zander Zimmer
"""

# Germany has many such villages; that a combination exists is not claimed.
VILLAGE_BEGINNINGS = """
Alten Neuen Ober Unter Groß Klein Hohen Schön Weißen Schwarzen Rothen Grün Langen Breiten Stein Wald Eichen
Buchen Linden Birken Erlen Eschen Tannen Ulmen Rosen Wein Korn Königs Kaisers Herzogen Grafen Bischofs Mönchs
Mühl Salz Eisen Silber Gold Kupfer Sand Moor Fisch Hirsch Bären Wolfs Fuchs Hasen Falken Raben Schwanen
Sonnen Sommer Winter Oster Wester Friedrichs Karls Ludwigs Wilhelms Georgen Johannis Marien Annen Heinrichs
Hermanns Rein Sieg Rhein Donau Elb Oder Apfel Birn Nuss Hopfen Hafer Heide Ried Röhr Schilf Farn Moos Kiefern
Fichten Hasel Holz Dachs Enten Gänse Kranich Lerchen Adlers Ochsen Schafs Ziegen Mittel Nieder Vorder Hinter
Kalten Warmen Trocken Lauter Fried Kloster Burg Brücken Zoll Weser Lahn Neckar Isar
"""

VILLAGE_ENDINGS = """
burg dorf heim hausen stadt berg feld bach kirchen tal hofen furt ried rode walde weiler stetten hagen
lingen brunn grund see au
"""

STREET_BEGINNINGS = """
Bahnhof Haupt Kirch Schul Garten Berg Tal Wald Wiesen Feld Mühlen Brunnen Schloss Markt Rathaus Hafen Ufer
Brücken Linden Eichen Birken Ahorn Kastanien Rosen Tulpen Nelken Kirsch Apfel Beethoven Mozart Goethe
Schiller Heine Kant Luther Humboldt Bismarck Kepler Leibniz Röntgen Einstein Planck Siemens Uhland Lessing
Herder Händel Haydn Schumann Adler Amsel Finken Lerchen Schwalben Falken Hirsch Sonnen Mond Stern Post Turm
Kloster Friedhof Industrie Sport
"""

STREET_ENDINGS = "straße weg allee platz gasse ring"
