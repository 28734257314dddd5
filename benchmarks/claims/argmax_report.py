"""The section on argmax equivalence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.claims.section import Line, Section, percent
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Row, markdown_table

TITLE = "The best label is the tuple of the heads' best digits"

_TUPLE, _RAW = "tuple of the heads' argmaxes", "outer product of raw logits"
_GREEDY = "greedy, digit by digit"
_COLOURS = {
    _TUPLE: "tab:blue", _RAW: "tab:red", "tuple of the marginals' argmaxes": "tab:orange",
    "best group's tuple": "tab:pink", _GREEDY: "tab:green",
}  # fmt: skip


def section(rows: Sequence[Row], picture: Path, shown_as: str) -> Section:
    """Verdicts, plot and table."""
    random = [row for row in rows if row["setting"].startswith("random")]
    trained = [row for row in rows if not row["setting"].startswith("random")]
    predicted = min(row["predict_equal"] for row in rows)
    cases = sum(row["cases"] for row in rows)
    plot(random + trained, picture)
    text = f"""*Claimed* (Theorem 1): the argmax over the outer product of the heads' outputs is the tuple
of the heads' argmaxes, so that no V-wide score is ever needed. *Measured*: how often a shortcut, which
looks at single digits only, finds the label with the highest probability. "Scale" is the standard deviation
of independent normal logits; "trained" are the decoder's features and the head of a translation model on
all words of the validation set; "frozen features" is the joint form of section 2.

Where it holds and where not:

- **Softmax outputs, every code used** (V = Π radices): always. A product of positive numbers is greatest
  where every factor is.
- **Raw logits**, as the formula stands: two large negative logits have a large positive product. The scale
  of the logits does not matter, the number of heads does. On a trained head it shows less often, and still
  shows.
- **Unused codes** (V < Π radices): the tuple of the best digits can be a code that no label has. Where it
  is a label it is the best one.
- **Mixtures of groups** and the **joint form** (the paper's Eq. 16) have no tuple of argmaxes: a head has
  one argmax for each group. Two substitutes are measured: the tuple of the most probable digits of the
  mixture as a whole, and the best of the groups' own tuples.
- **Cascades**: the best label need not have the best first digit. Taking it greedily is beam search of
  width one.

`head.predict` does not rely on the claim: products and mixtures search boxes of used codes with a bound on
what is not listed, cascades expand first digits until the best one left is below the best label found, the
joint form looks at all V scores. It found the best label in {percent(predicted)} of all {cases:,} cases.

![how often each shortcut finds the best label]({shown_as})

{_tables(random, trained)}

*Right*: the shortcut finds the best label. *No label*: it finds a code that no label has. *Bits lost*: mean
of log₂ P(best) / P(the shortcut's label), over the cases in which it is a label."""
    return Section(_summary(random, trained), text)


def _summary(random: Sequence[Row], trained: Sequence[Row]) -> list[Line]:
    full = _equal(random, _TUPLE, unused=False)
    lines = []
    if full:
        claim = "The argmax over the outer product is the tuple of argmaxes: softmax outputs, no unused code"
        verdict = "holds" if min(full) == 1.0 else "does not hold"
        lines.append(Line(claim, f"{percent(min(full))} of random cases", verdict))
    for claim, names, unused in (
        ("The same of raw logits", [_RAW], None),
        ("The same with unused codes", [_TUPLE], True),
        ("The same of groups, by a tuple that stands for them", list(_COLOURS)[2:4], None),
        ("The same of cascades, greedily", [_GREEDY], None),
    ):
        found = [rate for name in names for rate in _equal(random, name, unused=unused)]
        model = [rate for name in names for rate in _equal(trained, name, unused=unused)]
        if found:
            measured = f"{_span(found)} of random cases"
            measured += f", {_span(model)} of trained models' words" if model else ""
            verdict = "holds" if min(found + model) == 1.0 else "does not hold"
            lines.append(Line(claim, measured, verdict))
    return lines


def _span(found: Sequence[float]) -> str:
    low, high = percent(min(found)), percent(max(found))
    return low if low == high else f"{low} to {high}"


def _equal(rows: Sequence[Row], shortcut: str, *, unused: bool | None) -> list[float]:
    """Rates of a shortcut over the cases with, without, or with and without codes that no label has."""
    return [
        one["equal"]
        for row in rows
        for one in row["shortcuts"]
        if one["name"] == shortcut and unused in (None, bool(row["unused_codes"]))
    ]


def _tables(random: Sequence[Row], trained: Sequence[Row]) -> str:
    """A row for each head and shortcut: of random logits with a column for each scale, then of models."""
    settings = list(dict.fromkeys(row["setting"] for row in random))
    pairs: dict[tuple[str, str], Row] = {}
    for row in random:
        for one in row["shortcuts"]:
            pair = pairs.setdefault((row["name"], one["name"]), {"head": row["name"], **one})
            pair[row["setting"]] = one
    tables = []
    if pairs:
        tables.append(markdown_table(list(pairs.values()), [*_NAMES, *_columns_of(settings)]))
    models = [
        {"head": f"{row['name']}, {row['setting']}", **one, _MODEL: one}
        for row in trained
        for one in row["shortcuts"]
    ]
    if models:
        tables.append(markdown_table(models, [*_NAMES, *_columns_of([_MODEL])]))
    return "\n\n".join(tables)


_MODEL = "model"
_NAMES: list[Column] = [("head", lambda row: row["head"]), ("shortcut", lambda row: row["name"])]


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
        ("no label", cell(settings[0], "no_label")),
        *((f"bits lost{suffix[setting]}", cell(setting, "bits_lost")) for setting in settings),
    ]


def plot(rows: Sequence[Row], path: Path) -> None:
    """A bar for each head and shortcut; random logits at the first scale only."""
    scales = sorted({row["setting"] for row in rows if row["setting"].startswith("random")})
    shown = [row for row in rows if row["setting"] not in scales[1:]]
    bars = [(row, one) for row in shown for one in row["shortcuts"]]
    figure, axes = subplots(1, 1, width=9, height=1.2 + 0.26 * len(bars))
    axis = axes[0, 0]
    for place, (_, one) in enumerate(bars):
        axis.barh(place, 100 * one["equal"], color=_COLOURS[one["name"]], height=0.75)
        axis.text(100 * one["equal"] + 0.7, place, percent(one["equal"]), va="center", fontsize=8)
    labels = [f"{row['name']} ({_short(row)})" for row, _ in bars]
    axis.set_yticks(range(len(bars)), labels, fontsize=8)
    axis.set(ylim=(len(bars) - 0.5, -0.5), xlim=(0, 110), xlabel="finds the best label, % of the cases")
    axis.grid(True, axis="x", alpha=0.3)
    used = [name for name in _COLOURS if any(one["name"] == name for _, one in bars)]
    handles = [axis.barh([0], [0], color=_COLOURS[name], label=name) for name in used]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    save(figure, path)


def _short(row: Row) -> str:
    return "random" if row["setting"].startswith("random") else row["setting"].split()[0]
