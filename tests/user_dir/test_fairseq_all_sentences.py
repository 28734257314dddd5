"""Training, validation and translation leave out no sentence; fairseq 0.12 alone drops up to seven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fairseq.data import data_utils

from tests.user_dir.fairseq_commands import fairseq_generate, fairseq_interactive, fairseq_train
from tests.user_dir.toy_corpus import SIZES
from tests.user_dir.trained_models import Trained

# fmt: off
SUBSETS = [
    ("valid", []), ("test", []), ("valid", ["--batch-size", 8]), ("test", ["--batch-size", 5]),
    ("test", ["--max-tokens", 60]),
]
# fmt: on


@pytest.mark.parametrize(("subset", "options"), SUBSETS, ids=str)
def test_every_sentence_is_translated(
    subset: str, options: list[Any], trained: Callable[[str], Trained]
) -> None:
    run = trained("product")
    output = fairseq_generate(run.data, run.checkpoint, "--gen-subset", subset, "--beam", 1, *options)
    for mark in "STHDP":
        assert sorted(output.lines(mark)) == list(range(SIZES[subset])), mark


def test_an_epoch_has_every_sentence_once(corpus: Path, tmp_path: Path) -> None:
    output = fairseq_train(corpus, tmp_path, "--batch-size", 16, "--max-epoch", 1, "--max-update", 99)
    updates = [record for record in output.records() if "bsz" in record]
    assert sum(float(record["bsz"]) for record in updates) == SIZES["train"]


LIMITS = [
    {"max_tokens": 30},
    {"max_sentences": 8},
    {"max_sentences": 3},
    {"max_tokens": 30, "max_sentences": 8},
]


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 16, 21])
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_batches_are_a_partition_in_order(number: int, limits: dict[str, int]) -> None:
    rng = np.random.default_rng(number)
    sizes = np.sort(rng.integers(1, 9, number))
    for indices in (np.arange(number), iter(range(number))):
        batches = data_utils.batch_by_size(
            indices, num_tokens_fn=lambda i: sizes[i], required_batch_size_multiple=8, **limits
        )
        assert [int(index) for batch in batches for index in batch] == list(range(number))
        for batch in batches:
            assert len(batch) <= limits.get("max_sentences", number)
            assert len(batch) * sizes[batch].max() <= limits.get("max_tokens", 999)


def test_sentences_typed_in_are_translated_as_those_in_the_folder(
    trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    run = trained("cascade")
    generated = fairseq_generate(run.data, run.checkpoint, "--nbest", 2)
    typed = tmp_path / "typed"
    sources = generated.lines("S")
    typed.write_text("".join(f"{sources[i][0][0]}\n" for i in range(SIZES["test"])), encoding="utf-8")
    # fmt: off
    for buffering in ([], ["--buffer-size", 10, "--batch-size", 4]):
        output = fairseq_interactive(
            run.data, run.checkpoint, "--input", typed, "--nbest", 2,
            "--source-lang", "xx", "--target-lang", "yy", *buffering,
        )
        for number, found in output.lines("H").items():
            for (score, text), (expected_score, expected) in zip(
                found, generated.lines("H")[number], strict=True
            ):
                assert text == expected
                assert float(score) == pytest.approx(float(expected_score), abs=1e-4)
        assert sorted(output.lines("H")) == list(range(SIZES["test"]))
    # fmt: on
