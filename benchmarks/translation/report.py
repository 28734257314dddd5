"""Tables, commands and plot of `benchmarks.translation`: means, costs, paired tests, single runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.names import EQUAL_TIME, in_words, without_equal_time
from benchmarks.harness.ordered import ordered_folder, reorder_command
from benchmarks.harness.pages import publish
from benchmarks.harness.plots import save, subplots
from benchmarks.harness.process import shown
from benchmarks.harness.recipe import script
from benchmarks.harness.results import (
    OUTPUT_LAYER,
    Column,
    Row,
    markdown_table,
    measured_with,
    own_parameters,
    read_json,
    read_rows,
    score_at,
    scored,
    signatures,
)
from benchmarks.translation.corpora import (
    CORPORA,
    memory_file,
    order_command,
    prepare_command,
    prepared_folder,
    step_times_file,
)
from benchmarks.translation.heads import MEASURED

NLL: Column = ("validation, bits", lambda row: f"{row['valid_nll_bits']:.3f}")


def tests_file(results: Path) -> Path:
    """Where the paired tests of a results file are kept."""
    return results.with_name(f"{results.stem}-paired.json")


def write_report(results: Path, corpus: str) -> None:
    """Writes the tables, the commands and the plot of a results file."""
    rows = read_rows(results)
    source, data = Path("DATA_FOLDER"), prepared_folder(corpus)
    preparation = [prepare_command(CORPORA[corpus], source, data), order_command(data)]
    used = {Path(part).name for row in rows for command in row["recipe"]["commands"] for part in command}
    if ordered_folder(data).name in used:
        preparation.append(reorder_command(data))
    titled = [(f"{in_words(row['name'])}, seed {row['seed']}", row) for row in rows]
    publish(results, tables(results), script(titled, [shown(command) for command in preparation]))
    title = f"{CORPORA[corpus].title}, German to English"
    write_plot(results.with_suffix(".png"), means(rows), step_times(results), title)


def step_times(results: Path) -> list[Row]:
    """Step times in float32, or if there are none, those in bfloat16."""
    return read_json(step_times_file(results)) or read_json(step_times_file(results, bf16=True))


def tables(results: Path) -> dict[str, str]:
    """The tables of a results file by name: quality, cost, paired tests, single runs."""
    rows = read_rows(results)
    of_runs = [
        markdown_table(rows, _RUNS),
        "\n".join(f"`{signature}`" for signature in signatures(rows)),
        measured_with(rows),
    ]
    named = {
        "quality": markdown_table(means(rows), _QUALITY),
        "cost": cost(step_times(results), read_json(memory_file(results))),
        "paired": markdown_table(read_json(tests_file(results)), _PAIRED),
        "runs": "\n\n".join(of_runs),
    }
    return {f"{results.stem}-{name}": table for name, table in named.items()}


_RUNS: list[Column] = [
    OUTPUT_LAYER,
    ("seed", lambda row: str(row["seed"])),
    NLL,
    ("BLEU, lenpen 1", scored("bleu", 1.0)),
    ("BLEU, lenpen 1.6", scored("bleu", 1.6)),
    ("chrF++", scored("chrf++")),
    ("training, s", lambda row: f"{row['train_wall_seconds']:.0f}"),
]

_PAIRED: list[Column] = [
    OUTPUT_LAYER,
    ("seeds", lambda row: ", ".join(map(str, row["seeds"]))),
    ("BLEU difference", lambda row: f"{row['bleu_difference']:+.2f}"),
    ("p", lambda row: f"{row['bleu_p']:.3f}"),
    ("chrF++ difference", lambda row: f"{row['chrf_difference']:+.2f}"),
    ("p", lambda row: f"{row['chrf_p']:.3f}"),
]


def means(rows: Sequence[Row]) -> list[Row]:
    """One row per name: the first seed's, with figures that are means over seeds, and their spread."""
    averaged = []
    for name in dict.fromkeys(row["name"] for row in rows):
        members = [row for row in rows if row["name"] == name]
        mean = {**members[0], "seeds": len(members)}
        mean["valid_nll_bits"] = statistics.mean(row["valid_nll_bits"] for row in members)
        mean["scores"] = []
        for score in members[0]["scores"]:
            scores = [score_at(row, score["lenpen"]) or score for row in members]
            figures = {key: statistics.mean(s[key] for s in scores) for key in ("bleu", "chrf++")}
            spread = statistics.stdev(s["bleu"] for s in scores) if len(scores) > 1 else None
            mean["scores"].append({**score, **figures, "bleu_spread": spread})
        averaged.append(mean)
    return averaged


def mean_bleu(row: Row) -> str:
    """The cell of BLEU with length penalty 1, and its standard deviation over seeds."""
    score = score_at(row, 1.0)
    if not score:
        return "–"
    spread = "" if score["bleu_spread"] is None else f" ± {score['bleu_spread']:.2f}"
    return f"{score['bleu']:.2f}{spread}"


_QUALITY: list[Column] = [
    OUTPUT_LAYER,
    ("its parameters", own_parameters),
    ("updates", lambda row: f"{row['recipe']['updates']:,}"),
    ("seeds", lambda row: str(row["seeds"])),
    NLL,
    ("BLEU", mean_bleu),
    ("chrF++", scored("chrf++")),
]


def cost(times: Sequence[Row], peaks: Sequence[Row]) -> str:
    """The table of what each output layer costs in training, with any number of updates.

    Args:
        times: rows of benchmarks.translation.step_time.
        peaks: rows of benchmarks.translation.train_memory; without any the table has no memory.
    """

    def gibibytes(size: float) -> str:
        return f"{size / 2**30:.2f}"

    columns: list[Column] = [
        OUTPUT_LAYER,
        ("trained per step", _measured(times, "trained_parameters", "{:,}".format)),
        ("step, ms", _measured(times, "step_ms", "{:.0f}".format)),
        ("of which output layer, ms", _measured(times, "head_ms", "{:.1f}".format)),
    ]
    if peaks:
        columns += [
            ("peak of training, GiB", _measured(peaks, "train_peak_bytes", gibibytes)),
            ("peak with validation, GiB", _measured(peaks, "peak_bytes", gibibytes)),
        ]
    names = {row["name"] for row in (*times, *peaks)}
    return markdown_table([{"name": name} for name in MEASURED if name in names], columns)


def _measured(rows: Sequence[Row], key: str, shown: Callable[[float], str]) -> Callable[[Row], str]:
    by_name = {row["name"]: row[key] for row in rows}

    def cell(row: Row) -> str:
        return shown(by_name[row["name"]]) if row["name"] in by_name else "–"

    return cell


def write_plot(path: Path, means: Sequence[Row], times: Sequence[Row], title: str) -> None:
    """A PNG with one point per output layer, a square for trainings in equal time.

    Args:
        path: the PNG.
        means: rows of means over seeds, see :func:`means`.
        times: rows of benchmarks.translation.step_time; layers without one are left out of the right half.
        title: of the figure.
    """
    milliseconds = {row["name"]: row["head_ms"] for row in times}
    figure, ((left, right),) = subplots(1, 2, width=6, height=5, sharey=True)
    layers = list(dict.fromkeys(without_equal_time(row["name"]) for row in means))
    for row in means:
        score, layer = row["scores"][0], without_equal_time(row["name"])
        style = {
            "marker": "s" if row["name"].endswith(EQUAL_TIME) else "o",
            "color": f"C{layers.index(layer)}", "capsize": 3,
            "markerfacecolor": "none" if row["output_layer_shared_parameters"] else None,
            "label": in_words(row["name"]), "linestyle": "",
        }  # fmt: skip
        parameters = row["output_layer_parameters"] + row["output_layer_shared_parameters"]
        left.errorbar([parameters], [score["bleu"]], yerr=score["bleu_spread"], **style)
        if layer in milliseconds:
            right.errorbar([milliseconds[layer]], [score["bleu"]], yerr=score["bleu_spread"], **style)
    left.set(
        xlabel="parameters of the output layer (hollow: shared with the embedding)",
        ylabel="BLEU, mean over seeds",
    )
    right.set(xlabel="output layer's part of a training step, ms of processor time")
    for axes in (left, right):
        axes.set(xscale="log")
        axes.xaxis.set_minor_formatter("")
        axes.grid(True, which="both", alpha=0.3)
    left.legend(fontsize="small")
    figure.suptitle(title)
    save(figure, path, dpi=120)
