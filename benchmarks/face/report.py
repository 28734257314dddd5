"""Tables, commands and plot of `benchmarks.face`: means over seeds with their standard errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.names import in_words
from benchmarks.harness.pages import publish
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.recipe import script
from benchmarks.harness.results import (
    Column,
    Mean,
    Row,
    markdown_table,
    mean_of,
    measured_with,
    read_rows,
)

Groups = dict[str, list[Row]]


def by_name(rows: Sequence[Row], order: Sequence[str]) -> Groups:
    """The rows of each classifier that has some, by seed."""
    groups = {name: [row for row in rows if row["name"] == name] for name in order}
    return {name: sorted(group, key=lambda row: row["seed"]) for name, group in groups.items() if group}


def difference_to_full(name: str, groups: Groups, value: Callable[[Row], float]) -> Mean | None:
    """Mean value minus that of the full classifier with the same margin, with the error of the difference.

    Trainings with the same seed are not treated as pairs: they share only the backbone's first weights.
    """
    full, _, sampled = name.partition("-")
    if not sampled or full not in groups:
        return None
    sampled_mean, base = (mean_of([value(row) for row in groups[n]]) for n in (name, full))
    error = None if sampled_mean[1] is None or base[1] is None else math.hypot(sampled_mean[1], base[1])
    return sampled_mean[0] - base[0], error


def _percent(mean: Mean | None, sign: str = "") -> str:
    if mean is None:
        return "–"
    error = "" if mean[1] is None else f" ± {100 * mean[1]:.2f}"
    return f"{100 * mean[0]:{sign}.2f}{error}"


def _accuracy(row: Row) -> float:
    return row["accuracy"]


def _auc(row: Row) -> float:
    return row["all_pairs"]["auc"]


def _mean(value: Callable[[Row], float]) -> Callable[[Row], str]:
    return lambda group: _percent(mean_of([value(row) for row in group["rows"]]))


def _difference(value: Callable[[Row], float]) -> Callable[[Row], str]:
    return lambda group: _percent(difference_to_full(group["name"], group["groups"], value), "+")


def _average(group: Row, value: Callable[[Row], float]) -> float:
    return statistics.fmean(value(row) for row in group["rows"])


_NAME: Column = ("classifier", lambda group: in_words(group["name"]))

_ACCURACY: list[Column] = [
    _NAME,
    ("seeds", lambda group: str(len(group["rows"]))),
    ("accuracy, %", _mean(_accuracy)),
    ("over folds", lambda group: f"± {100 * _average(group, lambda row: row['fold_standard_error']):.2f}"),
    ("to full, points", _difference(_accuracy)),
    ("TAR at FAR 1e-2, %", _mean(lambda row: row["tar"])),
]

_ALL_PAIRS: list[Column] = [
    _NAME,
    ("AUC, %", _mean(_auc)),
    ("to full, points", _difference(_auc)),
    ("TAR at FAR 1e-3, %", _mean(lambda row: row["all_pairs"]["tar"])),
]

_COST: list[Column] = [
    _NAME,
    ("classes trained, %", lambda group: f"{100 * _average(group, lambda row: row['used_fraction']):.1f}"),
    ("classifier, MB", lambda group: f"{_average(group, lambda row: row['classifier_bytes']) / 1e6:.1f}"),
    (
        "update, ms",
        lambda group: f"{1000 * _average(group, lambda row: row['train_seconds'] / row['updates']):.0f}",
    ),
    ("training, min", lambda group: f"{_average(group, lambda row: row['train_seconds'] / 60):.1f}"),
]


def write_report(results: Path, order: Sequence[str]) -> None:
    """Writes the tables, the commands and the plot of a results file; `order` is that of the classifiers."""
    rows = [row for own in by_name(read_rows(results), order).values() for row in own]
    titled = [(f"{in_words(row['name'])}, seed {row['seed']}", row) for row in rows]
    publish(results, tables(results, order), script(titled))
    write_plot(rows, order, results.with_suffix(".png"))


def tables(results: Path, order: Sequence[str]) -> dict[str, str]:
    """Accuracy on the folds, figures on all pairs, cost, and the setting."""
    groups = by_name(read_rows(results), order)
    rows = [row for group in groups.values() for row in group]
    table: list[Row] = [{"name": name, "rows": group, "groups": groups} for name, group in groups.items()]
    one, beyond = rows[0], rows[0]["all_pairs"]
    folds = " and ".join(map(str, one["folds"]))
    setting = (
        f"{one['people']:,} people to train on, {one['pairs']:,} pairs in folds {folds}; "
        f"{one['epochs']:g} epochs, {one['updates']:,} updates. All pairs: {beyond['pairs']:,}, of which "
        f"{beyond['pairs_of_one_person']:,} show one person. {measured_with(rows)}"
    )
    named = {
        "accuracy": markdown_table(table, _ACCURACY),
        "all-pairs": markdown_table(table, _ALL_PAIRS),
        "cost": markdown_table(table, _COST),
        "setting": setting,
    }
    return {f"{results.stem}-{name}": text for name, text in named.items()}


def write_plot(rows: Sequence[Row], order: Sequence[str], path: Path) -> None:
    """Accuracy against the classifier's memory, a line for each margin; bars are standard errors."""
    groups = by_name(rows, order)
    figure, axes = subplots(1, 1, width=6, height=4)
    axis: Any = axes[0][0]
    for margin in dict.fromkeys(name.partition("-")[0] for name in groups):
        members = [group for name, group in groups.items() if name.partition("-")[0] == margin]
        members.sort(key=lambda group: group[0]["classifier_bytes"])
        sizes = [statistics.fmean(row["classifier_bytes"] for row in group) / 1e6 for group in members]
        means = [mean_of([100 * row["accuracy"] for row in group]) for group in members]
        errors = [error or 0.0 for _, error in means]
        axis.errorbar(
            sizes, [mean for mean, _ in means], errors, marker="o", capsize=3, label=in_words(margin)
        )
        for size, (mean, _), group in zip(sizes, means, members, strict=True):
            share = statistics.fmean(row["used_fraction"] for row in group)
            axis.annotate(f"{share:.0%}", (size, mean), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axis.margins(x=0.1)
    axis.set(xlabel="classifier, MB (labels: share of classes trained per update)", ylabel="accuracy, %")
    axis.legend()
    save(figure, path)
