"""``model.json``: files that earlier versions wrote are read, and are written as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mhe_nmt import MultiLabelCascade, OneVsAllHead
from tests.vision_xmc.xmc.corpus import QUICK, documents, run, write_corpus
from vision_xmc.common.errors import UsageError
from vision_xmc.xmc import load_model
from vision_xmc.xmc.blueprint import (
    BagOfWordsBlueprint,
    CascadeBlueprint,
    OneVsAllBlueprint,
    TransformerBlueprint,
    read_blueprint,
)
from vision_xmc.xmc.data.inputs import RowPreparation
from vision_xmc.xmc.encoders import BagOfWordsEncoder, TransformerEncoder

STORED = Path(__file__).parent / "stored_models"
#: Entries that a kind of model has no use for. Earlier versions stored the command line's values there.
UNUSED: dict[str, dict[str, Any]] = {
    "bag_of_words_of_rows": {},
    "bag_of_words_of_texts": {},
    "one_vs_all": {"candidates": 0},
    "transformer": {"term_dropout": 0.0},
}


def stored(name: str) -> dict[str, Any]:
    return json.loads((STORED / f"{name}.json").read_text(encoding="utf-8"))


def test_every_stored_file_is_covered() -> None:
    assert {path.stem for path in STORED.iterdir()} == UNUSED.keys()


@pytest.mark.parametrize("name", UNUSED)
def test_a_stored_file_is_written_as_it_was(name: str) -> None:
    about = stored(name)
    blueprint = read_blueprint(about)
    assert blueprint.as_plain() == about | UNUSED[name]
    assert read_blueprint(json.loads(json.dumps(blueprint.as_plain()))) == blueprint


def test_what_is_read_of_a_bag_of_words() -> None:
    blueprint = read_blueprint(stored("bag_of_words_of_texts"))
    assert (blueprint.num_labels, blueprint.dropout) == (40, 0.1)
    assert blueprint.encoder == BagOfWordsBlueprint(110, 32, 0.2, given_rows=False)
    assert blueprint.head == CascadeBlueprint((6, 7), 2, None, sparse_labels=False)
    classifier = blueprint.build()
    assert isinstance(classifier.encoder, BagOfWordsEncoder)
    assert classifier.encoder.terms.weight.shape == (110, 32)
    assert isinstance(classifier.head, MultiLabelCascade)
    assert classifier.head.codec.radix_list == (6, 7)
    rows = read_blueprint(stored("bag_of_words_of_rows")).encoder
    assert rows == BagOfWordsBlueprint(30, 32, 0.2, given_rows=True)
    assert isinstance(rows.load_preparation(STORED), RowPreparation)


def test_what_is_read_of_one_vs_all() -> None:
    blueprint = read_blueprint(stored("one_vs_all"))
    assert blueprint.head == OneVsAllBlueprint(None)
    assert isinstance(blueprint.build().head, OneVsAllHead)


def test_what_is_read_of_a_transformer() -> None:
    blueprint = read_blueprint(stored("transformer"))
    assert isinstance(blueprint.encoder, TransformerBlueprint)
    assert (blueprint.encoder.layers, blueprint.encoder.pooling, blueprint.encoder.max_len) == (
        2,
        "first",
        16,
    )
    assert blueprint.head == CascadeBlueprint((6, 7), 2, 8, sparse_labels=False)
    classifier = blueprint.build()
    assert isinstance(classifier.encoder, TransformerEncoder)
    assert classifier.encoder.model.config.model_type == "bert"
    assert classifier.head.in_features == 32
    assert classifier.head.hidden_features == 8


def test_a_folder_is_loaded_from_the_package(tmp_path: Path) -> None:
    """A run's ``model.json`` as an earlier version wrote it, and one that lacks an entry."""
    corpus = write_corpus(tmp_path / "corpus")
    assert run("--dataset", corpus, *QUICK, "--max-steps", 1, "--cache-dir", tmp_path / "cache",
               "--output", tmp_path / "run") == 0  # fmt: skip
    path = tmp_path / "run" / "model.json"
    assert json.loads(path.read_text(encoding="utf-8")) == stored("bag_of_words_of_texts")
    path.write_text((STORED / "bag_of_words_of_texts.json").read_text(encoding="utf-8"), encoding="utf-8")
    _, labels = load_model(tmp_path / "run").predict(documents(3, 5)[0], k=2)
    assert labels.shape == (3, 2)
    about = stored("bag_of_words_of_texts")
    del about["num_terms"]
    path.write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(UsageError, match=r"model\.json has no entry 'num_terms'"):
        load_model(tmp_path / "run")


def test_importing_the_package_loads_no_torch() -> None:
    """``--help`` imports the package first."""
    program = "import sys, vision_xmc.xmc; print('torch' in sys.modules, vision_xmc.xmc.__all__)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "False ['load_model']\n"
