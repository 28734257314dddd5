"""Accuracies of a head against those from its dense log-probabilities."""

from __future__ import annotations

import pytest
import torch

from mhe_nmt import build_head
from vision_xmc.image.metrics import classification_sums

HEADS = {
    "onehot": {},
    "product": {
        "radices": (4, 5, 3),
        "order": torch.randperm(53, generator=torch.Generator().manual_seed(0)),
    },
    "cascade": {"radices": (7, 8)},
    "sampling": {},
}


@pytest.mark.parametrize("name", HEADS)
def test_sums(name: str) -> None:
    torch.manual_seed(1)
    head = build_head(name, 6, 53, **HEADS[name]).eval()
    features, labels = torch.randn(200, 6), torch.randint(53, (200,))
    with torch.no_grad():
        # Half of the answers are right, so that no count is trivial.
        labels[::2] = head.predict(features[::2])
        dense = head.log_prob(features)
        sums = classification_sums(head, features, labels)
    ranked = dense.sort(stable=True, dim=-1, descending=True).indices
    assert int(sums["top1"]) == sum(int(row[0] == label) for row, label in zip(ranked, labels, strict=True))
    assert int(sums["top5"]) == sum(int(label in row[:5]) for row, label in zip(ranked, labels, strict=True))
    assert float(sums["nll"]) == pytest.approx(-sum(float(dense[n, labels[n]]) for n in range(200)), rel=1e-5)
    digits = [key for key in sums if key.startswith("digit")]
    assert len(digits) == {"onehot": 0, "product": 3}.get(name, 2)
    for place, key in enumerate(digits):
        radices = head.codec.radix_list
        stride = int(torch.tensor(radices[place + 1 :]).prod())
        right = 0
        for row, label in zip(ranked, labels, strict=True):
            found, true = (int(head.codec.order[y]) // stride % radices[place] for y in (row[0], label))
            right += found == true
        assert int(sums[key]) == right


def test_few_labels() -> None:
    head = build_head("product", 3, 4).eval()
    sums = classification_sums(head, torch.randn(5, 3), torch.randint(4, (5,)))
    assert int(sums["top4"]) == 5
