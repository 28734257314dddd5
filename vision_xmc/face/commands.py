"""``embed``, ``compare`` and ``export``: use a trained face model on one's own pictures and in programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mhe_nmt.files import replacing
from mhe_nmt.options import build, option
from vision_xmc.common.errors import UsageError, require
from vision_xmc.data.folder import images_below
from vision_xmc.face.data.pictures import PictureFiles
from vision_xmc.face.embed import Embedder, EmbedderOptions
from vision_xmc.face.model import load_backbone
from vision_xmc.face.onnx import export_backbone


@dataclass(frozen=True)
class EmbedOptions:
    """Output."""

    output: Path | None = option(None, "the .npz file to write, with arrays embeddings and pictures")

    def __post_init__(self) -> None:
        require(self.output is not None, "--output is missing; name the .npz file to write")


@dataclass(frozen=True)
class CompareOptions:
    """Decision."""

    threshold: float | None = option(
        None,
        "smallest cosine similarity of one person, such as verify prints (default: the checkpoint's, if it "
        "has one)",
    )

    def __post_init__(self) -> None:
        allowed = self.threshold is None or -1 <= self.threshold <= 1
        require(allowed, f"--threshold must be a cosine similarity, from -1 to 1, got {self.threshold}")


@dataclass(frozen=True)
class ExportOptions:
    """Files."""

    checkpoint: Path | None = option(None, "checkpoint of a training, such as runs/…/best.pt")
    output: Path | None = option(None, "the .onnx file to write")

    def __post_init__(self) -> None:
        require(self.checkpoint is not None, "--checkpoint is missing; name one, such as runs/…/best.pt")
        require(self.output is not None, "--output is missing; name the .onnx file to write")
        assert self.output is not None
        require(self.output.suffix == ".onnx", f"--output {self.output} must end with .onnx")
        require(
            self.output.parent.is_dir(), f"--output {self.output}: there is no folder {self.output.parent}"
        )


def embed(given: dict[str, Any]) -> None:
    """Runs ``embed``: writes embeddings of length 1 and the names of their pictures to an ``.npz`` file."""
    options, embedding = build(EmbedOptions, given), build(EmbedderOptions, given)
    assert options.output is not None
    require(options.output.parent.is_dir(), f"--output {options.output}: there is no folder for it")
    paths: list[Path] = []
    for given_path in given["pictures"]:
        inside = sorted(images_below(given_path)) if given_path.is_dir() else [given_path]
        require(bool(inside), f"{given_path} has no pictures")
        paths += inside
    embeddings = Embedder(embedding)(PictureFiles(paths)).numpy()
    with replacing(options.output) as partial, partial.open("wb") as file:
        np.savez(file, embeddings=embeddings, pictures=np.array([str(path) for path in paths]))
    print(f"{options.output}: {len(paths):,} embeddings of {embeddings.shape[1]} numbers")


def compare(given: dict[str, Any]) -> None:
    """Runs ``compare``: prints the cosine similarity of two pictures and, by a known threshold, a verdict."""
    options, embedding = build(CompareOptions, given), build(EmbedderOptions, given)
    embedder = Embedder(embedding)
    one, two = embedder(PictureFiles(given["pictures"]))
    similarity = float(one @ two)
    threshold = embedder.about.get("threshold") if options.threshold is None else options.threshold
    same = None if threshold is None else similarity >= threshold
    print(json.dumps({"similarity": similarity, "threshold": threshold, "same": same}))
    verdict = "no threshold is known; verify finds one"
    if threshold is not None:
        verdict = f"{'one person' if same else 'two people'}, by the threshold {threshold:.4f}"
    print(f"cosine similarity {similarity:.4f}: {verdict}")


def export(given: dict[str, Any]) -> None:
    """Runs ``export``: writes an ONNX file, after a comparison of its embeddings with the checkpoint's."""
    options = build(ExportOptions, given)
    assert options.checkpoint is not None
    assert options.output is not None
    if options.checkpoint.suffix == ".onnx":
        raise UsageError(f"{options.checkpoint} is an ONNX file already; name a checkpoint of a training")
    backbone, about = load_backbone(options.checkpoint)
    difference = export_backbone(backbone, about["image_size"], options.output)
    print(f"{options.output}: embeddings equal those of {options.checkpoint} to {difference:.1e}")
