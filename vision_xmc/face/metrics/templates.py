"""Sets of pictures as one feature each: the template protocol of IJB-B and IJB-C."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

#: Pairs scored at a time, so that of millions only the scores are ever in memory.
PAIRS_AT_A_TIME = 16_384


def template_features(
    embeddings: Tensor, templates: Tensor, media: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One feature for each template: the sum over its media of the mean over each medium's pictures.

    So the many frames of a video count as much as one photograph (Whitelam et al., "IARPA Janus Benchmark-B",
    2017; Maze et al., "IARPA Janus Benchmark-C", 2018; as insightface aggregates).

    Args:
        embeddings: ``(N, d)`` float, of the pictures; their lengths act as weights.
        templates: ``(N,)`` int64, the template of each picture.
        media: ``(N,)`` int64, the photograph or video it is from.
        weights: ``(N,)`` float, further ones, such as the scores of a face detector.

    Returns:
        The template ids upwards ``(T,)``, and their features ``(T, d)`` of length 1.
    """
    if weights is not None:
        embeddings = embeddings * weights.unsqueeze(-1)
    ids, template = templates.unique(return_inverse=True)
    media_ids, medium = media.unique(return_inverse=True)
    # The same medium in two templates is two groups.
    groups, group, sizes = (template * len(media_ids) + medium).unique(
        return_inverse=True, return_counts=True
    )
    sums = embeddings.new_zeros(len(groups), embeddings.size(1)).index_add_(0, group, embeddings)
    means = sums / sizes.unsqueeze(-1)
    features = means.new_zeros(len(ids), means.size(1))
    features.index_add_(0, groups.div(len(media_ids), rounding_mode="floor"), means)
    return ids, nn.functional.normalize(features)


def template_scores(
    ids: Tensor, features: Tensor, pairs: Iterable[tuple[Tensor, Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Cosine similarities of pairs of templates, which may come in any number of parts.

    Args:
        ids: ``(T,)`` int64, upwards.
        features: ``(T, d)`` of length 1.
        pairs: parts with two template ids ``(P,)`` int64 and whether they are one person ``(P,)`` bool.

    Returns:
        Scores float32 and kinds bool, of all pairs in their order.

    Raises:
        KeyError: the first template id that is not among ``ids``.
    """
    scores, kinds = [], []
    for first, second, same in pairs:
        for start in range(0, len(same), PAIRS_AT_A_TIME):
            part = slice(start, start + PAIRS_AT_A_TIME)
            one, two = (features[_places(ids, side[part])] for side in (first, second))
            scores.append((one * two).sum(-1))
        kinds.append(same)
    return torch.cat(scores), torch.cat(kinds)


def _places(ids: Tensor, wanted: Tensor) -> Tensor:
    places = torch.searchsorted(ids, wanted).clamp(max=len(ids) - 1)
    missing = ids[places] != wanted
    if missing.any():
        raise KeyError(int(wanted[missing][0]))
    return places
