"""The demo's result: a table, a Markdown page with a chart, and translations next to their references."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.plots import save, subplots
from benchmarks.harness.recipe import shell_lines
from benchmarks.harness.results import Column, Row, markdown_table, own_parameters, signatures, write_whole
from benchmarks.harness.runner import Experiment
from data_prep.lines import read_lines
from data_prep.score import read_generate

from .heads import HEADS
from .recipe import Recipe

SENTENCES = 5
PAGE = "result.md"
CHART = "result.png"

COLUMNS: list[Column] = [
    ("output layer", lambda row: HEADS[row["name"]].words),
    ("BLEU", lambda row: f"{row['scores'][0]['bleu']:.1f}"),
    ("chrF++", lambda row: f"{row['scores'][0]['chrf++']:.1f}"),
    ("its parameters", own_parameters),
    ("updates", lambda row: f"{row['updates']:,}"),
    ("ms per training step", lambda row: f"{row['step_ms']:.0f}"),
    ("decoding, sentences/s", lambda row: _speed(row["scores"][0]["sentences_per_second"])),
]


def _speed(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def write_report(
    rows: Sequence[Row], experiments: Sequence[Experiment], recipe: Recipe, options: argparse.Namespace
) -> str:
    """Writes the page and its chart into the demo's folder; returns the part that the terminal shows."""
    draw(rows, options.out / CHART)
    summary = f"{markdown_table(rows, COLUMNS)}\n\n{_explanation(rows, experiments[0].data, recipe, options)}"
    examples = translations(experiments, options.source_lang, options.target_lang)
    commands = "\n\n".join("\n".join([f"# {HEADS[row['name']].words}", *shell_lines(row)]) for row in rows)
    page = f"""# Output layers compared

{summary}

![bits per subword against processor time of training]({CHART})

## Translations

```
{examples}
```

## Commands

From the repository's folder:

```sh
{commands}
```
"""
    write_whole(options.out / PAGE, page)
    return f"{summary}\n\n{examples}"


def _explanation(rows: Sequence[Row], data: Path, recipe: Recipe, options: argparse.Namespace) -> str:
    symbols = 4 + sum(1 for _ in read_lines(data / f"dict.{options.target_lang}.txt"))
    threads = "one thread" if options.threads == 1 else f"{options.threads} threads"
    if recipe.max_update:
        length = f"Each training had {recipe.max_update:,} updates"
    else:
        length = f"Each training had {recipe.seconds:g} s of processor time at its measured time per step"
    short = "The cheaper layers gain updates. After longer trainings of all, the rows would differ less."
    lines = [
        f"{symbols:,} target symbols. {length}; {threads}, {rows[0]['processor']}.",
        "Step times are medians, measured in one process in which the models took turns.",
        *([] if recipe.max_update else [short]),
        *(f"sacrebleu {signature}" for signature in signatures(rows)),
    ]
    # Two spaces end a line in Markdown.
    return "  \n".join(lines)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Validation loss against processor time of training: the lower and the more to the left, the better."""
    figure, axes = subplots(1, 1, width=7.5, height=4.8)
    axis = axes[0][0]
    for row, marker in zip(rows, "osD^vP" * len(rows), strict=False):
        seconds, bits = zip(*row["curve"], strict=True)
        label = f"{HEADS[row['name']].words}: BLEU {row['scores'][0]['bleu']:.1f}, {row['updates']:,} updates"
        axis.plot(seconds, bits, marker=marker, label=label)
    axis.set_xlabel("processor time of training, seconds")
    axis.set_ylabel("validation loss, bits per subword")
    axis.set_title("Quality against processor time: lower is better")
    axis.set_xlim(left=0)
    axis.grid(alpha=0.3)
    axis.legend()
    save(figure, path)


def translations(experiments: Sequence[Experiment], source_lang: str, target_lang: str) -> str:
    """Some sentences of the test set, evenly spread over it, as every output layer translates them."""
    data, subset = experiments[0].data, experiments[0].subset
    columns = {
        "source": list(read_lines(data / "raw" / f"{subset}.{source_lang}")),
        "reference": list(read_lines(data / "raw" / f"{subset}.{target_lang}")),
        **{
            HEADS[one.name].words: read_generate(one.translated(one.length_penalties[0]))
            for one in experiments
        },
    }
    size = len(columns["source"])
    width = max(map(len, columns))
    chosen = range(size // 10, size, max(1, size // SENTENCES))
    blocks = ("\n".join(f"{name:{width}}  {lines[i]}" for name, lines in columns.items()) for i in chosen)
    return "\n\n".join(blocks)
