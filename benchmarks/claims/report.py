"""The page of `benchmarks.claims`, from its rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims import argmax_report, order_report, rank_report
from benchmarks.harness.results import Row, write_whole

KEY = ("claim", "name", "setting", "seed")

_SECTIONS = {"argmax": argmax_report, "rank": rank_report, "order": order_report}


def write_report(rows: Sequence[Row], page: Path, results: Path) -> None:
    """Writes `page`, and the plots beside `results`."""
    if not rows:
        return
    folder = os.path.relpath(results.parent, page.parent)
    sections, summary = [], []
    for number, (claim, module) in enumerate(_SECTIONS.items(), start=1):
        own = [row for row in rows if row["claim"] == claim]
        if not own:
            continue
        picture = results.with_name(f"{results.stem}-{claim}.png")
        found = module.section(own, picture, os.path.join(folder, picture.name))
        sections.append(f"## {number}. {module.TITLE}\n\n{found.text}")
        summary += [
            f"| {number}. {line.claim} | {line.measured} | {line.verdict} |" for line in found.summary
        ]
    machines = "; ".join(dict.fromkeys(f"{row['processor']}, {row['threads']} thread" for row in rows))
    minutes = sum(row["cpu_seconds"] for row in rows) / 60
    body = "\n\n".join(sections)
    table = "\n".join(["| claim | measured | verdict |", "|---|---|---|", *summary])
    write_whole(
        page,
        f"""# Claims of the paper, tested

Liang et al., "Multi-Head Encoding for Extreme Label Classification", arXiv 2412.10182: what it says of the
output layer as such, tested on Multi30k German-English. Written by `python -m benchmarks.claims` from
[{results.name}]({os.path.join(folder, results.name)}), which has the command of every row;
{len(rows)} measurements, {minutes:.0f} minutes of processor time ({machines}; torch
{rows[0]["versions"]["torch"]}).

{table}

{body}
""",
    )
