"""The section on cross entropy against rank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims.section import Line, Section, percent
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import Column, Row, markdown_table

TITLE = "Cross entropy against rank"

_STYLES = {
    "bottleneck": ("black", "o"), "product": ("tab:red", "*"), "joint": ("tab:orange", "s"),
    "mixture": ("tab:pink", "D"), "cascade table": ("tab:blue", "^"), "cascade digit": ("tab:green", "v"),
    "sampling": ("tab:purple", "x"),
}  # fmt: skip


def section(rows: Sequence[Row], picture: Path, shown_as: str) -> Section:
    """Verdict, table and plot."""
    plot(rows, picture)
    first = rows[0]
    rates = ", ".join(f"{rate:g}" for rate in first["rates"])
    text = f"""*Claimed*: heads are a low-rank approximation of the full classifier, and with cross entropy
and softmax the accuracy of the full classifier comes back as soon as the rank of the weights is above 1.
The paper's figure (ResNet-18, CIFAR-100; read off, G-MHE of rank 1 to 6: 70.2, 73.3, 74.8, 75.8, 75.7, 75.7
%; a bottleneck of 5, 10, 50 units: 74.0, 76.2, 77.6 %) shows accuracy against rank.

*Measured*: the decoder's features of a translation model are frozen, and each output layer is trained alone
on {first["positions"]:,} of them, each seen once in {first["updates"]:,} updates, one seed, at each of the
learning rates {rates}; the best rate on other training positions is kept. **The features were trained for a
full softmax**, so this says how much of a full softmax a layer can imitate, not what a network trained with
that layer would reach: a network can put into its features what its output layer is able to read.
"Bottleneck m" is a full softmax on m linear combinations of the features: its logits have rank m. A product
of digits is a tensor of rank 1, the joint form with R groups (Eq. 16) one of rank R, before the softmax;
for mixtures, R is the number of groups. The two ranks share an axis below, as in the paper's figure, but
are not the same thing: the *matrix* of a product's logits has a rank of up to the number of its features.

{markdown_table(sorted(rows, key=_place), _columns())}

![cross entropy against parameters, accuracy against rank]({shown_as})"""
    return Section(_summary({row["name"]: row for row in rows}), text)


def _place(row: Row) -> tuple[int, int]:
    return list(_STYLES).index(row["family"]), row["rank"] or 10**6


def _columns() -> list[Column]:
    return [
        ("output layer", lambda row: row["name"]),
        ("rank", lambda row: str(row["rank"] or "–")),
        ("parameters", lambda row: f"{row['parameters']:,}"),
        ("validation, bits", lambda row: f"{row['valid_bits']:.3f}"),
        ("accuracy", lambda row: percent(row["valid_accuracy"])),
        ("update, ms", lambda row: f"{row['step_ms']:.0f}"),
    ]


def _summary(rows: dict[str, Row]) -> list[Line]:
    full = rows.get("full softmax")
    if full is None:
        return []

    def told(names: Sequence[str]) -> str:
        figures = [f"{name}: {percent(rows[name]['valid_accuracy'])}" for name in names if name in rows]
        return ", ".join([*figures, f"full softmax: {percent(full['valid_accuracy'])}"])

    lines = []
    above_one = [row for row in rows.values() if (row["rank"] or 0) > 1 and row["family"] != "mixture"]
    if above_one:
        lowest = min(above_one, key=lambda row: row["valid_accuracy"])
        regained = lowest["valid_accuracy"] > full["valid_accuracy"] - 0.005
        names = ["product", "bottleneck 2", "joint, 2 groups", "joint, 16 groups", "bottleneck 128"]
        claim = "Above rank 1 the full classifier's accuracy comes back (frozen features)"
        lines.append(Line(claim, told(names), "holds" if regained else "does not hold"))
    joint = [row for row in rows.values() if row["family"] == "joint"]
    plain = [row for row in rows.values() if row["family"] == "bottleneck" and row["rank"]]
    if joint and plain:
        lines.append(_peer(joint, plain))
    return lines


def _peer(joint: list[Row], plain: list[Row]) -> Line:
    """The joint form against bottlenecks of the same rank, and of no more parameters."""
    ahead = {row["rank"]: row for row in plain}
    same = [(row, ahead[row["rank"]]) for row in joint if row["rank"] in ahead]
    better = sum(row["valid_bits"] < other["valid_bits"] for row, other in same)
    best = min(joint, key=lambda row: row["valid_bits"])
    cheaper = [row for row in plain if row["parameters"] <= best["parameters"]]
    measured = f"fewer bits than a bottleneck of the same rank in {better} of {len(same)} cases"
    if cheaper:
        other = min(cheaper, key=lambda row: row["valid_bits"])
        measured += (
            f"; best: {best['name']}, {best['parameters']:,} parameters, {best['valid_bits']:.3f} bits, "
            f"against {other['name']}, {other['parameters']:,} parameters, {other['valid_bits']:.3f} bits"
        )
        held = [better == len(same), best["valid_bits"] < other["valid_bits"]]
        verdict = "holds" if all(held) else "in part" if any(held) else "does not hold"
    else:
        measured += f"; no bottleneck is as small as {best['name']} ({best['parameters']:,} parameters)"
        verdict = "holds" if better == len(same) else "in part"
    return Line(
        "Groups approximate the full classifier better than a plain bottleneck does", measured, verdict
    )


def plot(rows: Sequence[Row], path: Path) -> None:
    """Bits against parameters, and accuracy against rank as in the paper's figure."""
    figure, axes = subplots(1, 2, width=6, height=4.5)
    left, right = axes[0]
    for family, (colour, marker) in _STYLES.items():
        if not any(row["family"] == family for row in rows):
            continue
        own = sorted((row for row in rows if row["family"] == family), key=lambda row: row["parameters"])
        style: dict[str, Any] = {"color": colour, "marker": marker, "label": family}
        line = "-" if family in ("bottleneck", "joint", "mixture") else ""
        left.plot(
            [row["parameters"] for row in own], [row["valid_bits"] for row in own], linestyle=line, **style
        )
        ranked = [row for row in own if row["rank"]]
        if ranked:
            right.plot(
                [row["rank"] for row in ranked], [100 * row["valid_accuracy"] for row in ranked],
                linestyle=line, **style,
            )  # fmt: skip
    full = next((row for row in rows if row["name"] == "full softmax"), None)
    if full:
        right.axhline(100 * full["valid_accuracy"], color="gray", linestyle=":", label="full softmax")
    left.set(xscale="log", xlabel="parameters of the output layer", ylabel="validation, bits")
    right.set(xscale="log", xlabel="rank (groups, or units of the bottleneck)", ylabel="accuracy, %")
    for axis in (left, right):
        axis.grid(True, alpha=0.3)
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    save(figure, path)
