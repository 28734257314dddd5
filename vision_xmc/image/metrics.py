"""Top-k and per-digit accuracy of an output head."""

from __future__ import annotations

from torch import Tensor

from mhe_nmt import OutputHead
from mhe_nmt.heads import MultiHead


def classification_sums(head: OutputHead, features: Tensor, labels: Tensor, k: int = 5) -> dict[str, Tensor]:
    """Sums over a batch, to be divided by the number of examples.

    Args:
        head: in evaluation mode.
        features: ``(N, d)``.
        labels: ``(N,)`` int64.
        k: of the second accuracy; at most the number of labels is used.

    Returns:
        0-dimensional tensors. ``nll`` is in nats. ``top1`` and ``topk`` (with the number for k) count the
        examples whose label is the best one or among the ``k`` best. Heads with digits also have
        ``digit1 …``: how many predictions have the right digit at that place.
    """
    k = min(k, head.num_labels)
    best = head.topk(features, k)[1]
    hits = best == labels.unsqueeze(-1)
    sums = {"nll": head(features, labels).nll.sum(), "top1": hits[:, 0].sum(), f"top{k}": hits.sum()}
    if isinstance(head, MultiHead):
        right = head.codec.encode(best[:, 0]) == head.codec.encode(labels)
        sums |= {f"digit{place + 1}": right[:, place].sum() for place in range(right.size(-1))}
    return sums
