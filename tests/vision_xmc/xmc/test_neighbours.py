"""Neighbours that vote together with the network, against dense calculations."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tests.vision_xmc.xmc.corpus import QUICK, documents, run, write_corpus, write_lines
from tests.vision_xmc.xmc.test_training import predicted
from tests.vision_xmc.xmc.tiny_encoders import save_encoder
from vision_xmc.xmc import load_model
from vision_xmc.xmc.data.files import read_lines
from vision_xmc.xmc.data.inputs import RowPreparation, TermPreparation
from vision_xmc.xmc.data.label_sets import LabelSets
from vision_xmc.xmc.neighbours import Neighbours, Voting, best_distinct, voted_labels, votes_of

TERMS, LABELS = 12, 9


def random_rows(random: np.random.Generator, count: int) -> sparse.csr_array:
    """Rows, some of them empty, without two equal cosines."""
    dense = random.random((count, TERMS), dtype=np.float32) * (random.random((count, TERMS)) < 0.4)
    return sparse.csr_array(dense / np.maximum(np.linalg.norm(dense, axis=-1, keepdims=True), 1e-9))


@given(st.integers(1, 20), st.integers(1, 25), st.sampled_from([1.0, 2.0, 3.5]), st.integers(0, 10**6))
def test_votes(documents: int, count: int, power: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    train, new = random_rows(random, documents), random_rows(random, 4)
    sets = [random.choice(LABELS, size=random.integers(0, 4), replace=False) for _ in range(documents)]
    memory = Neighbours(RowPreparation(TERMS), train, LabelSets.of(sets), LABELS, Voting(count, power))
    votes = memory.votes(new)
    for row, voted in zip(new.toarray(), votes.toarray(), strict=True):
        cosines = train.toarray() @ row
        nearest = [n for n in np.argsort(-cosines)[:count] if cosines[n] > 0]
        total = sum(cosines[n] ** power for n in nearest)
        expected = np.zeros(LABELS)
        for n in nearest:
            expected[sets[n]] += cosines[n] ** power / total
        np.testing.assert_allclose(voted, expected, atol=2e-5)
    # The labels with votes, and their votes, are known without a dense row.
    labels = voted_labels(votes)
    for row, named in zip(votes.toarray(), labels.tolist(), strict=True):
        assert set(np.flatnonzero(row)) <= set(named)
    np.testing.assert_array_equal(
        votes_of(votes, labels).numpy(), np.take_along_axis(votes.toarray(), labels.numpy(), -1)
    )


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_best_distinct(k: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.randperm(LABELS, generator=generator), torch.randint(LABELS, (5,))]).expand(
        2, -1
    )
    values = torch.rand(2, LABELS, generator=generator)
    best_values, best_labels = best_distinct(values.gather(-1, labels), labels, k)
    expected = values.topk(k)
    torch.testing.assert_close(best_values, expected.values)
    assert best_labels.tolist() == expected.indices.tolist()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    arguments = ["--dataset", corpus, *QUICK, "--epochs", 4, "--cache-dir", folder / "cache"]
    assert run(*arguments, "--output", folder / "run") == 0
    assert run("neighbours", folder / "run", "--count", 20) == 0
    return folder / "run"


def test_predictions_are_those_of_the_dense_mixture(trained: Path) -> None:
    model, (texts, _) = load_model(trained), documents(30, seed=5)
    # The last document shares no term with any other, so nobody votes.
    texts.append("日本語")
    assert model.neighbours is not None
    # The terms are words, and runs of five characters.
    assert isinstance(model.neighbours.preparation, TermPreparation)
    assert [kind.characters for kind in model.neighbours.preparation.kinds] == [0, 5]
    network = torch.zeros(len(texts), len(model.labels))
    for numbers, features in model.batches(texts):
        network[numbers] = model.classifier.head.log_prob(features).exp()
    votes = torch.from_numpy(model.neighbours.votes(texts).toarray())
    assert votes[-1].sum() == 0
    for weight in (0.0, 0.3, 1.0):
        model.neighbours.voting = replace(model.neighbours.voting, weight=weight)
        mixture = (1 - weight) * network + weight * votes
        for k in (1, 5, 40):
            scores, labels = model.predict(texts, k)
            torch.testing.assert_close(scores.exp(), mixture.topk(k).values, atol=1e-6, rtol=1e-4)
            torch.testing.assert_close(mixture.gather(-1, labels), scores.exp(), atol=1e-6, rtol=1e-4)
            assert all(len(set(row)) == k for row in labels.tolist())
        torch.testing.assert_close(
            model.probability(texts, labels), mixture.gather(-1, labels), atol=1e-6, rtol=1e-4
        )


def test_the_weight_is_the_best_on_the_validation_part(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("neighbours", trained, "--count", 20) == 0
    lines = capsys.readouterr().out.splitlines()
    by_weight = {
        line.split(",")[1].split()[1].rstrip(":"): line for line in lines if line.startswith("validation")
    }
    weight = json.loads((trained / "neighbours" / "neighbours.json").read_text())["weight"]
    precision = {name: float(line.split("P@1 ")[1].split(",")[0]) for name, line in by_weight.items()}
    assert precision[f"{weight:g}"] >= max(precision["0"], precision["1"]) - 5
    assert lines[-1].endswith(f"weight of the neighbours: {weight:g}")


def test_predict_ensemble_and_export(
    trained: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, labels = corpus / "test_texts.txt", corpus / "test_labels.txt"
    assert run("neighbours", trained, "--weight", 0.5) == 0
    bare = tmp_path / "bare"
    shutil.copytree(trained, bare)
    shutil.rmtree(bare / "neighbours")
    capsys.readouterr()
    precision = {}
    for folder in (bare, trained):
        output = tmp_path / "found.jsonl"
        assert run("predict", folder, "--texts", texts, "--labels", labels, "--output", output) == 0
        precision[folder] = json.loads(capsys.readouterr().out)["P@1"]
    assert precision[trained] > precision[bare]
    _, numbers = load_model(trained).predict(read_lines(texts), 5)
    assert run("export", trained, "--output", tmp_path / "model") == 0
    exported = load_model(tmp_path / "model")
    assert exported.predict(read_lines(texts), 5)[1].tolist() == numbers.tolist()
    assert run("neighbours", bare, "--weight", 0.5, "--output", tmp_path / "other") == 0
    assert not (bare / "neighbours").exists()
    assert load_model(tmp_path / "other").predict(read_lines(texts), 5)[1].tolist() == numbers.tolist()
    capsys.readouterr()
    assert run("ensemble", trained, tmp_path / "model", "--texts", texts) == 0
    lines = predicted(capsys.readouterr().out)
    assert [line["labels"] for line in lines] == [
        [exported.labels[n] for n in row] for row in numbers.tolist()
    ]


def test_next_to_a_transformer_and_on_given_rows(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, sets = documents(200, seed=1)
    encoder = save_encoder(tmp_path / "bert", "bert")
    cache = ["--cache-dir", tmp_path / "cache", "--epochs", 1, "--num-groups", 6, "--valid-size", 0.1]
    assert (
        run("--dataset", corpus, "--encoder", encoder, "--max-len", 16, *cache, "--output", tmp_path / "a")
        == 0
    )
    assert run("neighbours", tmp_path / "a") == 0
    model = load_model(tmp_path / "a")
    test, labels = read_lines(corpus / "test_texts.txt"), read_lines(corpus / "test_labels.txt")
    _, best = model.predict(test, 1)
    hits = [model.labels[n] in line.split() for n, line in zip(best[:, 0].tolist(), labels, strict=True)]
    # The encoder learns nothing in one epoch, so the hits come from the neighbours' words.
    assert np.mean(hits) > 0.5

    rows = sparse.random_array((200, 30), density=0.6, rng=np.random.default_rng(1), dtype=np.float32)
    matrix = LabelSets.of_names(sets)[0].matrix(40)
    sparse.save_npz(tmp_path / "bag.X.npz", sparse.csr_array(rows))
    sparse.save_npz(tmp_path / "bag.Y.npz", sparse.csr_array(matrix))
    assert run("--dataset", tmp_path / "bag", *cache, "--bow-features", 8, "--output", tmp_path / "b") == 0
    capsys.readouterr()
    assert run("neighbours", tmp_path / "b", "--characters", 5) == 1
    assert "--characters is for texts, but" in capsys.readouterr().err
    assert run("neighbours", tmp_path / "b", "--count", 1, "--weight", 1) == 0
    model = load_model(tmp_path / "b")
    assert model.neighbours is not None
    _, best = model.predict(model.neighbours.rows, 1)
    assert all(label in model.neighbours.sets[number] for number, label in enumerate(best[:, 0].tolist()))


def test_refusals(trained: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no_valid = tmp_path / "all"
    arguments = ["--dataset", corpus, *QUICK[:-2], "--valid-size", 0, "--max-steps", 2]
    assert run(*arguments, "--cache-dir", tmp_path / "cache", "--output", no_valid) == 0
    assert run("export", trained, "--output", tmp_path / "model") == 0
    other = write_corpus(tmp_path / "other", train=20)
    write_lines(other / "train_labels.txt", ["X Y Z"] * 20)
    capsys.readouterr()
    for words, sentence in (
        ([trained, "--count", 0], "--count must be at least 1, got 0"),
        ([trained, "--power", 0], "--power must be above 0, got 0"),
        ([trained, "--characters", -1], "--characters must be at least 0, got -1"),
        ([trained, "--weight", 1.5], "--weight must be from 0 to 1, got 1.5"),
        ([tmp_path], "holds no trained model (model.json is missing)"),
        ([tmp_path / "model"], "is not the output folder of a training: options.json is missing"),
        ([no_valid], "was trained without a validation part, so the neighbours' weight cannot be chosen"),
        ([trained, "--data-path", other], "has other labels than"),
    ):
        assert run("neighbours", *words) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    assert (trained / "neighbours" / "neighbours.json").exists()
    assert run("neighbours", no_valid, "--weight", 0.5) == 0
