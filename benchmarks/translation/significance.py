"""Whether output layers translate equally well: sacrebleu's paired bootstrap over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from benchmarks.harness.names import TIED_SOFTMAX
from benchmarks.harness.results import Row
from data_prep.generate_output import read_generate

SAMPLES = 1000


def paired_tests(rows: Sequence[Row], runs: Path, data: Path) -> list[Row]:
    """A row for each name except the tied full softmax: differences to it and their p-values.

    The translations of all seeds that both have are tested as one test set. `runs` holds the folders of the
    rows' experiments, and `data` holds the reference.
    """
    references = (data / "raw" / "test.en").read_text(encoding="utf-8").splitlines()
    outputs = {(row["name"], row["seed"]): runs / folder_name(row["name"], row["seed"]) for row in rows}
    tests = []
    for name in dict.fromkeys(row["name"] for row in rows if row["name"] != TIED_SOFTMAX):
        seeds = [s for n, s in outputs if n == name and (TIED_SOFTMAX, s) in outputs]
        if seeds:
            pair = [[_translations(outputs[n, s]) for s in seeds] for n in (TIED_SOFTMAX, name)]
            tests.append({"name": name, "seeds": seeds, **_compare(*pair, references * len(seeds))})
    return tests


def _translations(folder: Path) -> list[str]:
    return read_generate(folder / "test-lenpen1" / "generate-test.txt")


def _compare(
    baseline: Sequence[Sequence[str]], system: Sequence[Sequence[str]], references: Sequence[str]
) -> dict[str, float]:
    """Differences of corpus scores, of all seeds' translations as one test set, and their p-values."""
    outputs = [
        (name, [line for part in parts for line in part])
        for name, parts in ((TIED_SOFTMAX, baseline), ("system", system))
    ]
    metrics = {"BLEU": BLEU(references=[references]), "chrF++": CHRF(word_order=2, references=[references])}
    _, scores = PairedTest(outputs, metrics, references=None, test_type="bs", n_samples=SAMPLES)()
    differences: dict[str, float] = {}
    for prefix in ("bleu", "chrf"):
        base, other = next(pair for name, pair in scores.items() if name.lower().startswith(prefix))
        differences[f"{prefix}_difference"] = other.score - base.score
        differences[f"{prefix}_p"] = other.p_value
    return differences


def folder_name(name: str, seed: int) -> str:
    """The folder of an experiment among the runs of a corpus."""
    return name if seed == 1 else f"{name}-seed{seed}"
