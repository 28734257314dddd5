"""The section on the order of the labels."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.order import HEADS, ORDERS, REGIMES
from benchmarks.claims.section import Line, Section, percent
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Row, markdown_table

TITLE = "The order of the labels, underfitted and overfitted"

_FIGURES = ("train_bits", "train_accuracy", "valid_bits", "valid_accuracy")
_COLOURS = {"product": "tab:red", "cascade digit": "tab:green", "cascade table": "tab:blue"}


def section(rows: Sequence[Row], picture: Path, shown_as: str) -> Section:
    """Verdict, tables and plot."""
    means = _means(rows)
    plot(means, picture)
    seeds = sorted({row["seed"] for row in rows})
    tables = []
    for regime in REGIMES:
        own = [row for row in means if row["regime"] == regime]
        if own:
            told = (
                f"**{regime.capitalize()}**: width {own[0]['width']}, {own[0]['sentences']:,} sentences "
                f"({own[0]['positions']:,} words), {own[0]['updates']:,} updates."
            )
            tables.append(f"{told}\n\n{markdown_table(own, _columns())}")
    body = "\n\n".join(tables)
    if len(seeds) > 1:
        spread = (
            f"Means over seeds {', '.join(map(str, seeds))}, ± standard deviation where a row has several."
        )
    else:
        spread = f"One seed ({seeds[0]}), so nothing is known of the spread."
    text = f"""*Claimed* (after Theorem 3): the semantics of the labels, and so the way in which they are
grouped, cease to matter once the model overfits; before that, clustered labels help (the paper's figure:
27.7 against 24.8 % for a small network, 76.5 against 76.5 % for ResNet-18).

*Measured*: a small translation model trained from end to end, in which the mean of the source's embeddings
and the two previous target words predict the next one (`Network` in
`benchmarks/claims/order.py`), with digits by frequency (*dictionary*), at *random*, and
*clustered* by `python -m data_prep order`, from the whole training text. {spread} The full softmax has no
order and is there for comparison; "behind 2 units" has logits of rank 2, which tests the second claim from
end to end.

{body}

![validation against the order of the labels]({shown_as})"""
    return Section(_summary(means), text)


def _means(rows: Sequence[Row]) -> list[Row]:
    """One row a regime, head and order, with means over seeds and `..._spread`."""
    found = []
    for regime in REGIMES:
        for head in HEADS:
            for kind in (*ORDERS, "none"):
                setting = f"{regime}, order {kind}"
                members = [row for row in rows if (row["name"], row["setting"]) == (head, setting)]
                if members:
                    mean = {**members[0], "regime": regime, "order": kind}
                    for key in _FIGURES:
                        figures = [row[key] for row in members]
                        mean[key] = statistics.mean(figures)
                        mean[f"{key}_spread"] = statistics.stdev(figures) if len(figures) > 1 else None
                    found.append(mean)
    return found


def _columns() -> list[Column]:
    def bits(key: str) -> Column:
        def cell(row: Row) -> str:
            spread = row[f"{key}_spread"]
            return f"{row[key]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")

        return f"{key.split('_')[0]}, bits", cell

    return [
        ("head", lambda row: row["name"]),
        ("order", lambda row: "–" if row["order"] == "none" else row["order"]),
        ("its parameters", lambda row: f"{row['head_parameters']:,}"),
        bits("train_bits"),
        ("train accuracy", lambda row: percent(row["train_accuracy"])),
        bits("valid_bits"),
        ("valid accuracy", lambda row: percent(row["valid_accuracy"])),
    ]


#: Of accuracy; the validation set's standard error is a little less.
_NOTICEABLE = 0.005


def _summary(means: Sequence[Row]) -> list[Line]:
    lines = []
    for regime in REGIMES:
        heads = {
            head: _loss([row for row in means if (row["regime"], row["name"]) == (regime, head)])
            for head in _COLOURS
        }
        told = {head: loss for head, loss in heads.items() if loss}
        if not told:
            continue
        measured = "what a random order has more than a clustered one, " + "; ".join(
            f"{head}: training {loss['train_bits']:+.3f} bits, validation {loss['valid_bits']:+.3f} bits "
            f"and {100 * loss['valid_accuracy']:+.1f} points of accuracy"
            for head, loss in told.items()
        )
        if regime == "underfitted":
            bits = _verdict([loss["valid_bits"] > 0 for loss in told.values()])
            accuracy = _verdict([loss["valid_accuracy"] < -_NOTICEABLE for loss in told.values()])
            verdict = f"likelihood: {bits}; accuracy: {accuracy}"
            lines.append(Line("Clustered labels help an underfitted model", measured, verdict))
        else:
            fitted = _verdict([abs(loss["train_accuracy"]) < _NOTICEABLE for loss in told.values()])
            unseen = _verdict([abs(loss["valid_accuracy"]) < _NOTICEABLE for loss in told.values()])
            verdict = f"training text: {fitted}; held-out text: {unseen}"
            lines.append(Line("Their order ceases to matter once a model overfits", measured, verdict))
    return lines


def _verdict(holds: Sequence[bool]) -> str:
    if all(holds):
        return "holds"
    return "holds in part" if any(holds) else "does not hold"


def _loss(rows: Sequence[Row]) -> dict[str, float]:
    """By how much each figure of the random order is above the clustered one's."""
    by_order = {row["order"]: row for row in rows}
    if not {"random", "clustered"} <= set(by_order):
        return {}
    return {key: by_order["random"][key] - by_order["clustered"][key] for key in _FIGURES}


def plot(means: Sequence[Row], path: Path) -> None:
    """Accuracy on validation and training text by order, a column a regime."""
    regimes = [regime for regime in REGIMES if any(row["regime"] == regime for row in means)]
    figure, axes = subplots(2, len(regimes), width=5, height=3.6)
    for column, regime in enumerate(regimes):
        for axis, key, label in zip(
            axes[:, column], ("valid_bits", "valid_accuracy"), ("validation, bits", "validation accuracy"),
            strict=True,
        ):  # fmt: skip
            for head, colour in _COLOURS.items():
                own = {row["order"]: row for row in means if (row["regime"], row["name"]) == (regime, head)}
                kinds = [kind for kind in ORDERS if kind in own]
                axis.errorbar(
                    kinds, [own[kind][key] for kind in kinds],
                    yerr=[own[kind][f"{key}_spread"] or 0.0 for kind in kinds],
                    color=colour, marker="o", capsize=3, label=head,
                )  # fmt: skip
            full = [row for row in means if (row["regime"], row["name"]) == (regime, "full softmax")]
            if full:
                axis.axhline(full[0][key], color="black", linestyle=":", label="full softmax")
            axis.set(ylabel=label, title=regime)
            axis.grid(True, alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    save(figure, path)
