"""Tables and plot of `benchmarks.gpu`, made from the stored rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu.correct import MODES
from benchmarks.gpu.layers import LAYERS, PLAIN
from benchmarks.gpu.plan import KEY
from benchmarks.harness.pages import publish
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Row, markdown_table, read_rows

NOT_YET = "Not yet measured on a GPU."

_WIDTH = 6
#: Modes of the waits; each has a column for training and one for decoding.
_WAITED = ("bfloat16", "autocast", "float32")

Size = tuple[int, int]


def write_report(results: Path) -> None:
    """Writes the tables of a results file, and a plot next to it where matplotlib is installed."""
    rows = _rows(results)
    if find_spec("matplotlib") is not None and _sizes(rows):
        plot(rows, results.with_suffix(".png"))
    publish(results, tables(results))


def tables(results: Path) -> dict[str, str]:
    """All tables; those without rows say that nothing has been measured."""
    rows = _rows(results)
    made = {
        "setting": _setting(rows, results),
        "correct": _correct(rows),
        "waits": _waits(rows),
        "training": _by_size(rows, _with_speed("train_ms")),
        "memory": _by_size(rows, lambda row, base: _number(row.get("train_peak_mb"), "{:,.0f}")),
        "decoding": _by_size(rows, _with_speed("decode_ms")),
        "autocast": _autocast(rows),
        "notes": _notes(rows),
        "plot": f"![training and decoding steps against the full softmax]({results.stem}.png)"
        if _sizes(rows)
        else "",
    }
    return {f"{results.stem}-{name}": text or NOT_YET for name, text in made.items()}


def _rows(results: Path) -> list[Row]:
    """The latest rows of the device that was measured last."""
    rows = read_rows(results, KEY)
    return [row for row in rows if row["device"] == rows[-1]["device"]]


def _setting(rows: Sequence[Row], results: Path) -> str:
    if not rows:
        return ""
    last = rows[-1]
    versions = ", ".join(dict.fromkeys(f"torch {row['torch']}" for row in rows))
    card = f"{last['device']} ({last['memory_gb']} GB, CUDA {last['cuda']})" if "cuda" in last else "a CPU"
    sizes = " Sizes are tiny: times mean nothing." if last["tiny"] else ""
    wrong = [row for row in rows if row["wrong"]]
    verdict = f"{len(wrong)} of {len(rows)} rows are wrong." if wrong else f"All {len(rows)} rows are right."
    kept = f"The rows are in [{results.name}]({results.name})."
    return f"Measured on {card} with {versions}.{sizes} {verdict} {kept}"


def _of(rows: Sequence[Row], part: str) -> list[Row]:
    return [row for row in rows if row["part"] == part]


def _named(rows: Sequence[Row]) -> list[Row]:
    """A row per layer among these, in the order of the tables."""
    return [{"name": name} for name in LAYERS if any(row["name"] == name for row in rows)]


def _correct(rows: Sequence[Row]) -> str:
    cells = {(row["name"], row["mode"]): row for row in _of(rows, "correct")}

    def column(mode: str) -> Column:
        def cell(named: Row) -> str:
            row = cells.get((named["name"], mode))
            if row is None:
                return "–"
            if row["wrong"]:
                return "wrong"
            shares = [error for verb, error in row["errors"].items() if verb.startswith("gradient")]
            nats = [error for verb, error in row["errors"].items() if not verb.startswith("gradient")]
            return f"{max(nats):.0e}, {max(shares):.0e}"

        return mode, cell

    names = [{"name": name} for name in dict.fromkeys(name for name, _ in cells)]
    return markdown_table(names, [("head", lambda row: row["name"]), *map(column, MODES)]) if names else ""


def _waits(rows: Sequence[Row]) -> str:
    found = _of(rows, "waits")
    cells = {(row["name"], row["mode"]): row for row in found}

    def column(step: str, title: str, mode: str) -> Column:
        def cell(named: Row) -> str:
            row = cells.get((named["name"], mode), {})
            figures = [row.get(f"{step}_{figure}") for figure in ("waits", "launches")]
            if figures == [None, None]:
                return "–"
            return ", ".join(_number(figure, "{:,}") for figure in figures)

        return f"{title}, {mode}", cell

    steps = (("train", "training"), ("decode", "decoding"))
    columns = [column(step, title, mode) for step, title in steps for mode in _WAITED]
    return markdown_table(_named(found), [_LAYER, *columns]) if found else ""


_LAYER: Column = ("output layer", lambda row: LAYERS[row["name"]].words)


def _sizes(rows: Sequence[Row]) -> list[Size]:
    """The sizes of the times without autocast, by d."""
    found = {(row["labels"], row["features"]) for row in _of(rows, "times") if row["mode"] == "bfloat16"}
    return sorted(found, key=lambda size: (size[1], size[0]))[:_WIDTH]


def _timed(rows: Sequence[Row]) -> dict[tuple[str, Size], Row]:
    return {
        (row["name"], (row["labels"], row["features"])): row
        for row in _of(rows, "times")
        if row["mode"] == "bfloat16"
    }


def _by_size(rows: Sequence[Row], shown: Callable[[Row, Row], str]) -> str:
    """A table with a column per size; a cell is made from its row and from the plain softmax's."""
    cells = _timed(rows)

    def column(size: Size) -> Column:
        def cell(named: Row) -> str:
            row = cells.get((named["name"], size))
            if row is None:
                return "–"
            return _unmeasured(row) or shown(row, cells.get((PLAIN, size), {}))

        return f"V = {size[0]:,}, d = {size[1]:,}", cell

    sizes = _sizes(rows)
    return markdown_table(_named(list(cells.values())), [_LAYER, *map(column, sizes)]) if sizes else ""


def _unmeasured(row: Row) -> str | None:
    """The cell of a row without figures; why others than those without memory have none, the notes say."""
    if row["wrong"]:
        return "failed"
    note = row.get("note")
    return note if note in (None, "out of memory") else "–"


def _notes(rows: Sequence[Row]) -> str:
    """A line for everything that is wrong, and one for each reason why a layer was not measured."""
    lines = [f"- Wrong: {_title(row)}: {sentence}" for row in rows for sentence in row["wrong"]]
    notes = [(LAYERS[row["name"]].words, row["note"]) for row in rows if _unmeasured(row) == "–"]
    lines += [f"- Not measured: {words}: {note}" for words, note in dict.fromkeys(notes)]
    return "\n".join(lines) or ("Everything was measured." if rows else "")


def _title(row: Row) -> str:
    words = LAYERS[row["name"]].words if row["name"] in LAYERS else row["name"]
    return f"{row['part']}, {words}, {row['mode']}"


def _with_speed(field: str) -> Callable[[Row, Row], str]:
    """Milliseconds, and how many times as fast as the plain softmax that is."""

    def cell(row: Row, base: Row) -> str:
        if row.get(field) is None:
            return "–"
        speed = f" ({base[field] / row[field]:.1f}×)" if base.get(field) else ""
        return f"{row[field]:.2f}{speed}"

    return cell


def _autocast(rows: Sequence[Row]) -> str:
    found = [row for row in _of(rows, "times") if row["mode"] == "autocast"]

    def column(title: str, field: str, pattern: str) -> Column:
        def cell(row: Row) -> str:
            return _unmeasured(row) or _number(row.get(field), pattern)

        return title, cell

    rows_by_name = {row["name"]: row for row in found}
    ordered = [rows_by_name[name] for name in LAYERS if name in rows_by_name]
    columns = [
        column("training step, ms", "train_ms", "{:.2f}"),
        column("memory of a training step, MB", "train_peak_mb", "{:,.0f}"),
        column("decoding step, ms", "decode_ms", "{:.2f}"),
    ]
    return markdown_table(ordered, [_LAYER, *columns]) if ordered else ""


def _number(value: float | None, pattern: str) -> str:
    return "–" if value is None else pattern.format(value)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Times as multiples of the plain softmax's, by size: training on the left, decoding on the right."""
    sizes, cells = _sizes(rows), _timed(rows)
    figure, ((left, right),) = subplots(1, 2, width=6.5, height=5)
    for axes, field, title in ((left, "train_ms", "training step"), (right, "decode_ms", "decoding step")):
        for name, layer in LAYERS.items():
            points = [
                (place, cells[name, size][field] / cells[PLAIN, size][field])
                for place, size in enumerate(sizes)
                if cells.get((name, size), {}).get(field) and cells.get((PLAIN, size), {}).get(field)
            ]
            if points:
                style = "-" if layer.ours else "--"
                axes.plot(*zip(*points, strict=True), style, marker="o", label=layer.words)
        names = [f"{labels:,}\n× {features:,}" for labels, features in sizes]
        axes.set_xticks(range(len(sizes)), names)
        axes.set(yscale="log", xlabel="V × d", title=f"{title}, time over that of the full softmax in torch")
        axes.grid(True, which="both", alpha=0.3)
    if left.get_legend_handles_labels()[0]:
        left.legend(fontsize=8)
    save(figure, path, dpi=120)
