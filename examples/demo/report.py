"""The demo's result: a table of the output layers, and some translations beside their references."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.harness.results import Row, markdown_table, own_parameters, signatures
from benchmarks.harness.runner import Experiment
from data_prep.lines import read_lines
from data_prep.score import read_generate

SENTENCES = 5


def table(rows: Sequence[Row]) -> str:
    """A pipe table of the rows, and how it was measured."""
    columns = [
        ("output layer", lambda row: row["name"]),
        ("its parameters", own_parameters),
        ("words/s in training", lambda row: f"{row['train_words_per_second']:,.0f}"),
        ("validation, bits a subword", lambda row: f"{row['valid_nll_bits']:.3f}"),
        ("BLEU", lambda row: f"{row['scores'][0]['bleu']:.2f}"),
        ("chrF++", lambda row: f"{row['scores'][0]['chrf++']:.2f}"),
    ]
    processor = rows[0]["processor"]
    threads = "one thread" if rows[0]["threads"] == 1 else f"{rows[0]['threads']} threads"
    together = "all trainings at the same time, " if len(rows) > 1 else ""
    return "\n".join(
        [
            markdown_table(rows, columns),
            "",
            f"Speed in target subwords: {together}{threads} each, {processor}.",
            *(f"sacrebleu {signature}" for signature in signatures(rows)),
        ]
    )


def translations(experiments: Sequence[Experiment], source_lang: str, target_lang: str) -> str:
    """Some sentences of the test set, evenly spread over it, as every output layer translates them."""
    data, subset = experiments[0].data, experiments[0].subset
    columns = {
        "source": list(read_lines(data / "raw" / f"{subset}.{source_lang}")),
        "reference": list(read_lines(data / "raw" / f"{subset}.{target_lang}")),
        **{one.name: read_generate(one.translated(one.length_penalties[0])) for one in experiments},
    }
    size = len(columns["source"])
    width = max(map(len, columns))
    chosen = range(size // 10, size, max(1, size // SENTENCES))
    blocks = ("\n".join(f"{name:{width}}  {lines[i]}" for name, lines in columns.items()) for i in chosen)
    return "\n\n".join(blocks)
