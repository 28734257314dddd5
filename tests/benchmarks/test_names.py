"""Row ids of output layers and their words."""

from __future__ import annotations

import pytest

from benchmarks.claims.argmax import random_cases
from benchmarks.claims.rank import MODELS
from benchmarks.decoding.models import OUTPUT_LAYERS
from benchmarks.face.__main__ import CLASSIFIERS
from benchmarks.face.partial_fc import NAMES
from benchmarks.harness.names import in_words, without_equal_time
from benchmarks.image import COMPARISONS
from benchmarks.translation.heads import MEASURED
from benchmarks.vocabulary.layers import LAYERS


@pytest.mark.parametrize(
    ("row_id", "words"),
    [
        ("onehot-tied", "full softmax, tied"),
        ("onehot-torch-chunked", "full softmax, torch's chunked loss"),
        ("onehot-chunked", "full softmax, chunked loss"),
        ("fairseq-softmax-tied", "fairseq's full softmax, tied"),
        ("onehot-bottleneck-16", "full softmax, bottleneck of 16"),
        ("cascade-table-tied-equal-time", "cascade by table, tied, equal time"),
        ("cascade-digit", "cascade by digit"),
        ("product-32-32-8-groups", "product, 32 × 32, 8 groups"),
        ("product-4-5-5", "product, 4 × 5 × 5"),
        ("product-89-90-8-groups-joint-8000-labels", "product, 89 × 90, 8 groups, joint form, V = 8,000"),
        ("cascade-table-8-prototypes-clustered", "cascade by table, 8 prototypes, clustered"),
        ("cosface-sampling-25-percent", "CosFace, sampling, 25%"),
    ],
)
def test_words(row_id: str, words: str) -> None:
    assert in_words(row_id) == words


def test_every_output_layer_of_every_benchmark_has_its_own_words() -> None:
    benchmarks = [
        MEASURED, OUTPUT_LAYERS, LAYERS, MODELS, CLASSIFIERS, NAMES, {case.name for case in random_cases()},
        *(comparison.heads for comparison in COMPARISONS.values()),
    ]  # fmt: skip
    for ids in benchmarks:
        assert len({in_words(row_id) for row_id in ids}) == len(ids)


@pytest.mark.parametrize("row_id", ["cascade-tied", "cascade table", "producty", "product-of-digits"])
def test_other_ids_are_refused(row_id: str) -> None:
    with pytest.raises(ValueError, match=f"'{row_id}'"):
        in_words(row_id)


def test_equal_time_is_no_part_of_the_output_layer() -> None:
    assert without_equal_time("sampling-tied-equal-time") == "sampling-tied"
    assert without_equal_time("sampling-tied") == "sampling-tied"
