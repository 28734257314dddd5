"""The random class sampler that blocks of classes are compared with, and the comparison itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.face.partial_fc import FULL, NAMES, RandomClasses, main, tables
from benchmarks.harness.results import read_rows
from mhe_nmt.margin import CosFace

CLASSES = 40


def peer(fraction: float) -> RandomClasses:
    head = RandomClasses(6, CLASSES, CosFace(8.0), fraction)
    return head.double()


@given(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=12), st.floats(0.05, 1), st.integers(0, 99))
def test_targets_are_kept_and_others_fill_the_budget(labels: list[int], fraction: float, seed: int) -> None:
    targets = torch.tensor(sorted(set(labels)))
    chosen = peer(fraction).sample(targets, torch.Generator().manual_seed(seed)).tolist()
    assert chosen == sorted(set(chosen))
    assert set(labels) <= set(chosen) <= set(range(CLASSES))
    assert len(chosen) == max(int(fraction * CLASSES), len(targets))


def test_others_are_as_likely_as_each_other() -> None:
    """2,000 draws of 8 out of 37 others: 432 times each, within four standard deviations."""
    head, generator, counts = peer(0.275), torch.Generator().manual_seed(1), torch.zeros(CLASSES)
    for _ in range(2000):
        counts[head.sample(torch.tensor([3, 5, 20]), generator)] += 1
    assert counts[[3, 5, 20]].tolist() == [2000] * 3
    share = 8 / 37
    others = counts[[c for c in range(CLASSES) if c not in (3, 5, 20)]]
    assert float((others - 2000 * share).abs().max()) < 4 * (2000 * share * (1 - share)) ** 0.5


@given(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=12), st.floats(0.05, 1), st.integers(0, 99))
def test_losses_and_gradients_are_those_of_a_plain_cross_entropy(
    labels: list[int], fraction: float, seed: int
) -> None:
    """Over the sampled classes, the margin taken off the true one; other rows get no gradient."""
    head, target = peer(fraction), torch.tensor(labels)
    torch.manual_seed(seed)
    features = torch.randn(len(labels), 6, dtype=torch.float64, requires_grad=True)
    found = head(features, target, torch.Generator().manual_seed(seed))
    gradients = torch.autograd.grad(found.nll.sum(), (features, head.weight))
    chosen = head.sample(target.unique(), torch.Generator().manual_seed(seed)).tolist()
    weight = head.weight[chosen]
    cosines = (features / features.norm(dim=1, keepdim=True)) @ (weight / weight.norm(dim=1, keepdim=True)).T
    places = torch.tensor([chosen.index(label) for label in labels])
    logits = 8.0 * (cosines - 0.35 * F.one_hot(places, len(chosen)).double())
    nll = F.cross_entropy(logits, places, reduction="none")
    torch.testing.assert_close(found.nll, nll)
    for own, plain in zip(gradients, torch.autograd.grad(nll.sum(), (features, head.weight)), strict=True):
        torch.testing.assert_close(own, plain)
    untouched = [number for number in range(CLASSES) if number not in chosen]
    assert not gradients[1][untouched].any()
    assert found.trained == len(chosen)


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "made.jsonl"
    arguments = ["--classes", "2000", "100000", "--rounds", "2", "--embedding", "32", "--examples", "16",
                 "--results", str(results)]  # fmt: skip
    assert main(arguments) == 0
    rows = read_rows(results, ("name", "classes"))
    assert [(row["classes"], row["name"]) for row in rows] == [(v, n) for v in (2000, 100_000) for n in NAMES]
    for row in rows:
        expected = row["classes"] if row["name"] == FULL else 0.1 * row["classes"]
        assert 0.8 * expected <= row["trained"] <= expected
        assert row["forward_backward_ms"] > 0
        assert row["optimizer_ms"] > 0
    # Weights, gradients and momentum at least, less what the small training left to be used again.
    peaks = {(row["classes"], row["name"]): row["peak_bytes"] for row in rows}
    assert all(peaks[100_000, name] > 2 * 4 * 100_000 * 32 for name in NAMES)
    text = results.with_suffix(".md").read_text(encoding="utf-8")
    made = tables(results)
    assert all(table in text for table in made.values())
    assert "| 100,000 | Partial FC | 10,000 |" in made["made-times"]
    peer, blocks = (next(row for row in rows if row["name"] == name) for name in ("partial-fc", "sampling"))
    ratio = blocks["update_ms"] / peer["update_ms"]
    line = next(line for line in made["made-ratios"].splitlines() if "| sampling | Partial FC |" in line)
    assert line.split(" | ")[4] == f"{ratio:.2f}"
    assert rows[0]["recipe"]["commands"] == [["python", "-m", "benchmarks.face.partial_fc", *arguments]]
    capsys.readouterr()
    assert main(["--classes", "2000", "--fraction", "0.001", "--results", str(results)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "benchmarks.face.partial_fc: error: --fraction 0.001: a share of 0.001 of 2,000 classes"
    )
    assert error.count("\n") == 1
