"""Checks every head on a CUDA device and times it against other output layers: `python -m benchmarks.gpu`.

It needs this project's folders `mhe_nmt` and `benchmarks`, torch 2.11 or later and numpy; a plot is made
where matplotlib is installed. Each row goes to the results file at once. The same command goes on from there:
it repeats what was wrong, and what other code, another torch or another device gave. Without a CUDA device,
or with --tiny, all sizes are tiny, which tries the command and nothing else.

The exit status is 1 if a head is wrong: if a verb or a gradient is not that of float64, if the host waits for
the device more often than it may, or if a step fails. A layer that does not fit into the memory is not wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch

if not __package__:
    # As a folder, `python benchmarks/gpu`: modules are found from the repository's folder, not from this one.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.gpu.device import Budget, Device
from benchmarks.gpu.layers import UnavailableError
from benchmarks.gpu.plan import KEY, PARTS, Cell, cells
from benchmarks.gpu.report import write_report
from benchmarks.harness.pages import RESULTS
from benchmarks.harness.process import ROOT
from benchmarks.harness.results import Row, append_row, read_rows

_SAME = ("device", "torch", "code")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    device, budget = Device(), Budget(options.budget)
    tiny = options.tiny or not device.is_cuda
    if not tiny:
        torch.set_float32_matmul_precision("highest")
    results: Path = options.results or _default_results(tiny)
    if tiny and results.resolve().parent == RESULTS:
        sentence = "the documentation shows full sizes on a CUDA device only; choose another folder"
        print(f"benchmarks.gpu: error: --results {results}: {sentence}", file=sys.stderr)
        return 2
    surroundings = device.surroundings() | {"tiny": tiny}
    print(f"{surroundings['device']}, torch {torch.__version__}, rows go to {results}", flush=True)
    try:
        planned = list(cells(device, budget, tiny=tiny, parts=tuple(options.parts)))
        left = _measure(planned, results, surroundings, device, budget)
    except KeyboardInterrupt:
        print("benchmarks.gpu: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    write_report(results)
    if left:
        print(f"{left} rows did not fit into {options.budget:g} seconds; the same command goes on from here")
    return _verdict(results, surroundings)


def _default_results(tiny: bool) -> Path:
    if tiny:
        return Path("runs/gpu-tiny.jsonl")
    # A copy of the code alone has no pages to put tables into.
    return RESULTS / "gpu.jsonl" if (ROOT / "mkdocs.yml").exists() else Path("gpu.jsonl")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    paragraphs = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=paragraphs[0], epilog="\n\n".join(paragraphs[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    # fmt: off
    add("--tiny", action="store_true", help="tiny sizes, as without a CUDA device")
    add("--budget", type=float, default=330, metavar="SECONDS",
        help="no row is begun that would probably end later; all rows of an H100 fit (default: %(default)s)")
    add("--parts", nargs="+", default=list(PARTS), choices=PARTS, metavar="PART",
        help=f"some of {', '.join(PARTS)} (default: all)")
    add("--results", type=Path, metavar="FILE",
        help="rows; default: docs/results/gpu.jsonl, for tiny sizes runs/gpu-tiny.jsonl")
    # fmt: on
    options = parser.parse_args(arguments)
    if options.budget <= 0:
        parser.error(f"--budget must be positive, got {options.budget:g}")
    return options


def _measure(planned: list[Cell], results: Path, surroundings: Row, device: Device, budget: Budget) -> int:
    """Measures what is not in the results file yet, and returns how many rows there was no time for."""
    known = {_key(row): row for row in read_rows(results, KEY) if _same(row, surroundings)}
    missing = [cell for cell in planned if _key(cell.key) not in known]
    # What was wrong last time comes after what has not been seen: it may break the device again.
    missing += [cell for cell in planned if known.get(_key(cell.key), {}).get("wrong")]
    left = 0
    for cell in missing:
        if budget.left() < cell.reserve:
            left += 1
            continue
        started = time.monotonic()
        row = cell.key | _row(cell) | surroundings
        row["seconds"] = round(time.monotonic() - started, 2)
        append_row(results, row)
        state = "WRONG" if row["wrong"] else row.get("note", "ok")
        print(f"{cell.title}: {state} ({row['seconds']:.1f} s)", flush=True)
        try:
            if cell.key["part"] != "correct":
                device.free()
            device.wait()
        except RuntimeError as error:
            print(f"the device is lost: {_first_line(error)}; start the command again", flush=True)
            return left + len(missing) - missing.index(cell) - 1
    return left


def _row(cell: Cell) -> Row:
    """The figures of a row. A failure is one: of this project's heads a wrong one, of others a note."""
    try:
        return cell.measure()
    except torch.OutOfMemoryError:
        return {"wrong": [], "note": "out of memory"}
    except UnavailableError as error:
        return {"wrong": [], "note": str(error)}
    except Exception as error:
        said = f"{type(error).__name__}: {_first_line(error)}"
        return {"wrong": [said]} if cell.ours else {"wrong": [], "note": f"failed: {said}"}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def _verdict(results: Path, surroundings: Row) -> int:
    """Names what is wrong on one line each, and returns the exit status."""
    rows = [row for row in read_rows(results, KEY) if _same(row, surroundings)]
    for row in rows:
        for sentence in row["wrong"]:
            print(
                f"benchmarks.gpu: error: {row['part']}: {row['name']}, {row['mode']}: {sentence}",
                file=sys.stderr,
            )
    if any(row["wrong"] for row in rows):
        return 1
    print(f"nothing wrong in {len(rows)} rows")
    return 0


def _same(row: Row, surroundings: Row) -> bool:
    """Whether a row was measured with this code, torch and device."""
    return all(row.get(field) == surroundings[field] for field in (*_SAME, "tiny"))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[field] for field in KEY)


if __name__ == "__main__":
    sys.exit(main())
