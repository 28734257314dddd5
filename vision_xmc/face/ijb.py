"""``eval-ijb``: TAR at FAR between templates of IJB-B or IJB-C."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mhe_nmt.options import build, option
from vision_xmc.common.errors import UsageError, require
from vision_xmc.face.data.ijb import TemplatePictures, find_target, read_template_pairs, read_templates
from vision_xmc.face.embed import Embedder, EmbedderOptions
from vision_xmc.face.metrics.templates import template_features, template_scores
from vision_xmc.face.roc import RocOptions, plot_roc, tar_report, tar_sentence


@dataclass(frozen=True)
class IjbOptions:
    """Templates."""

    data_path: Path | None = option(None, "folder with meta/ and loose_crop/, as insightface lays it out")
    target: str | None = option(None, "ijbb or ijbc, if meta/ has both")
    aligned: bool = option(False, "the pictures are aligned already; ignore the five points")
    detector_scores: bool = option(True, "weight each embedding by the face detector's score")
    embedding_norms: bool = option(
        True,
        "weight each embedding by its length, which is small for poor pictures; off gives all the length 1",
    )

    def __post_init__(self) -> None:
        require(
            self.data_path is not None, "--data-path is missing; name the folder with meta/ and loose_crop/"
        )


def eval_ijb(given: dict[str, Any]) -> None:
    """Runs the command: prints a line of JSON and a sentence."""
    options, embedding = build(IjbOptions, given), build(EmbedderOptions, given)
    rates = build(RocOptions, given)
    assert options.data_path is not None
    target = options.target or find_target(options.data_path)
    members = read_templates(options.data_path, target)
    embed = Embedder(embedding)
    pictures = TemplatePictures(members, embed.about["image_size"], options.aligned)
    embeddings = embed(pictures, normalise=not options.embedding_norms)
    weights = members.detector_scores if options.detector_scores else None
    ids, features = template_features(embeddings, members.templates, members.media, weights)
    try:
        scores, same = template_scores(ids, features, read_template_pairs(members.pairs))
        tar = tar_report(scores, same, rates.far)
    except KeyError as error:
        raise UsageError(
            f"{members.pairs}: template {error.args[0]} has no picture in meta/; use the files of one release"
        ) from error
    except ValueError as error:
        raise UsageError(f"{members.pairs}: {error}") from error
    sizes = {"pictures": len(members.paths), "templates": len(ids), "pairs": len(same)}
    print(json.dumps({"target": target, **sizes, **tar}), flush=True)
    print(f"{target}: {len(same):,} pairs of {len(ids):,} templates" + tar_sentence(tar), flush=True)
    if rates.roc is not None:
        plot_roc(scores, same, rates.roc, f"{embedding.checkpoint}, {target}")
