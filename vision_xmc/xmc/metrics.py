"""Metrics of extreme multi-label classification, as sums over documents.

P@k, nDCG@k and propensity-scored P@k are defined as in the Extreme Classification Repository and in Jain,
Prabhu and Varma, "Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
Label Applications", KDD 2016. A document without labels counts as 0 in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

#: Constants ``A`` and ``B`` of the propensities per data set (Jain et al., 2016). All others use PROPENSITY.
PROPENSITIES = {"wiki-500k": (0.5, 0.4), "amazon-670k": (0.6, 2.6), "amazon-3m": (0.6, 2.6)}
PROPENSITY = (0.55, 1.5)
KS = (1, 3, 5)


def inverse_propensities(counts: Tensor, documents: int, a: float = 0.55, b: float = 1.5) -> Tensor:
    """``1 + C (n + B)^-A`` with ``C = (ln N - 1)(B + 1)^A`` (Jain et al., 2016, section 4): ``(V,)`` float64.

    Args:
        counts: ``n``, the number of training documents per label, ``(V,)``.
        documents: ``N``, the number of training documents.
        a, b: constants ``A`` and ``B`` of the data set.
    """
    scale = (torch.tensor(float(documents), dtype=torch.float64).log() - 1) * (b + 1) ** a
    return 1 + scale * (counts.double() + b) ** -a


def ranking_sums(
    predicted: Tensor,
    labels: Tensor,
    offsets: Tensor,
    inverse_propensity: Tensor | None = None,
    ks: Sequence[int] = KS,
) -> dict[str, Tensor]:
    """Sums over documents of ``P@k``, ``nDCG@k`` and ``R@k``, and of both sides of the ratio ``PSP@k``.

    Args:
        predicted: predicted labels, best first, ``(N, K)`` int64. The labels of a row differ from each other;
            ``K`` is at least the largest of ``ks``.
        labels: the true label sets one after another, ``(M,)`` int64, without repetition in a set. Labels
            that occur in the test part only count like others, although no prediction can name them.
        offsets: where each label set begins and ends, ``(N + 1,)`` int64.
        inverse_propensity: ``(V',)``, of every label that occurs; ``None`` leaves out ``PSP@k``.
        ks: the cut-offs ``k``.

    Returns:
        0-dimensional float64 tensors ``P@k``, ``nDCG@k``, ``R@k`` and, with propensities, ``PSP@k`` and its
        largest possible value, ``PSP@k ideal``. :func:`ranking_means` turns them into metrics.
    """
    documents, device = len(predicted), predicted.device
    sizes = offsets.diff()
    owners = torch.arange(documents, device=device).repeat_interleave(sizes, output_size=len(labels))
    most = 1 + int(max(predicted.max() if predicted.numel() else 0, labels.max() if labels.numel() else 0))
    true_keys = (owners * most + labels).sort().values
    predicted_keys = torch.arange(documents, device=device).unsqueeze(-1) * most + predicted
    hits = torch.isin(predicted_keys, true_keys, assume_unique=False).double()
    discounts = (torch.arange(max(ks), device=device, dtype=torch.float64) + 2).log2().reciprocal()
    gains = torch.cat((discounts.new_zeros(1), discounts.cumsum(0)))
    sums = {}
    for k in ks:
        top = hits[:, :k]
        ideal = gains[sizes.clamp(max=k)]
        sums[f"P@{k}"] = top.sum() / k
        sums[f"nDCG@{k}"] = (top @ discounts[:k] / ideal.clamp(min=1e-12)).sum()
        sums[f"R@{k}"] = (top.sum(-1) / sizes.clamp(min=1)).sum()
    if inverse_propensity is not None:
        gained = hits * inverse_propensity[predicted]
        best = _largest_first(inverse_propensity[labels], owners, offsets)
        place = torch.arange(len(labels), device=device) - offsets[:-1].repeat_interleave(
            sizes, output_size=len(labels)
        )
        for k in ks:
            sums[f"PSP@{k}"] = gained[:, :k].sum() / k
            sums[f"PSP@{k} ideal"] = best[place < k].sum() / k
    return sums


def ranking_means(sums: Mapping[str, float], documents: int) -> dict[str, float]:
    """The metrics of a data set with ``documents`` documents, from the total of its :func:`ranking_sums`.

    ``PSP@k`` is the gain over the whole set, divided by the largest possible gain.
    """
    means = {name: value / documents for name, value in sums.items() if not name.startswith("PSP")}
    for name, value in sums.items():
        if name.startswith("PSP") and not name.endswith("ideal"):
            means[name] = value / max(sums[f"{name} ideal"], 1e-12)
    return means


def _largest_first(values: Tensor, owners: Tensor, offsets: Tensor) -> Tensor:
    """The values with those of each document in descending order; the documents keep their order."""
    order = values.argsort(descending=True, stable=True)
    order = order[owners[order].argsort(stable=True)]
    return values[order]
