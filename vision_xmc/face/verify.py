"""``verify``: accuracy on pairs of pictures, TAR at FAR and the ROC curve."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vision_xmc.common.errors import UsageError
from vision_xmc.common.options import build, option, require
from vision_xmc.engine.plots import new_figure, write_png
from vision_xmc.face.data.pairs import FacePairs, read_bin, read_pairs
from vision_xmc.face.embed import (
    FALSE_ACCEPT_RATES,
    Embedder,
    EmbedderOptions,
    check_plotting,
    check_rates,
)
from vision_xmc.face.metrics.verification import best_threshold_accuracy, fold_accuracy, roc_curve, tar_at_far


@dataclass(frozen=True)
class VerifyOptions:
    """Pairs."""

    pairs: Path | None = option(None, "file of pairs: LFW's view 2, or two paths and 0 or 1 on each line")
    images: Path | None = option(None, "folder of the pictures of --pairs; by default the one it lies in")
    bin: Path | None = option(None, "pairs as insightface has them, such as lfw.bin")
    folds: tuple[int, ...] = option((), "folds to report, such as 9 10; all by default")
    threshold_folds: Literal["given", "all"] = option(
        "given", "thresholds are chosen on the other ones of --folds, or on all other folds of the file"
    )
    far: tuple[float, ...] = option(FALSE_ACCEPT_RATES, "false accept rates")
    roc: Path | None = option(None, "draw the ROC curve into this PNG file")

    def __post_init__(self) -> None:
        require(
            (self.pairs is None) != (self.bin is None),
            "give either --pairs with --images, or --bin; not both",
        )
        require(
            self.bin is None or self.images is None, "--images goes with --pairs; --bin holds its pictures"
        )
        require(len(set(self.folds)) == len(self.folds), "--folds must name each fold once")
        check_rates(self.far)


def verify(given: dict[str, Any]) -> None:
    """Runs the command: prints a line of JSON and a sentence."""
    options, embedding = build(VerifyOptions, given), build(EmbedderOptions, given)
    check_plotting(options.roc)
    pairs = _read(options)
    tested = _tested(options, pairs)
    embed = Embedder(embedding)
    embeddings = embed(pairs.pictures)
    scores = pair_scores(embeddings, pairs.first, pairs.second)
    report = _report(options, pairs, scores, tested)
    report["pictures"] = len(pairs.pictures)
    print(json.dumps(report), flush=True)
    print(_sentence(report), flush=True)
    if options.roc is not None:
        inside = torch.isin(pairs.folds, torch.tensor(tested))
        far, tar, _ = roc_curve(scores[inside], pairs.same[inside])
        impostors = int((~pairs.same[inside]).sum())
        plot_roc(far, tar, impostors, options.roc, f"{embedding.checkpoint}, {options.pairs or options.bin}")


def pair_scores(embeddings: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarities ``(N,)`` of embeddings ``(M, d)`` of length 1, by their indices ``(N,)``."""
    return (embeddings[first] * embeddings[second]).sum(-1)


def _read(options: VerifyOptions) -> FacePairs:
    if options.bin is not None:
        return read_bin(options.bin)
    assert options.pairs is not None
    return read_pairs(options.pairs, options.images or options.pairs.parent)


def _tested(options: VerifyOptions, pairs: FacePairs) -> list[int]:
    there = sorted(set(pairs.folds.tolist()))
    for fold in options.folds:
        require(fold in there, f"--folds {fold}: there are folds {there[0]} to {there[-1]}")
    tested = list(options.folds) or there
    by_others = options.threshold_folds == "given" and len(tested) == 1
    require(
        len(there) > 1 and not by_others,
        "a fold's threshold is chosen on other folds: name two --folds or more, or give --threshold-folds all"
        if len(there) > 1
        else "one pair alone has no other to choose a threshold on; give more pairs",
    )
    return tested


def _report(options: VerifyOptions, pairs: FacePairs, scores: Tensor, tested: list[int]) -> dict[str, Any]:
    chosen_on = tested if options.threshold_folds == "given" else sorted(set(pairs.folds.tolist()))
    inside = torch.isin(pairs.folds, torch.tensor(tested))
    choosing = torch.isin(pairs.folds, torch.tensor(chosen_on))
    try:
        folds = fold_accuracy(scores, pairs.same, pairs.folds, tested, chosen_on)
        tar = tar_at_far(scores[inside], pairs.same[inside], options.far)
    except ValueError as error:
        raise UsageError(f"{options.pairs or options.bin}: {error}") from error
    return {
        "pairs": int(inside.sum()),
        "folds": tested,
        "accuracy": folds.mean,
        "standard_error": None if math.isnan(folds.standard_error) else folds.standard_error,
        "fold_accuracies": folds.accuracies,
        "fold_thresholds": folds.thresholds,
        # For `compare`: one threshold, which no fold was held out from.
        "threshold": best_threshold_accuracy(scores[choosing], pairs.same[choosing])[1],
        "tar_at_far": {f"{rate:g}": value for rate, value in zip(options.far, tar, strict=True)},
        "smallest_far": 1 / int((~pairs.same[inside]).sum()),
    }


def _sentence(report: dict[str, Any]) -> str:
    error = report["standard_error"]
    spread = "" if error is None else f" ± {100 * error:.2f}"
    folds = len(report["folds"])
    accuracy = (
        f"accuracy {100 * report['accuracy']:.2f}{spread} % (mean of {folds} fold{'s'[: folds > 1]}, "
        f"standard error) on {report['pairs']:,} pairs"
    )
    return accuracy + tar_sentence(report["tar_at_far"], report["smallest_far"])


def tar_sentence(tar: dict[str, float], smallest: float) -> str:
    """``; TAR …`` for each rate, and which of them the pairs are too few for."""
    shown = "".join(f"; TAR {100 * value:.2f} % at FAR {rate}" for rate, value in tar.items())
    if any(float(rate) < smallest for rate in tar):
        shown += f" (rates below {smallest:.1e} allow no false accept on these pairs)"
    return shown


def plot_roc(far: Tensor, tar: Tensor, impostors: int, path: Path, title: str = "") -> None:
    """Draws TAR over FAR, whose axis is logarithmic and begins at one false accept.

    Args:
        far, tar: ``(D,)`` rates of falling thresholds, from
            :func:`vision_xmc.face.metrics.verification.roc_curve`.
        impostors: number of pairs of two people.
        path: the PNG file, written whole or not at all.
        title: above the curve.

    Raises:
        ImportError: if matplotlib is not there.
    """
    figure = new_figure(5.2, 4.2)
    axes = figure.subplots()
    # Millions of pairs, but the curve has a corner only where TAR rises or is about to.
    corner = torch.ones(len(tar), dtype=torch.bool)
    corner[1:-1] = (tar[1:-1] != tar[:-2]) | (tar[2:] != tar[1:-1])
    # No false accept at all has no place on the axis; it is drawn to the left of its end.
    axes.plot(far[corner].clamp(min=0.1 / impostors), tar[corner], drawstyle="steps-post")
    axes.set_xscale("log")
    axes.set_xlim(min(1 / impostors, 0.5), 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("FAR")
    axes.set_ylabel("TAR")
    axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium")
    write_png(figure, path)
