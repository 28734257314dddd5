"""Every results file of the documentation, with the functions that make and write its tables and plots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import image
from benchmarks.claims import report as claims
from benchmarks.decoding import certificates, trained
from benchmarks.decoding import report as decoding
from benchmarks.face import partial_fc
from benchmarks.face import report as face
from benchmarks.face.__main__ import CLASSIFIERS
from benchmarks.gpu import report as gpu
from benchmarks.harness.pages import RESULTS, publish
from benchmarks.harness.results import read_rows
from benchmarks.limits import report as limits
from benchmarks.translation import levers, picture
from benchmarks.translation import report as translation
from benchmarks.translation.corpora import CORPORA
from benchmarks.vocabulary import report as vocabulary
from benchmarks.vocabulary.__main__ import KEY
from benchmarks.xmc import __main__ as xmc
from benchmarks.xmc import memory, pairs

Tables = dict[str, str]


class Report(NamedTuple):
    """`tables` makes the tables of a results file, `write` writes them with commands and plots."""

    tables: Callable[[], Tables]
    write: Callable[[], None]


def _published(results: Path, tables: Callable[[Path], Tables]) -> Report:
    """The report of a results file that has nothing but tables."""
    return Report(partial(tables, results), lambda: publish(results, tables(results)))


def _reports() -> dict[str, Report]:
    def rows(name: str) -> Path:
        return RESULTS / f"{name}.jsonl"

    reports = {
        name: Report(
            partial(translation.tables, rows(name)), partial(translation.write_report, rows(name), name)
        )
        for name in CORPORA
    }
    reports["results-in-short"] = Report(partial(picture.tables, RESULTS), partial(picture.write, RESULTS))
    for name, module in {
        "levers": levers, "claims": claims, "decoding": decoding, "decoding-memory-kept": decoding,
        "face-partial-fc": partial_fc, "xmc-memory": memory, "gpu": gpu, "limits": limits,
    }.items():  # fmt: skip
        reports[name] = Report(partial(module.tables, rows(name)), partial(module.write_report, rows(name)))
    for name in ("decoding-trained", "tatoeba-64k-decoding"):
        reports[name] = _published(RESULTS / f"{name}.json", trained.tables)
    if (RESULTS / "decoding-certificates.json").exists():
        path = RESULTS / "decoding-certificates.json"
        reports["decoding-certificates"] = _published(path, certificates.tables)
    reports["xmc-tibkat-pairs"] = _published(rows("xmc-tibkat-pairs"), pairs.tables)
    generated = read_rows(rows("vocabulary"), KEY)
    reports["vocabulary"] = Report(
        partial(vocabulary.tables, generated, "vocabulary"),
        partial(vocabulary.write_report, generated, rows("vocabulary")),
    )
    reports["lfw"] = Report(
        partial(face.tables, rows("lfw"), list(CLASSIFIERS)),
        partial(face.write_report, rows("lfw"), list(CLASSIFIERS)),
    )
    for name in image.COMPARISONS:
        if rows(name).exists():
            reports[name] = Report(
                partial(image.tables, rows(name), name), partial(image.write_report, rows(name), name)
            )
    for stem, name in {
        "xmc-tibkat": "tibkat", "xmc-tibkat-part": "tibkat-part", "xmc-bibtex": "bags",
        "xmc-delicious": "bags",
    }.items():  # fmt: skip
        reports[stem] = Report(
            partial(xmc.tables, rows(stem), name), partial(xmc.write_report, rows(stem), name)
        )
    return reports


REPORTS = _reports()
"""Reports by the name of their results file."""
