"""`python -m benchmarks.vocabulary` as a user runs it, at small sizes, and its output layers."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.harness.names import ADAPTIVE, FULL_SOFTMAX, in_words
from benchmarks.harness.process import ROOT
from benchmarks.vocabulary import measure, models
from benchmarks.vocabulary.__main__ import main
from benchmarks.vocabulary.layers import (
    FULL_SOFTMAXES,
    LAYERS,
    MANY_LABELS,
    TORCH_CHUNKED,
    batch_of,
    updates_of,
)
from benchmarks.vocabulary.models import FEATURES, build
from benchmarks.vocabulary.orders import clustered_order, label_order
from benchmarks.vocabulary.report import tables
from benchmarks.vocabulary.source import Sample, Source

WORDS = 250


def paths(folder: Path) -> list[str]:
    return [
        part for name, file in (("results", "rows.jsonl"), ("log", "log"))
        for part in (f"--{name}", str(folder / file))
    ]  # fmt: skip


def benchmark(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.vocabulary", *paths(folder), *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_rows_tables_and_plot(tmp_path, monkeypatch):
    common = ["--sizes", str(WORDS), "--updates", "30", "--batch", "64", "--held-out", "300"]
    names = [FULL_SOFTMAX, ADAPTIVE, "cascade-table-8-prototypes-clustered"]
    done = benchmark(tmp_path, *common, "--only", *names[:2])
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "rows.jsonl").read_text()
    done = benchmark(tmp_path, *common, "--only", *names)
    assert done.returncode == 0, done.stderr
    after = (tmp_path / "rows.jsonl").read_text()
    assert after.startswith(before), "what was measured is not measured again"
    rows = [json.loads(line) for line in after.splitlines()]
    assert [row["name"] for row in rows] == names

    source = Source(WORDS, seed=1)
    held_out = source.sample(300, seed=3)
    bits = torch.tensor(2.0).log().item()
    for row in rows:
        assert row["source_bits"] == pytest.approx(held_out.nll.mean() / bits)
        assert row["entropy_bits"] == pytest.approx(source.entropy(held_out.contexts).mean() / bits)
        assert row["excess_bits"] == pytest.approx(row["nll_bits"] - row["source_bits"])
        assert 0 < row["excess_bits"] < 8
        assert 0 <= row["accuracy"] <= 1
        assert min(row["step_ms"], row["predict_ms"], row["cpu_seconds"], row["wall_seconds"]) > 0
        assert row["updates"] == 30
        assert [point["updates"] for point in row["curve"]] == [25]
        assert 0 < row["curve"][0]["train_seconds"] < row["train_seconds"]
        assert row["peak_mb"] > 0
        assert row["recipe"]["commands"][0][2:5] == ["benchmarks.vocabulary.measure", row["name"], str(WORDS)]
    assert rows[0]["parameters"] == WORDS * (FEATURES + 1)

    shown = (tmp_path / "rows.md").read_text()
    for row in rows:
        assert f"| {in_words(row['name'])} | {row['parameters']:,} |" in shown
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")

    (tmp_path / "rows.md").unlink()
    monkeypatch.setattr(sys, "argv", ["vocabulary", *paths(tmp_path), *common, "--tables-only"])
    assert main() == 0
    assert (tmp_path / "rows.md").read_text() == shown, "the tables need nothing but the rows"
    assert (tmp_path / "rows.jsonl").read_text() == after


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--sizes", "50"], "--sizes: the adaptive softmax needs at least 200 words, got 50"),
        (["--updates", "0"], "--updates must be at least 1, got 0"),
        (["--only", "nothing"], "argument --only: invalid choice: 'nothing'"),
    ],
)
def test_bad_options_are_one_sentence(tmp_path, monkeypatch, capsys, options, told):
    monkeypatch.setattr(sys, "argv", ["vocabulary", *paths(tmp_path), *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(WORDS, seed=1)


@pytest.fixture(scope="module")
def training(source) -> Sample:
    return source.sample(2000, seed=2)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore:.*linear_cross_entropy")
def test_layers_are_normalised_and_predict_their_best_word(name, source, training):
    """Likelihoods of all words sum to 1, the best one is predicted, and the loss is their mean."""
    if name == TORCH_CHUNKED and not hasattr(F, "linear_cross_entropy"):
        pytest.skip("torch has it from 2.13 on")
    torch.manual_seed(1)
    layer = build(name, WORDS, label_order(name, source, training, seed=1)).eval()
    features = 2 * torch.randn(5, FEATURES)
    with torch.no_grad():
        words = torch.arange(WORDS)
        nll = torch.stack([layer.nll(row.expand(WORDS, -1), words) for row in features])
        assert (-nll).exp().sum(-1) == pytest.approx(1, abs=1e-4)
        assert (layer.predict(features) == nll.argmin(-1)).all()
        some = torch.tensor([0, 3, 100, 249, 7])
        assert float(layer.loss(features, some)) == pytest.approx(
            float(nll.gather(-1, some[:, None]).mean()), rel=1e-5
        )


def test_orders_are_what_their_names_say(source, training):
    assert label_order("product", source, training, seed=1) is None
    cells = label_order("cascade-table-cells", source, training, seed=1)
    assert cells.tolist() == source.clustered_order().tolist()
    clustered = label_order("product-clustered", source, training, seed=1)
    assert clustered.tolist() == clustered_order(training, WORDS, source.contexts, seed=1).tolist()


def test_words_of_like_contexts_share_a_cluster():
    """Sixteen words, four after each of four pairs of contexts: the clusters are these fours."""
    words = np.arange(1600) % 16
    contexts = np.stack([words % 4, 3 - words % 4], axis=1)
    ranks = clustered_order(Sample(contexts, words, np.zeros(1600)), 16, 4, seed=1)
    assert sorted(ranks) == list(range(16))
    clusters = [{word for word in range(16) if ranks[word] // 4 == cluster} for cluster in range(4)]
    assert {frozenset(cluster) for cluster in clusters} == {
        frozenset(range(start, 16, 4)) for start in range(4)
    }


def test_words_that_the_text_lacks_are_dealt_out():
    source = Source(400, seed=1)
    training = source.sample(300, seed=2)
    unseen = np.setdiff1d(np.arange(400), training.words)
    assert len(unseen) > 200
    ranks = clustered_order(training, 400, source.contexts, seed=1)
    assert sorted(ranks) == list(range(400))
    shares = np.bincount(ranks[unseen] // 20, minlength=20) / 20
    assert shares.max() < 1, "no cluster is without a word to train on"


def test_all_full_softmaxes_have_the_same_loss_and_gradient():
    torch.manual_seed(1)
    features, words = 2 * torch.randn(9, FEATURES), torch.randint(WORDS, (9,))
    reference = build(FULL_SOFTMAX, WORDS, None)
    expected = reference.loss(features, words)
    expected.backward()
    for name in FULL_SOFTMAXES:
        if name == TORCH_CHUNKED and not hasattr(F, "linear_cross_entropy"):
            continue
        layer = build(name, WORDS, None)
        pairs = list(zip(layer.parameters(), reference.parameters(), strict=True))
        with torch.no_grad():
            for ours, theirs in pairs:
                ours.copy_(theirs)
        loss = layer.loss(features, words)
        loss.backward()
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        for ours, theirs in pairs:
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_without_torchs_chunked_loss_its_row_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.delattr(F, "linear_cross_entropy", raising=False)
    monkeypatch.setattr(sys, "argv", ["vocabulary", *paths(tmp_path), "--only", TORCH_CHUNKED])
    assert main() == 0
    assert f"{TORCH_CHUNKED} is left out: it needs torch 2.13" in capsys.readouterr().out
    assert not (tmp_path / "rows.jsonl").exists()


def test_the_full_softmax_goes_by_parts_of_bounded_size(monkeypatch):
    monkeypatch.setattr(models, "MOST_LOGITS", 1000)
    layer = models.FullSoftmax(WORDS)
    assert layer.part == 4
    features, words = torch.randn(3, FEATURES), torch.tensor([1, 2, 3])
    logits = features @ layer.weight.T + layer.bias
    assert layer.loss(features, words).item() == pytest.approx(F.cross_entropy(logits, words).item())


def test_parts_of_a_batch_give_the_gradient_of_the_whole(monkeypatch):
    options = argparse.Namespace(updates=3, full_updates=1, batch=10, held_out=20, seed=1)
    whole = measure.measure(FULL_SOFTMAX, WORDS, options)
    monkeypatch.setattr(models, "MOST_LOGITS", 4 * WORDS)
    parts = measure.measure(FULL_SOFTMAX, WORDS, options)
    assert (whole["positions_at_a_time"], parts["positions_at_a_time"]) == (10, 4)
    assert parts["nll_bits"] == pytest.approx(whole["nll_bits"], rel=1e-4)


def test_updates_and_positions_go_by_the_size_of_the_vocabulary():
    options = argparse.Namespace(updates=None, full_updates=25, batch=None)
    sizes = (10_000, 10_001, 100_000, 100_001)
    assert [updates_of(ADAPTIVE, size, options) for size in sizes] == [1500, 200, 200, 100]
    assert [batch_of(size, options) for size in sizes] == [256, 512, 512, 1024]
    assert batch_of(10_000, argparse.Namespace(batch=7)) == 7


def test_the_full_softmax_gets_fewer_updates_only_where_it_is_slow():
    options = argparse.Namespace(updates=600, full_updates=25)
    for name in FULL_SOFTMAXES:
        assert updates_of(name, MANY_LABELS, options) == 600
        assert updates_of(name, MANY_LABELS + 1, options) == 25
    assert updates_of(ADAPTIVE, MANY_LABELS + 1, options) == 600


def page_row(**changes: object) -> dict[str, object]:
    return {
        "name": FULL_SOFTMAX, "labels": 1000, "seed": 1, "batch": 8, "held_out": 9,
        "updates_of_most": 600, "updates": 600, "entropy_bits": 5.0, "source_bits": 5.1,
        "unigram_excess_bits": 3.0,
        "best_accuracy": 0.2, "types_seen": 70, "parameters": 65000, "step_ms": 80.0, "peak_mb": 30.0,
        "nll_bits": 8.1, "excess_bits": 3.0, "excess_error_bits": 0.05, "accuracy": 0.1,
        "predict_positions": 64, "predict_ms": 4.0, "predict_peak_mb": 1.0, "cpu_seconds": 60.0,
        "positions_at_a_time": 4, "threads": 1, "processor": "a processor", "versions": {"torch": "2"},
        **changes,
    }  # fmt: skip


def test_a_table_has_the_best_of_each_size():
    rows = [
        page_row(),
        page_row(name="cascade-table", excess_bits=2.5, step_ms=40.0),
        page_row(name="cascade-table-cells", excess_bits=1.0, step_ms=40.0),
        page_row(name="product", excess_bits=3.1, step_ms=20.0, parameters=6500),
        page_row(name="cascade-digit", excess_bits=3.2, step_ms=10.0, parameters=6500),
    ]
    made = tables(rows, "rows")
    assert (
        "| 1,000 | 3.00 bits, 0.065 M parameters, 80 ms "
        "| cascade by table: 2.50 bits, parameters 1×, time 0.5× "
        "| product: 3.10 bits, parameters 0.1×, time 0.25× "
        "| product: 3.10 bits, parameters 0.1×, time 0.25× |"
    ) in made["rows-best"]
    assert "| full softmax | 65,000 | 3.000 ± 0.050 | 10.0 |" in made["rows-1000-quality"]
    assert "| full softmax | 80 (1×) | 4 (1×) | 30 | 1 |" in made["rows-1000-cost"]


def test_tables_show_no_likelihood_of_what_was_only_timed():
    rows = [page_row(updates=25, excess_bits=9.0), page_row(name="product", step_ms=20.0, parameters=4000)]
    made = tables(rows, "rows")
    assert "| full softmax, 25 updates | 65,000 | – | – |" in made["rows-1000-quality"]
    assert "| 1,000 | not trained, 0.065 M parameters, 80 ms | product: 3.00 bits" in made["rows-best"]
    assert made["rows-best"].endswith("| – |")
    assert "20 (0.25×)" in made["rows-1000-cost"]
