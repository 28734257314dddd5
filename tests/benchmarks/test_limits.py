"""`python -m benchmarks.limits` at small sizes, and the products that it holds to be needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gpu.steps import BEAM, SENTENCES, K, zipf
from benchmarks.limits.__main__ import main
from benchmarks.limits.measure import NAMES, Size, measure
from benchmarks.limits.products import Linear, Products, needed_prefixes, of_decoding, of_training
from benchmarks.limits.report import NOT_YET, tables

ROWS = SENTENCES * BEAM


def operations(layers: list[Linear], *, gradients: bool) -> int:
    return Products(layers, torch.float32, gradients=gradients).operations


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 6), st.integers(1, 7), st.data())
@settings(max_examples=25)
def test_products_of_blocks_are_those_of_each_block(
    rows: int, inputs: int, outputs: int, of_blocks: int, data: st.DataObject
) -> None:
    most = min(rows, of_blocks)
    occurring = data.draw(st.lists(st.integers(0, of_blocks - 1), min_size=1, max_size=most, unique=True))
    layer = Linear(rows, inputs, outputs, tuple(occurring), of_blocks)
    made: Any = {}
    products = Products([layer], torch.float32, gradients=True, made=made)
    products()
    x, w, y, g, of_x, of_w = (
        made[purpose, size, columns, torch.float32]
        for purpose, size, columns in (
            ("x", rows, inputs), ("w", of_blocks * outputs, inputs), ("y", rows, outputs),
            ("g", rows, outputs), ("of x", rows, inputs), ("of w", of_blocks * outputs, inputs),
        )
    )  # fmt: skip
    parts = layer.parts()
    assert sum(own for own, _ in parts) == rows
    assert max(own for own, _ in parts) - min(own for own, _ in parts) <= 1
    row = 0
    for own, block in parts:
        weights = w[block * outputs : (block + 1) * outputs]
        mine = slice(row, row + own)
        torch.testing.assert_close(y[mine], x[mine] @ weights.T)
        torch.testing.assert_close(of_x[mine], g[mine] @ weights)
        torch.testing.assert_close(of_w[block * outputs : (block + 1) * outputs], g[mine].T @ x[mine])
        row += own
    assert products.operations == 3 * 2 * rows * inputs * outputs
    assert len(products) == 3 * len(occurring)


def test_products_of_a_training_step() -> None:
    n, d, labels = 120, 16, 1000
    radices = (31, 33)
    target = zipf(labels, n)
    order = torch.randperm(labels)

    def needed(name: str, **more: Any) -> int:
        return operations(of_training(name, d, labels, target, radices, **more), gradients=True) // (
            6 * n * d
        )

    assert needed("plain") == needed("onehot") == labels
    assert needed("product") == 64
    assert needed("product-8-groups") == 8 * 65
    assert needed("cascade-table") == needed("cascade-table-order", order=order) == 31 + 33
    assert needed("cascade-digit") == 31 + d + 33
    assert needed("sampling-15-percent", fraction=0.15) == len(set(target.tolist())) + 150
    # The targets are in fewer branches if the labels stand in the order of their frequency.
    first, second = (
        len(of_training("cascade-table", d, labels, target, radices, ranks)[1].parts())
        for ranks in (None, order)
    )
    assert first == len({label // 33 for label in target.tolist()})
    assert second == len({int(order[label]) // 33 for label in target.tolist()})


def test_products_of_a_decoding_step() -> None:
    d, labels, radices = 8, 500, (23, 22)
    opened = torch.zeros(ROWS, 23, dtype=torch.bool)
    opened[:10, 3], opened[5:9, 20] = True, True

    def needed(name: str) -> int:
        layers = of_decoding(name, d, labels, radices, lambda first, second: opened)
        return operations(layers, gradients=False) // (2 * d)

    assert needed("onehot") == needed("sampling-15-percent") == ROWS * labels
    assert needed("product") == ROWS * 45
    assert needed("cascade-table") == ROWS * 23 + 14 * 22
    assert needed("cascade-digit") == ROWS * 23 + ROWS * d + 14 * 22
    table = of_decoding("cascade-table", d, labels, radices, lambda first, second: opened)
    assert table[1].blocks == (3, 20)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_prefixes_that_must_be_opened(seed: int, ordered: bool) -> None:
    torch.manual_seed(seed)
    labels, first, second = 37, 8, 5
    log_prob = (2 * torch.randn(3 * 2, labels)).log_softmax(-1)
    scores = -torch.rand(3, 2)
    order = torch.randperm(labels) if ordered else None
    opened = needed_prefixes(log_prob, scores, order, first, second)
    assert opened.shape == (6, first)
    ranks = range(labels) if order is None else order.tolist()
    for row in range(6):
        sentence = [
            float(scores.flatten()[other] + log_prob[other, label])
            for other in range(6) if other // 2 == row // 2 for label in range(labels)
        ]  # fmt: skip
        worst = sorted(sentence)[-K]
        for prefix in range(first):
            mine = [
                float(log_prob[row, label].exp())
                for label in range(labels)
                if ranks[label] // second == prefix
            ]
            bound = float(scores.flatten()[row]) + float(torch.tensor(sum(mine)).log())
            assert bool(opened[row, prefix]) == (bound > worst) or bound == pytest.approx(worst, abs=1e-5)


def test_every_head_has_both_rows() -> None:
    rows = measure(Size(300, 16, 40), "float32", names=NAMES, rounds=2, seconds=1.0, smoothing=0.1)
    assert [(row["name"], row["step"]) for row in rows] == [
        (name, step) for name in NAMES for step in ("training", "decoding")
    ]
    for row in rows:
        assert row["ratio"] == pytest.approx(row["measured_ms"] / row["needed_ms"])
        assert row["gflop_per_s"] == pytest.approx(1000 * row["gflop"] / row["needed_ms"])
        assert row["rounds"] == 2


def test_rounds_end_where_a_step_takes_long() -> None:
    (training, decoding) = measure(
        Size(300, 16, 40), "float32", names=["plain"], rounds=5, seconds=0.0, smoothing=0.0
    )
    assert training["rounds"] == decoding["rounds"] == 3


def test_command_keeps_other_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "limits.jsonl"
    common = ["--features", "16", "--positions", "40", "--rounds", "1", "--results", str(path)]
    assert main([*common, "--labels", "300", "--modes", "float32", "bfloat16", "--only", "product"]) == 0
    assert (
        main([*common, "--labels", "200", "--modes", "float32", "--only", "product", "onehot", "--print"])
        == 0
    )
    assert main([*common, "--labels", "200", "--modes", "float32", "--only", "product"]) == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 4 + 4
    assert "V = 300, bfloat16, decoding, product: " in capsys.readouterr().out
    made = tables(path)
    assert made["limits-32000-float32"] == NOT_YET
    assert made["limits-200-float32"].count("\n") == 3
    first = next(row for row in rows if row["name"] == "onehot" and row["step"] == "training")
    assert f"| full softmax | {first['measured_ms']:.1f} |" in made["limits-200-float32"]
    assert "d = 16, 40 positions, label smoothing 0.1." in made["limits-setting"]
    with pytest.raises(SystemExit):
        main([*common, "--labels", "10"])


def test_tables_without_rows_say_so(tmp_path: Path) -> None:
    assert set(tables(tmp_path / "limits.jsonl").values()) == {NOT_YET}
