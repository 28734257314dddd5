"""Tables and plot on argmax equivalence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.names import in_words
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Row, markdown_table, percent

_TUPLE, _RAW = "tuple of the heads' argmaxes", "outer product of raw logits"
_COLOURS = {
    _TUPLE: "tab:blue", _RAW: "tab:red", "tuple of the marginals' argmaxes": "tab:orange",
    "best group's tuple": "tab:pink", "greedy, digit by digit": "tab:green",
}  # fmt: skip


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Ranges over all cases, rates on random logits with a column per scale, and rates on models."""
    random = [row for row in rows if _is_random(row)]
    trained = [row for row in rows if not _is_random(row)]
    return {
        "ranges": _ranges(random, trained),
        "random": _random(random),
        "models": _models(trained),
        "predict": _predict(rows),
    }


def _is_random(row: Row) -> bool:
    return bool(row["setting"].startswith("random"))


def _predict(rows: Sequence[Row]) -> str:
    cases = sum(row["cases"] for row in rows)
    lowest = min(row["predict_equal"] for row in rows)
    return f"`head.predict` found the best label in {percent(lowest)} of all {cases:,} cases."


def _ranges(random: Sequence[Row], trained: Sequence[Row]) -> str:
    """Lowest and highest rate of each shortcut: random cases without and with unused codes, and models."""

    def column(rows: Sequence[Row]) -> Callable[[Row], str]:
        return lambda row: _span(_rates(rows, row["name"]))

    shortcuts = [{"name": name} for name in _COLOURS if _rates([*random, *trained], name)]
    return markdown_table(
        shortcuts,
        [
            ("shortcut", lambda row: row["name"]),
            ("every code used", column([row for row in random if not row["unused_codes"]])),
            ("with unused codes", column([row for row in random if row["unused_codes"]])),
            ("trained models", column(trained)),
        ],
    )


def _rates(rows: Sequence[Row], shortcut: str) -> list[float]:
    return [one["equal"] for row in rows for one in row["shortcuts"] if one["name"] == shortcut]


def _span(rates: Sequence[float]) -> str:
    if not rates:
        return "–"
    low, high = percent(min(rates)), percent(max(rates))
    return low if low == high else f"{low} to {high}"


_NAMES: list[Column] = [
    ("head", lambda row: in_words(row["head"])),
    ("shortcut", lambda row: row["name"]),
]


def _random(rows: Sequence[Row]) -> str:
    """A row for each head and shortcut."""
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    pairs: dict[tuple[str, str], Row] = {}
    for row in rows:
        for one in row["shortcuts"]:
            pair = pairs.setdefault((row["name"], one["name"]), {"head": row["name"], **one})
            pair[row["setting"]] = one
    return markdown_table(list(pairs.values()), [*_NAMES, *_columns_of(settings)])


def _models(rows: Sequence[Row]) -> str:
    flat = [
        {"head": row["name"], "setting": row["setting"], **one, _MODEL: one}
        for row in rows
        for one in row["shortcuts"]
    ]
    setting: Column = ("features", lambda row: row["setting"])
    return markdown_table(flat, [_NAMES[0], setting, _NAMES[1], *_columns_of([_MODEL])])


_MODEL = "model"


def _columns_of(settings: Sequence[str]) -> list[Column]:
    """How often it is right, and what it loses, in each setting; how often it is no label, in the first."""

    def cell(setting: str, key: str) -> Callable[[Row], str]:
        def text(row: Row) -> str:
            if setting not in row:
                return "–"
            return f"{row[setting][key]:.3f}" if key == "bits_lost" else percent(row[setting][key])

        return text

    suffix = {setting: setting.replace("random logits", "") for setting in settings}
    suffix = dict.fromkeys(settings, "") if len(settings) == 1 else suffix
    return [
        *((f"right{suffix[setting]}", cell(setting, "equal")) for setting in settings),
        *(("no label", cell(setting, "no_label")) for setting in settings[:1]),
        *((f"bits lost{suffix[setting]}", cell(setting, "bits_lost")) for setting in settings),
    ]


def plot(rows: Sequence[Row], path: Path) -> None:
    """A bar for each head and shortcut; random logits at the first scale only."""
    scales = sorted({row["setting"] for row in rows if _is_random(row)})
    shown = [row for row in rows if row["setting"] not in scales[1:]]
    bars = [(row, one) for row in sorted(shown, key=_is_random, reverse=True) for one in row["shortcuts"]]
    figure, axes = subplots(1, 1, width=9, height=1.2 + 0.26 * len(bars))
    axis = axes[0, 0]
    for place, (_, one) in enumerate(bars):
        axis.barh(place, 100 * one["equal"], color=_COLOURS[one["name"]], height=0.75)
        axis.text(100 * one["equal"] + 0.7, place, percent(one["equal"]), va="center", fontsize=8)
    labels = [f"{in_words(row['name'])} ({row['setting'].split()[0]})" for row, _ in bars]
    axis.set_yticks(range(len(bars)), labels, fontsize=8)
    axis.set(ylim=(len(bars) - 0.5, -0.5), xlim=(0, 110), xlabel="finds the best label, % of the cases")
    axis.grid(True, axis="x", alpha=0.3)
    used = [name for name in _COLOURS if any(one["name"] == name for _, one in bars)]
    handles = [axis.barh([0], [0], color=_COLOURS[name], label=name) for name in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    save(figure, path)
