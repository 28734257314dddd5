"""``eval-ijb``: TAR at FAR between templates of IJB-B or IJB-C."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision_xmc.common.errors import UsageError
from vision_xmc.common.options import build, option, require
from vision_xmc.face.data.ijb import TemplatePictures, find_target, read_template_pairs, read_templates
from vision_xmc.face.embed import (
    FALSE_ACCEPT_RATES,
    Embedder,
    EmbedderOptions,
    check_plotting,
    check_rates,
)
from vision_xmc.face.metrics.templates import template_features, template_scores
from vision_xmc.face.metrics.verification import roc_curve, tar_at_far
from vision_xmc.face.verify import plot_roc, tar_sentence


@dataclass(frozen=True)
class IjbOptions:
    """Templates."""

    data_path: Path | None = option(None, "folder with meta/ and loose_crop/, as insightface lays it out")
    target: str | None = option(None, "ijbb or ijbc, where meta/ has both")
    aligned: bool = option(False, "pictures are aligned already; the five points are not used")
    detector_scores: bool = option(True, "weight each embedding with the face detector's score")
    embedding_norms: bool = option(
        True,
        "weight each embedding with its length, which is small for poor pictures; else all have length 1",
    )
    far: tuple[float, ...] = option(FALSE_ACCEPT_RATES, "false accept rates")
    roc: Path | None = option(None, "draw the ROC curve into this PNG file")

    def __post_init__(self) -> None:
        require(self.data_path is not None, "--data-path is missing: the folder with meta/ and loose_crop/")
        check_rates(self.far)


def eval_ijb(given: dict[str, Any]) -> None:
    """Runs the command: prints a line of JSON and a sentence."""
    options, embedding = build(IjbOptions, given), build(EmbedderOptions, given)
    assert options.data_path is not None
    check_plotting(options.roc)
    target = options.target or find_target(options.data_path)
    members = read_templates(options.data_path, target)
    embed = Embedder(embedding)
    pictures = TemplatePictures(members, embed.about["image_size"], options.aligned)
    embeddings = embed(pictures, normalise=not options.embedding_norms)
    weights = members.detector_scores if options.detector_scores else None
    ids, features = template_features(embeddings, members.templates, members.media, weights)
    try:
        scores, same = template_scores(ids, features, read_template_pairs(members.pairs))
        tar = tar_at_far(scores, same, options.far)
        far_curve, tar_curve, _ = roc_curve(scores, same)
    except KeyError as error:
        raise UsageError(f"{members.pairs}: template {error.args[0]} has no picture in meta/") from error
    except ValueError as error:
        raise UsageError(f"{members.pairs}: {error}") from error
    impostors = int((~same).sum())
    report = {
        "target": target,
        "pictures": len(members.paths),
        "templates": len(ids),
        "pairs": len(same),
        "tar_at_far": {f"{rate:g}": value for rate, value in zip(options.far, tar, strict=True)},
        "smallest_far": 1 / impostors,
    }
    print(json.dumps(report), flush=True)
    about = f"{target}: {len(same):,} pairs of {len(ids):,} templates"
    print(about + tar_sentence(report["tar_at_far"], 1 / impostors), flush=True)  # type: ignore[arg-type]
    if options.roc is not None:
        plot_roc(far_curve, tar_curve, impostors, options.roc, f"{embedding.checkpoint}, {target}")
