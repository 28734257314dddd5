"""Templates, which are sets of pictures, as one feature each: the protocol of IJB-B and IJB-C."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

#: How many pairs are scored at a time, so that memory holds only the scores of millions of pairs.
PAIRS_AT_A_TIME = 16_384


def template_features(
    embeddings: Tensor, templates: Tensor, media: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One feature per template: the sum over its media of the mean embedding of each medium's pictures.

    So the many frames of a video count as much as one photograph (Whitelam et al., "IARPA Janus Benchmark-B",
    2017; Maze et al., "IARPA Janus Benchmark-C", 2018; insightface aggregates in the same way).

    Args:
        embeddings: embeddings of the pictures, ``(N, d)`` float; their lengths act as weights.
        templates: ``(N,)`` int64, the template of each picture.
        media: ``(N,)`` int64, the photograph or video that each picture is from.
        weights: ``(N,)`` float, further weights, such as the scores of a face detector.

    Returns:
        The template ids in ascending order, ``(T,)``, and their features of length 1, ``(T, d)``.
    """
    if weights is not None:
        embeddings = embeddings * weights.unsqueeze(-1)
    ids, template = templates.unique(return_inverse=True)
    media_ids, medium = media.unique(return_inverse=True)
    # A medium that is in two templates forms two groups.
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
        ids: ``(T,)`` int64, in ascending order.
        features: ``(T, d)``, of length 1.
        pairs: parts, each of two template ids ``(P,)`` int64 and, ``(P,)`` bool, whether they are of one
            person.

    Returns:
        Of all pairs, in their order: the scores, of the features' dtype, and whether each is of one person,
        bool.

    Raises:
        KeyError: with the first template id that is not in ``ids``.
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
