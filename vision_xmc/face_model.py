"""The backbone of a face model's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vision_xmc import checkpoint
from vision_xmc.errors import UsageError
from vision_xmc.models.faces import build_backbone


def scaled_pixels(images: Tensor) -> Tensor:
    """What backbones read: ``(x / 255 - 0.5) / 0.5`` of uint8 images ``(N, 3, height, width)``, float32."""
    return images.to(torch.float32, memory_format=torch.channels_last) / 127.5 - 1


def load_backbone(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The backbone of a checkpoint, in evaluation mode.

    Returns:
        The backbone, and the options of its training; ``arch``, ``embedding`` and ``image_size`` are there.

    Raises:
        UsageError: if the file is no checkpoint of a face model.
    """
    content = checkpoint.load(path)
    options = content.get("options", {})
    if not {"arch", "embedding", "image_size"} <= options.keys():
        raise UsageError(f"{path} is not a checkpoint of a face model; train one with vision_xmc.face train")
    try:
        backbone = build_backbone(options["arch"], options["embedding"], options["image_size"])
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    prefix = "backbone."
    weights = content["model"].items()
    own = {name.removeprefix(prefix): value for name, value in weights if name.startswith(prefix)}
    checkpoint.load_state(backbone, own, path)
    return backbone.eval(), options
