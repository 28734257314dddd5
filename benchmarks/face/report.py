"""The table and the plot of `benchmarks.face`: means over seeds with their standard errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Mean, Row, markdown_table, mean_of
from benchmarks.harness.trainings import command_section, measured_with

Groups = dict[str, list[Row]]


def by_name(rows: Sequence[Row], order: Sequence[str]) -> Groups:
    """The rows of each classifier that has some, by seed."""
    groups = {name: [row for row in rows if row["name"] == name] for name in order}
    return {name: sorted(own, key=lambda row: row["seed"]) for name, own in groups.items() if own}


def difference_to_full(name: str, groups: Groups, value: Callable[[Row], float]) -> Mean | None:
    """Mean value less that of the full classifier with the same margin; with the error of that difference.

    Seeds are no pairs: what two classifiers make of one have nothing but the backbone's first weights in
    common.
    """
    full, _, sampled = name.partition(",")
    if not sampled or full not in groups:
        return None
    own, base = (mean_of([value(row) for row in groups[n]]) for n in (name, full))
    error = None if own[1] is None or base[1] is None else math.hypot(own[1], base[1])
    return own[0] - base[0], error


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


COLUMNS: list[Column] = [
    ("classifier", lambda group: group["name"]),
    ("seeds", lambda group: str(len(group["rows"]))),
    ("accuracy (%)", _mean(_accuracy)),
    ("over folds", lambda group: f"± {100 * _average(group, lambda row: row['fold_standard_error']):.2f}"),
    ("to full (points)", _difference(_accuracy)),
    ("TAR (%) at FAR 1e-2", _mean(lambda row: row["tar"])),
    ("all pairs: AUC (%)", _mean(_auc)),
    ("to full (points)", _difference(_auc)),
    ("all pairs: TAR (%) at FAR 1e-3", _mean(lambda row: row["all_pairs"]["tar"])),
    ("classes trained (%)", lambda group: f"{100 * _average(group, lambda row: row['used_fraction']):.1f}"),
    ("classifier (MB)", lambda group: f"{_average(group, lambda row: row['classifier_bytes']) / 1e6:.1f}"),
    (
        "update (ms)",
        lambda group: f"{1000 * _average(group, lambda row: row['train_seconds'] / row['updates']):.0f}",
    ),
    ("training (min)", lambda group: f"{_average(group, lambda row: row['train_seconds'] / 60):.1f}"),
]


def report(rows: Sequence[Row], order: Sequence[str], plot: str) -> str:
    """The text of the .md file beside the .jsonl file; `plot` is the name of the picture beside it."""
    groups = by_name(rows, order)
    table: list[Row] = [{"name": name, "rows": own, "groups": groups} for name, own in groups.items()]
    ordered = [row for own in groups.values() for row in own]
    one = ordered[0]
    beyond = one["all_pairs"]
    folds = " and ".join(map(str, one["folds"]))
    return f"""# Faces: full and sampled classifiers, verified on folds {folds}

{markdown_table(table, COLUMNS)}

![accuracy against the classifier's memory]({plot})

Trained on {one["people"]:,} people, none of whom is in the {one["pairs"]:,} pairs of folds {folds};
{one["epochs"]:g} epochs, {one["updates"]:,} updates. Verified are the last weights; nothing was chosen by
these folds but each one's threshold, which comes from the others of them. "All pairs" are all
{beyond["pairs"]:,} pairs of the same people's pictures, at most twelve of each;
{beyond["pairs_of_one_person"]:,} are of one person (`python -m benchmarks.face.all_pairs`). ± is the
standard error of the mean over seeds, "over folds" that over the folds of a training. "To full" is the
difference to the mean of the full classifier with the same margin. "Classes trained": what updates were
trained against on average, targets included.
"Classifier": weights, gradients, momentum, trained rows and logits at their peak, by arithmetic (`Plan` in
benchmarks/face/memory.py). An update's time is that of the training, data included, by the clock: whatever
else the machine did is in it.

{measured_with(ordered)}

{command_section(ordered, "benchmarks.face LFW_DIR")}"""


def write_plot(rows: Sequence[Row], order: Sequence[str], path: Path) -> None:
    """Accuracy against the classifier's memory, a line for each margin; bars: standard errors."""
    groups = by_name(rows, order)
    figure, axes = subplots(1, 1, width=6, height=4)
    axis: Any = axes[0][0]
    for margin in dict.fromkeys(name.partition(",")[0] for name in groups):
        members = [own for name, own in groups.items() if name.partition(",")[0] == margin]
        members.sort(key=lambda own: own[0]["classifier_bytes"])
        sizes = [statistics.fmean(row["classifier_bytes"] for row in own) / 1e6 for own in members]
        means = [mean_of([100 * row["accuracy"] for row in own]) for own in members]
        errors = [error or 0.0 for _, error in means]
        axis.errorbar(sizes, [mean for mean, _ in means], errors, marker="o", capsize=3, label=margin)
        for size, (mean, _), own in zip(sizes, means, members, strict=True):
            share = statistics.fmean(row["used_fraction"] for row in own)
            axis.annotate(f"{share:.0%}", (size, mean), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axis.margins(x=0.1)
    axis.set(xlabel="classifier, MB (marked: classes trained in an update)", ylabel="accuracy, %")
    axis.legend()
    save(figure, path)
