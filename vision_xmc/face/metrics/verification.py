"""Verification: are two pictures of the same person? Accuracy by folds, TAR at FAR, the ROC curve.

A pair is accepted as one person if its score is at least the threshold. *TAR*, the true accept rate, is the
accepted share of the pairs of one person; *FAR*, the false accept rate, is the accepted share of the pairs of
two people. All counts are exact: thresholds are the scores themselves, not a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy by folds.

    Attributes:
        accuracies: accuracy of each fold, at the threshold chosen on other folds.
        thresholds: these thresholds.
    """

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the folds' accuracies."""
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean: the folds' standard deviation (divisor ``k - 1``) over ``sqrt(k)``.

        NaN for a single fold.

        Huang et al., "Labeled Faces in the Wild" (2007), section III.
        """
        folds = torch.tensor(self.accuracies, dtype=torch.float64)
        return float(folds.std(correction=1) / len(folds) ** 0.5) if len(folds) > 1 else float("nan")


def best_threshold_accuracy(scores: Tensor, same: Tensor) -> tuple[float, float]:
    """The best accuracy of any threshold on these pairs, and such a threshold.

    Args:
        scores: ``(N,)`` float, at least one; higher scores mean more similar pictures.
        same: ``(N,)`` bool, whether a pair shows one person.

    Returns:
        The accuracy and a threshold. Of several best thresholds it is the highest. It lies half-way between
        the two scores that it separates, and above all scores if it is best to accept no pair.

    Raises:
        ValueError: if shapes differ, there is no pair, or a score is not a number.
    """
    scores, same = _checked(scores, same)
    if not len(scores):
        raise ValueError("there are no pairs to choose a threshold on")
    values, true_accepts, false_accepts = _accepts(scores, same)
    right = true_accepts - false_accepts + (~same).sum()
    # First the threshold that accepts no pair, then the scores in descending order.
    right = torch.cat([(~same).sum().view(1), right])
    place = int(right.argmax())
    accuracy = int(right[place]) / len(scores)
    if place == 0:
        return accuracy, float(torch.nextafter(values[0], torch.tensor(torch.inf, dtype=values.dtype)))
    if place == len(values):
        return accuracy, float(values[-1])
    accepted, rejected = float(values[place - 1]), float(values[place])
    middle = rejected + (accepted - rejected) / 2
    return accuracy, middle if rejected < middle <= accepted else accepted


def fold_accuracy(
    scores: Tensor,
    same: Tensor,
    folds: Tensor,
    tested: Sequence[int] | None = None,
    chosen_on: Sequence[int] | None = None,
) -> FoldAccuracy:
    """Accuracy of each fold at the threshold that is best on the other folds (LFW, view 2).

    Args:
        scores: ``(N,)`` float.
        same: ``(N,)`` bool.
        folds: ``(N,)`` int64, the fold of each pair.
        tested: the folds whose accuracies are wanted. Default: all.
        chosen_on: a fold's threshold is chosen on these folds, except itself. Default: ``tested``.

    Raises:
        ValueError: if a tested fold has no pairs, no other fold has any, or as
            :func:`best_threshold_accuracy`.
    """
    scores, same = _checked(scores, same)
    tested = sorted(set(folds.tolist())) if tested is None else list(tested)
    chosen_on = tested if chosen_on is None else list(chosen_on)
    accuracies, thresholds = [], []
    for fold in tested:
        inside = folds == fold
        others = torch.isin(folds, torch.tensor([other for other in chosen_on if other != fold]))
        if not inside.any():
            raise ValueError(f"fold {fold} has no pairs")
        if not others.any():
            raise ValueError(f"there is no other fold to choose the threshold of fold {fold} on")
        threshold = best_threshold_accuracy(scores[others], same[others])[1]
        accuracies.append(float(((scores[inside] >= threshold) == same[inside]).double().mean()))
        thresholds.append(threshold)
    return FoldAccuracy(tuple(accuracies), tuple(thresholds))


def tar_at_far(scores: Tensor, same: Tensor, far: Sequence[float]) -> list[float]:
    """For each rate of ``far``, the highest TAR of any threshold with at most this FAR.

    Nothing is interpolated. Pairs with equal scores are accepted together or not at all. A FAR below one over
    the number of pairs of two people allows no false accept. TAR is then the share of the pairs of one person
    that score above every pair of two people.

    Args:
        scores: ``(N,)`` float.
        same: ``(N,)`` bool; both kinds must occur.
        far: false accept rates in ``[0, 1]``, such as ``1e-3``.

    Raises:
        ValueError: if shapes differ, a kind is missing, a score is not a number, or a rate is out of range.
    """
    scores, same = _checked(scores, same)
    genuine, impostors = _both_kinds(scores, same)
    impostors = impostors.sort(descending=True).values
    rates = []
    for rate in far:
        if not 0 <= rate <= 1:
            raise ValueError(f"a false accept rate must be in [0, 1], got {rate}")
        allowed = int(rate * len(impostors))
        # The product may come out just below a whole number: 0.29 · 100 is 28.999999999999996.
        allowed += allowed < len(impostors) and (allowed + 1) / len(impostors) <= rate
        if allowed == len(impostors):
            rates.append(1.0)
        else:
            rates.append(int((genuine > impostors[allowed]).sum()) / len(genuine))
    return rates


def roc_curve(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The ROC curve at every distinct score.

    Args:
        scores: ``(N,)`` float.
        same: ``(N,)`` bool; both kinds must occur.

    Returns:
        FAR and TAR, float64, and the thresholds, each ``(D + 1,)`` for ``D`` distinct scores. The thresholds
        descend from infinity, which accepts no pair, to the lowest score.

    Raises:
        ValueError: if shapes differ, a kind is missing, or a score is not a number.
    """
    scores, same = _checked(scores, same)
    genuine, impostors = _both_kinds(scores, same)
    values, true_accepts, false_accepts = _accepts(scores, same)
    none = torch.zeros(1, dtype=torch.float64)
    return (
        torch.cat([none, false_accepts.double() / len(impostors)]),
        torch.cat([none, true_accepts.double() / len(genuine)]),
        torch.cat([torch.full((1,), torch.inf, dtype=values.dtype), values]),
    )


def _accepts(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The distinct scores in descending order, and the true and false accepts at each as the threshold."""
    order = scores.argsort(descending=True)
    ranked, kinds = scores[order], same[order]
    last = torch.ones(len(ranked), dtype=torch.bool)
    last[:-1] = ranked[1:] != ranked[:-1]
    return ranked[last], kinds.cumsum(0)[last], (~kinds).cumsum(0)[last]


def _checked(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    scores, same = scores.detach().cpu(), same.detach().cpu().bool()
    if scores.ndim != 1 or scores.shape != same.shape:
        raise ValueError(
            f"scores {tuple(scores.shape)} and kinds {tuple(same.shape)} must be vectors of one length"
        )
    if scores.isnan().any():
        raise ValueError(f"{int(scores.isnan().sum())} of the scores are not numbers")
    return scores, same


def _both_kinds(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    if same.all() or not same.any():
        raise ValueError(f"there are no pairs of {'two people' if same.any() else 'one person'}")
    return scores[same], scores[~same]
