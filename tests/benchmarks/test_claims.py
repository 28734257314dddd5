"""`python -m benchmarks.claims` from raw text on: data, a training, all claims; and its network."""

from __future__ import annotations

import json
import logging
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.claims import order, rank
from benchmarks.claims.__main__ import main
from benchmarks.claims.order import HISTORY, Layer, Network, positions_of
from benchmarks.claims.trained import Frozen, Text
from benchmarks.harness.names import in_words
from benchmarks.harness.process import ROOT, USER_DIR, tool

TRAIN = [
    "--user-dir", str(USER_DIR), "--arch", "transformer_mhe_tiny", "--criterion", "mhe_ce", "--cpu",
    "--encoder-layers", "1", "--decoder-layers", "1", "--optimizer", "adam", "--lr", "0.005",
    "--max-tokens", "300", "--max-update", "4", "--num-workers", "0", "--no-progress-bar",
]  # fmt: skip


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def paths(folder: Path) -> list[object]:
    return [
        "--data", folder / "data", "--runs", folder / "product", "--full", folder / "full",
        "--cache", folder / "cache", "--results", folder / "rows.jsonl",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data folder with its label order, a full softmax and a product, all by the project's own commands."""
    folder = tmp_path_factory.mktemp("claims")
    draw = random.Random(1)
    for split, size in (("train", 150), ("valid", 20)):
        lines = [[draw.randrange(25) for _ in range(draw.randint(3, 7))] for _ in range(size)]
        for side, mark in (("de", "w"), ("en", "v")):
            text = "".join(
                " ".join(f"{mark}{chr(97 + n)}" for n in line) + f" {i}\n" for i, line in enumerate(lines)
            )
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8")
    data_prep = [sys.executable, "-m", "data_prep"]
    done = run(
        *data_prep, "prepare", "-s", "de", "-t", "en", "--trainpref", folder / "train", "--validpref",
        folder / "valid", "--destdir", folder / "data", "--vocab-size", 56,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = run(*data_prep, "order", "--data", folder / "data", "--output", folder / "data" / "order.txt")
    assert done.returncode == 0, done.stderr
    for name, options in (("full", ["--share-all-embeddings"]), ("product", ["--mhe-head", "product"])):
        head = ["--mhe-head", "onehot"] if name == "full" else []
        done = run(
            tool("fairseq-train"), folder / "data", "--save-dir", folder / name, *TRAIN, *head, *options
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_all_claims_are_measured_once_and_shown(prepared, monkeypatch):
    only = ["product;", "product-10-10-", "product-4-groups-joint", "onehot;", "onehot-bottleneck-2; ",
            "cascade-table; underfitted"]  # fmt: skip
    options = ["--cases", 50, "--positions", 400, "--seeds", 1, "--only", *only]
    command = [sys.executable, "-m", "benchmarks.claims", *paths(prepared), *options]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (prepared / "rows.jsonl").read_text().splitlines()]
    by_claim = {
        claim: [row for row in rows if row["claim"] == claim] for claim in ("argmax", "rank", "order")
    }
    for row in rows:
        assert row["seed"] == 1
        assert row["cpu_seconds"] > 0
        assert row["processor"]
        assert row["recipe"]["commands"][0][:3] == ["python", "-m", "benchmarks.claims"]
    trained = {row["setting"]: row for row in by_claim["argmax"]}
    assert trained["trained model"]["name"] == "product"
    assert trained["frozen features"]["name"] == "product-4-groups-joint"
    assert all(row["predict_equal"] == 1.0 for row in by_claim["argmax"])
    # The others choose the learning rate.
    assert {row["positions"] for row in by_claim["rank"]} == {392}
    assert {row["rate"] in rank.RATES for row in by_claim["rank"]} == {True}
    assert {row["name"] for row in by_claim["order"]} == {
        "onehot", "onehot-bottleneck-2", "product", "cascade-table",
    }  # fmt: skip
    for row in by_claim["order"]:
        assert 0 <= row["train_accuracy"] <= 1
        assert row["train_bits"] > 0

    shown = (prepared / "rows.md").read_text()
    for row in rows:
        assert in_words(row["name"]) in shown
    for name in ("rows-argmax.png", "rows-rank.png", "rows-order.png"):
        assert (prepared / name).read_bytes().startswith(b"\x89PNG")

    before = (prepared / "rows.jsonl").read_text()
    monkeypatch.setattr(sys, "argv", [str(part) for part in command[2:]])
    assert main() == 0
    assert not logging.root.manager.disable, "fairseq is kept quiet, not its users"
    assert (prepared / "rows.jsonl").read_text() == before, "what was measured is not measured again"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["nonsense"], "there is no claim 'nonsense'; choose from"),
        (["order", "--data", "/nowhere"], "/nowhere is not a fairseq data folder"),
    ],
)
def test_mistakes_that_need_no_data(tmp_path, monkeypatch, capsys, options, told):
    check_one_sentence(tmp_path, tmp_path, monkeypatch, capsys, options, told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["rank", "--full", "/nowhere"], "/nowhere/checkpoint_best.pt does not exist"),
        (["argmax", "--runs", "/nowhere", "--only", "nowhere"], "/nowhere/checkpoint_best.pt does not exist"),
        (["argmax", "--runs", "FULL", "--only", "full"], "a OneHotHead has no digits; leave it out"),
        (
            ["argmax", "--only", "frozen"],
            "has no head 'product-4-groups-joint'; run python -m benchmarks.claims rank",
        ),
        (["order", "--order", "/nowhere", "--only", "clustered"], "--order /nowhere: no such file"),
    ],
)
def test_mistakes_are_one_sentence(prepared, tmp_path, monkeypatch, capsys, options, told):
    check_one_sentence(prepared, tmp_path, monkeypatch, capsys, options, told)


def check_one_sentence(prepared, tmp_path, monkeypatch, capsys, options, told):
    options = [str(prepared / "full") if part == "FULL" else part for part in options]
    elsewhere = ["--results", tmp_path / "rows.jsonl", "--cache", tmp_path, "--positions", 50]
    monkeypatch.setattr(
        sys, "argv", [str(part) for part in ("claims", *paths(prepared), *options, *elsewhere)]
    )
    assert main() == 1
    printed = capsys.readouterr().err
    assert told in printed.splitlines()[-1]
    assert printed.splitlines()[-1].startswith("benchmarks.claims: error: ")
    assert "Traceback" not in printed
    assert not (tmp_path / "rows.jsonl").exists()


def tiny_text() -> Text:
    draw = random.Random(2)

    def sentences(words: int, count: int) -> list[torch.Tensor]:
        return [
            torch.tensor([*(draw.randrange(3, words) for _ in range(draw.randint(1, 5))), 2])
            for _ in range(count)
        ]

    return Text((sentences(9, 6), sentences(11, 6)), (sentences(9, 3), sentences(11, 3)), 9, 11)


def test_positions_are_every_word_after_its_last_two():
    positions, words = positions_of([torch.tensor([5, 7, 2]), torch.tensor([2])], 10)
    assert words.tolist() == [5, 7, 2, 2]
    assert HISTORY == 2
    assert positions.tolist() == [[10, 2, 2], [10, 2, 5], [10, 5, 7], [11, 2, 2]]


def test_the_network_sees_the_mean_of_its_source_and_its_history():
    text = tiny_text()
    torch.manual_seed(1)
    network = Network(text.train[0], 9, 11, 4, Layer("onehot"), None).eval()
    positions, words = positions_of(text.train[1], 0)
    shuffled = torch.randperm(len(words))
    nll = network(positions[shuffled], words[shuffled])
    plain = []
    for place in shuffled.tolist():
        sentence, *history = positions[place].tolist()
        source = network.source.weight[text.train[0][sentence]].mean(0)
        inputs = torch.cat([source, *(network.target.weight[word] for word in history)])
        logits = network.hidden(inputs) @ network.head.weight.T + network.head.bias
        plain.append(-logits.log_softmax(-1)[words[place]].item())
    assert nll.tolist() == pytest.approx(plain, rel=1e-4)


def test_an_overfitted_network_knows_its_text_by_heart():
    regime = order.Regime(width=32, sentences=4, passes=150)
    found = order.measure(regime, order.HEADS["cascade-table"], torch.randperm(11), tiny_text(), 1)
    assert found["train_bits"] < 0.5
    assert found["train_accuracy"] > 0.9
    assert found["valid_bits"] > found["train_bits"]
    assert found["sentences"] == 4


@pytest.mark.parametrize("name", rank.MODELS)
def test_every_model_of_the_rank_claim_is_a_normalised_likelihood(name):
    torch.manual_seed(1)
    model = rank.MODELS[name].build(6, 30).eval()
    features, words = torch.randn(4, 6), torch.arange(30)
    with torch.no_grad():
        nll = torch.stack([model(row.expand(30, -1), words) for row in features])
        assert (-nll).exp().sum(-1) == pytest.approx(1, abs=1e-4)
        assert (model.predict(features) == nll.argmin(-1)).all()


def test_a_bottleneck_bounds_the_rank_of_the_logits():
    model = rank.MODELS["onehot-bottleneck-4"].build(16, 50)
    with torch.no_grad():
        logits = model.head.log_prob(model.bottleneck(torch.randn(60, 16)))
        centred = (logits - logits.mean(-1, keepdim=True)).double()
    # A bias more, which is the same for all features.
    assert torch.linalg.matrix_rank(centred, tol=1e-3) <= 4 + 1


def test_a_fitted_model_is_kept_and_scored_on_validation(tmp_path):
    torch.manual_seed(1)
    splits = [(torch.randn(n, 6), torch.randint(30, (n,))) for n in (40, 25)]
    frozen = Frozen(*splits, 30)
    row = rank.measure("product-4-groups-joint", frozen, 1, tmp_path)
    model = rank.load("product-4-groups-joint", frozen, tmp_path)
    with torch.no_grad():
        nll = model.head(frozen.valid[0], frozen.valid[1]).nll
    assert row["valid_bits"] == pytest.approx(float(nll.mean()) / math.log(2), rel=1e-5)
    right = model.head.log_prob(frozen.valid[0]).argmax(-1) == frozen.valid[1]
    assert row["valid_accuracy"] == pytest.approx(float(right.float().mean()))
    assert rank.load("product", frozen, tmp_path) is None
