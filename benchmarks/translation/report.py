"""The .md file of `benchmarks.translation`: means over seeds, paired tests, single runs, commands."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.harness.plots import save, subplots
from benchmarks.harness.results import (
    Column,
    Row,
    columns,
    markdown_table,
    own_parameters,
    read_rows,
    score_at,
    signatures,
    updates,
    write_whole,
)
from benchmarks.translation.heads import EQUAL_TIME
from benchmarks.translation.significance import BASELINE

_SEED: Column = ("seed", lambda row: str(row["seed"]))
_MEMORY_KEPT = """
Trainings and step times keep freed memory (`GLIBC_TUNABLES`, benchmarks/harness/process.py): unless told,
glibc returns it, and the page faults of every large tensor are a good part of the full softmax's time."""
_PEAKS = """
Peaks of memory are those of fairseq-train's process as a whole in float32 (`python -m
benchmarks.translation.train_memory`), freed memory returned to the kernel; in
validation sampling is a full softmax."""
_FLOAT32 = "in float32"
_BF16 = "with `--autocast-bf16` (float32 for the adaptive softmax, which does not have it)"
_TRAIN_SECONDS: Column = ("training, s", lambda row: f"{row['train_wall_seconds']:.0f}")


def tests_file(results: Path) -> Path:
    """Where the paired tests of a results file are kept."""
    return results.with_name(f"{results.stem}-paired.json")


def step_times_file(results: Path, bf16: bool = False) -> Path:
    """Where benchmarks.translation.step_time keeps its figures for a results file."""
    return results.with_name(f"{results.stem}-step-time{'-bf16' if bf16 else ''}.json")


def memory_file(results: Path) -> Path:
    """Where benchmarks.translation.train_memory keeps its figures for a results file."""
    return results.with_name(f"{results.stem}-memory.json")


def write_report(results: Path, title: str, preparation: Sequence[str]) -> None:
    """The .md file beside the .jsonl file, tables of all its rows and how they were made, and its plot.

    Step times are those in float32, or where there are none those in bfloat16.
    """
    rows = read_rows(results)
    in_bf16 = not step_times_file(results).exists()
    tests, times, peaks = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        for file in (tests_file(results), step_times_file(results, bf16=in_bf16), memory_file(results))
    )
    plot = results.with_suffix(".png")
    text = report(rows, tests, times, peaks, title, preparation, plot.name, _BF16 if in_bf16 else _FLOAT32)
    write_whole(results.with_suffix(".md"), text)
    write_plot(plot, means(rows), times, f"{title}, German to English")


def report(
    rows: list[Row],
    tests: list[Row],
    times: list[Row],
    peaks: list[Row],
    title: str,
    preparation: Sequence[str],
    plot: str,
    precision: str = _FLOAT32,
) -> str:
    """The text of that file; `plot` is the name of its picture, `precision` says how steps were timed."""
    penalties = tuple(score["lenpen"] for score in rows[0]["scores"])
    versions = ", ".join(f"{name} {number}" for name, number in rows[-1]["versions"].items())
    machines = "; ".join(dict.fromkeys(f"{row['processor']}, {row['threads']} thread(s)" for row in rows))
    commands = "\n\n".join(
        "\n".join([f"# {row['name']}, seed {row['seed']}", *row["commands"]]) for row in rows
    )
    signed = "\n".join(f"`{signature}`" for signature in signatures(rows))
    prepared = "\n".join(preparation)
    kept = _MEMORY_KEPT if any(row.get("memory_kept") for row in times) else ""
    kept += _PEAKS if peaks else ""
    return f"""# {title}, German to English

Means over seeds:

{markdown_table(means(rows), mean_columns(penalties) + step_time_columns(times) + peak_columns(peaks))}

Parameters are the output layer's own; "shared" ones are the embedding's. The likelihood is that of the
target subwords of the validation set, by the checkpoint with the best validation loss; BLEU and chrF++
(lenpen 1) are those of the test set, beam 5, detokenised. Step times are not those of the trainings, which
shared their machine with other work, but of `python -m benchmarks.translation.step_time`, where all models
take turns on the same batches in one process: milliseconds of processor time {precision},
one thread, for a whole update, and for the output layer's forward and backward passes alone. "Trained a
step" are the output layer's parameters, shared ones included, that get a gradient other than zero from one
batch's loss, mean over batches.

Rows that end in "{EQUAL_TIME}" have as many updates as fit into the processor time of the full softmax's
training, by the step times that `python -m benchmarks.translation.step_time --autocast-bf16` found.{kept}

![BLEU against parameters and time]({plot})

{_tests_section(tests)}## Single runs

{markdown_table(rows, [_SEED, *columns(penalties), _TRAIN_SECONDS])}

{signed}

Measured with {versions}, on {machines}.

## Commands

```sh
{prepared}

{commands}
```
"""


def _tests_section(tests: list[Row]) -> str:
    if not tests:
        return ""
    shown: list[Column] = [
        ("output layer", lambda row: row["name"]),
        ("seeds", lambda row: ", ".join(map(str, row["seeds"]))),
        (f"BLEU − {BASELINE}", lambda row: f"{row['bleu_difference']:+.2f}"),
        ("p", lambda row: f"{row['bleu_p']:.3f}"),
        (f"chrF++ − {BASELINE}", lambda row: f"{row['chrf_difference']:+.2f}"),
        ("p ", lambda row: f"{row['chrf_p']:.3f}"),
    ]
    return f"""## Against the tied full softmax

sacrebleu's paired bootstrap (1,000 samples) on the translations of all seeds that both have, one after
another, lenpen 1:

{markdown_table(tests, shown)}

"""


def means(rows: Sequence[Row]) -> list[Row]:
    """One row a name: the first seed's, with figures that are means over seeds, and their spread."""
    found = []
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
        found.append(mean)
    return found


def mean_columns(penalties: Sequence[float]) -> list[Column]:
    def bleu(penalty: float) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            score = score_at(row, penalty)
            if not score:
                return "–"
            spread = "" if score["bleu_spread"] is None else f" ± {score['bleu_spread']:.2f}"
            return f"{score['bleu']:.2f}{spread}"

        return cell

    plain = columns(penalties)
    return [
        ("output layer", lambda row: row["name"]),
        ("its parameters", own_parameters),
        ("updates", updates),
        ("seeds", lambda row: str(row["seeds"])),
        plain[2],
        *((f"BLEU, lenpen {penalty:g}", bleu(penalty)) for penalty in penalties),
        plain[-1],
    ]


def peak_columns(rows: Sequence[Row]) -> list[Column]:
    """Columns from the results of benchmarks.translation.train_memory, or none if it has not been run."""

    def gibibytes(size: float) -> str:
        return f"{size / 2**30:.2f}"

    if not rows:
        return []
    return [
        ("peak of training, GiB", _measured(rows, "train_peak_bytes", gibibytes)),
        ("with validation", _measured(rows, "peak_bytes", gibibytes)),
    ]


def step_time_columns(rows: Sequence[Row]) -> list[Column]:
    """Columns from the results of benchmarks.translation.step_time, or none if it has not been run."""
    if not rows:
        return []
    return [
        ("trained a step", _measured(rows, "trained_parameters", "{:,}".format)),
        ("step, ms", _measured(rows, "step_ms", "{:.0f}".format)),
        ("of it output layer, ms", _measured(rows, "head_ms", "{:.1f}".format)),
    ]


def _measured(rows: Sequence[Row], key: str, shown: Callable[[float], str]) -> Callable[[Row], str]:
    """The cell of an output layer that has been measured by itself, with whatever number of updates."""
    by_name = {row["name"]: row[key] for row in rows}

    def cell(row: Row) -> str:
        name = row["name"].removesuffix(EQUAL_TIME)
        return shown(by_name[name]) if name in by_name else "–"

    return cell


def write_plot(path: Path, means: Sequence[Row], times: Sequence[Row], title: str) -> None:
    """A PNG of one point for each output layer.

    Args:
        path: the PNG.
        means: rows of means over seeds, see `translation_report.means`.
        times: rows of benchmarks.translation.step_time; layers without one are left out of the right half.
        title: of the figure.
    """
    milliseconds = {row["name"]: row["head_ms"] for row in times}
    figure, ((left, right),) = subplots(1, 2, width=6, height=5, sharey=True)
    for number, row in enumerate(means):
        score = row["scores"][0]
        style = {
            "marker": "o", "color": f"C{number}", "capsize": 3, "label": row["name"],
            "markerfacecolor": "none" if row["output_layer_shared_parameters"] else None,
        }  # fmt: skip
        parameters = row["output_layer_parameters"] + row["output_layer_shared_parameters"]
        left.errorbar([parameters], [score["bleu"]], yerr=score["bleu_spread"], **style)
        layer = row["name"].removesuffix(EQUAL_TIME)
        if layer in milliseconds:
            right.errorbar([milliseconds[layer]], [score["bleu"]], yerr=score["bleu_spread"], **style)
    left.set(
        xlabel="parameters of the output layer (hollow: the embedding's)", ylabel="BLEU, mean over seeds"
    )
    right.set(xlabel="output layer's part of a training step, ms of processor time")
    for axes in (left, right):
        axes.set(xscale="log")
        axes.grid(True, which="both", alpha=0.3)
    left.legend(fontsize="small")
    figure.suptitle(title)
    save(figure, path, dpi=120)
