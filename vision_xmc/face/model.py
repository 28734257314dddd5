"""A face model: the backbone that gives embeddings, and the classifier that trains it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mhe_nmt.margin import build_margin
from vision_xmc.common.errors import UsageError
from vision_xmc.engine import checkpoint
from vision_xmc.face.backbones.build import build_backbone
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.class_shards import ClassShards
from vision_xmc.face.options import ClassifierOptions, FaceOptions


class FaceModel(nn.Module):
    """A backbone, and the classes that it is trained with.

    Args:
        backbone: from ``(N, 3, size, size)`` float to embeddings ``(N, d)``.
        head: the classifier of these embeddings.
    """

    def __init__(self, backbone: nn.Module, head: ClassShards) -> None:
        super().__init__()
        # Convolutions are faster with this layout, both on CPUs and on GPUs.
        self.backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """From ``(N, 3, size, size)`` uint8 to embeddings ``(N, d)`` of any length."""
        return self.backbone(scaled_pixels(images))


def scaled_pixels(images: Tensor) -> Tensor:
    """The input of backbones: ``(x / 255 - 0.5) / 0.5`` of uint8 ``(N, 3, height, width)``, as float32."""
    return images.to(torch.float32, memory_format=torch.channels_last) / 127.5 - 1


def build_face_model(
    options: FaceOptions, classifier: ClassifierOptions, classes: int, seed: int
) -> FaceModel:
    """A model with random weights.

    Args:
        options, classifier: of the command line.
        classes: number of people.
        seed: of the class weights; the backbone's weights come from torch's global generator.

    Raises:
        UsageError: if options are out of range or do not fit together.
    """
    try:
        backbone = build_backbone(
            options.arch,
            options.embedding,
            options.image_size,
            dropout=options.dropout,
            checkpointing=options.gradient_checkpointing,
        )
    except ValueError as error:
        raise UsageError(f"--arch {options.arch}: {error}") from error
    try:
        margin = build_margin(classifier.margin, classifier.scale, classifier.margin_size)
    except ValueError as error:
        raise UsageError(f"--margin {classifier.margin}: {error}") from error
    try:
        head = ClassShards(
            options.embedding,
            classes,
            margin,
            sampler=_sampler(classifier, classes),
            log_q=classifier.log_q is not False,
            initial_norm=classifier.initial_norm,
            seed=seed,
        )
    except ValueError as error:
        raise UsageError(f"--head {classifier.head}: {error}") from error
    return FaceModel(backbone, head)


def load_backbone(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The backbone of a checkpoint, in evaluation mode, with averaged weights if the checkpoint has them.

    Its input is the output of :func:`scaled_pixels`.

    Returns:
        The backbone and the options of its training, among them ``arch``, ``embedding`` and ``image_size``.
        If the training verified pairs with these weights, ``threshold`` is the best threshold on these pairs.

    Raises:
        UsageError: if the file is not the checkpoint of a face model.
    """
    content = checkpoint.load(path)
    options = content.get("options", {})
    if not {"arch", "embedding", "image_size"} <= options.keys():
        raise UsageError(f"{path} is not a checkpoint of a face model; train one with vision_xmc.face train")
    try:
        backbone = build_backbone(options["arch"], options["embedding"], options["image_size"])
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    weights = dict(content["model"])
    average = content.get("average")
    if average is not None and average["count"]:
        weights |= average["values"]
    prefix = "backbone."
    in_backbone = [name for name in weights if name.startswith(prefix)]
    checkpoint.load_state(backbone, {name.removeprefix(prefix): weights[name] for name in in_backbone}, path)
    verified = content.get("metrics", {})
    return backbone.eval(), options | {name: verified[name] for name in ("threshold",) if name in verified}


def _sampler(options: ClassifierOptions, classes: int) -> BlockSampler | None:
    if options.head == "full":
        return None
    order = None
    if options.label_order != "identity":
        order = torch.randperm(classes, generator=torch.Generator().manual_seed(options.order_seed))
    fraction = 0.25 if options.sample_fraction is None else options.sample_fraction
    return BlockSampler(classes, options.radices, order=order, sample_fraction=fraction)
