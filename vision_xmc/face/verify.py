"""``verify``: accuracy on pairs of pictures, and TAR at FAR."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from mhe_nmt.options import build, option
from vision_xmc.common.errors import UsageError, require
from vision_xmc.face.data.pairs import FoldedPairs, read_bin, read_pairs
from vision_xmc.face.embed import Embedder, EmbedderOptions
from vision_xmc.face.metrics.verification import best_threshold_accuracy, fold_accuracy
from vision_xmc.face.roc import RocOptions, plot_roc, tar_report, tar_sentence


@dataclass(frozen=True)
class VerifyOptions:
    """Pairs."""

    pairs: Path | None = option(None, "file of pairs: LFW's view 2, or two paths and 0 or 1 on each line")
    images: Path | None = option(None, "folder of the pictures of --pairs (default: the folder of the file)")
    bin: Path | None = option(None, "insightface's file of pairs, such as lfw.bin")
    folds: tuple[int, ...] = option((), "folds to report, such as 9 10 (default: all)")
    threshold_folds: Literal["given", "all"] = option(
        "given", "choose a fold's threshold on the other folds of --folds, or on all other folds of the file"
    )

    def __post_init__(self) -> None:
        require(
            (self.pairs is None) != (self.bin is None),
            "give either --pairs with --images, or --bin, not both",
        )
        require(
            self.bin is None or self.images is None,
            "--images goes with --pairs; leave it out, because the file of --bin holds its pictures",
        )
        require(len(set(self.folds)) == len(self.folds), "--folds must name each fold only once")


def verify(given: dict[str, Any]) -> None:
    """Runs the command: prints a line of JSON and a sentence."""
    options, embedding = build(VerifyOptions, given), build(EmbedderOptions, given)
    rates = build(RocOptions, given)
    pairs = _read(options)
    tested = _tested(options, pairs)
    embed = Embedder(embedding)
    embeddings = embed(pairs.pictures)
    scores = pair_scores(embeddings, pairs.first, pairs.second)
    report = _report(options, pairs, scores, tested, rates.far)
    report["pictures"] = len(pairs.pictures)
    print(json.dumps(report), flush=True)
    print(_sentence(report), flush=True)
    if rates.roc is not None:
        inside = torch.isin(pairs.folds, torch.tensor(tested))
        title = f"{embedding.checkpoint}, {options.pairs or options.bin}"
        plot_roc(scores[inside], pairs.same[inside], rates.roc, title)


def pair_scores(embeddings: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Cosine similarities of pairs, ``(N,)`` float32.

    Args:
        embeddings: ``(M, d)``, of length 1.
        first, second: ``(N,)`` int64, indices of the two embeddings of each pair.
    """
    return (embeddings[first] * embeddings[second]).sum(-1)


def _read(options: VerifyOptions) -> FoldedPairs:
    if options.bin is not None:
        return read_bin(options.bin)
    assert options.pairs is not None
    return read_pairs(options.pairs, options.images or options.pairs.parent)


def _tested(options: VerifyOptions, pairs: FoldedPairs) -> list[int]:
    existing = sorted(set(pairs.folds.tolist()))
    for fold in options.folds:
        require(fold in existing, f"--folds {fold}: the file has folds {existing[0]} to {existing[-1]}")
    require(
        len(existing) > 1, "a threshold is chosen on other pairs, but there is only one pair; give more pairs"
    )
    tested = list(options.folds) or existing
    require(
        len(tested) > 1 or options.threshold_folds == "all",
        "a fold's threshold is chosen on other folds; name at least two --folds, or give "
        "--threshold-folds all",
    )
    return tested


def _report(
    options: VerifyOptions, pairs: FoldedPairs, scores: Tensor, tested: list[int], rates: tuple[float, ...]
) -> dict[str, Any]:
    chosen_on = tested if options.threshold_folds == "given" else sorted(set(pairs.folds.tolist()))
    inside = torch.isin(pairs.folds, torch.tensor(tested))
    choosing = torch.isin(pairs.folds, torch.tensor(chosen_on))
    try:
        folds = fold_accuracy(scores, pairs.same, pairs.folds, tested, chosen_on)
        tar = tar_report(scores[inside], pairs.same[inside], rates)
    except ValueError as error:
        raise UsageError(f"{options.pairs or options.bin}: {error}") from error
    return {
        "pairs": int(inside.sum()),
        "folds": tested,
        "accuracy": folds.mean,
        "standard_error": None if math.isnan(folds.standard_error) else folds.standard_error,
        "fold_accuracies": folds.accuracies,
        "fold_thresholds": folds.thresholds,
        # For `compare`: one threshold, chosen on all these folds.
        "threshold": best_threshold_accuracy(scores[choosing], pairs.same[choosing])[1],
        **tar,
    }


def _sentence(report: dict[str, Any]) -> str:
    error = report["standard_error"]
    spread = "" if error is None else f" ± {100 * error:.2f}"
    folds = len(report["folds"])
    accuracy = (
        f"accuracy {100 * report['accuracy']:.2f}{spread} % (mean of {folds} fold{'s'[: folds > 1]}, "
        f"standard error) on {report['pairs']:,} pairs"
    )
    return accuracy + tar_sentence(report)
