"""Backbones for faces by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from vision_xmc.face.backbones.iresnet import DEPTHS, IResNet
from vision_xmc.face.backbones.mobilefacenet import MobileFaceNet
from vision_xmc.face.backbones.tiny import TinyFace

#: Each takes ``embedding`` and ``image_size``, and by keyword ``dropout`` and ``checkpointing``.
#: ``mobilefacenet`` is the network of the paper; ``mbf`` and ``mbf_large`` are the wider ones of
#: insightface's configs; ``tiny`` is for tests and demonstrations and has neither dropout nor checkpointing.
BACKBONES: dict[str, Callable[..., nn.Module]] = {
    **{name: partial(IResNet, depths) for name, depths in DEPTHS.items()},
    "mobilefacenet": MobileFaceNet,
    "mbf": partial(MobileFaceNet, width=2),
    "mbf_large": partial(MobileFaceNet, width=4, depths=(2, 8, 12, 4)),
    "tiny": TinyFace,
}


def build_backbone(
    name: str, embedding: int = 512, image_size: int = 112, dropout: float = 0.0, checkpointing: bool = False
) -> nn.Module:
    """A backbone with random weights.

    Args:
        name: one of :data:`BACKBONES`.
        embedding: size of an embedding.
        image_size: height and width of the pictures in pixels.
        dropout: probability, before the last fully connected layer.
        checkpointing: gradient checkpointing: less memory in training for about a third more time.

    Returns:
        ``(N, 3, image_size, image_size)`` float, pixels in ``[-1, 1]``, to ``(N, embedding)``, not
        normalised.

    Raises:
        ValueError: if there is no such backbone, or a size is out of range.
    """
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}; there are {', '.join(BACKBONES)}")
    if embedding < 1:
        raise ValueError(f"the size of an embedding must be at least 1, got {embedding}")
    if image_size < 16 or image_size % 16:
        raise ValueError(f"the size of the images must be a multiple of 16, such as 112, got {image_size}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")
    asked = {"dropout": dropout, "checkpointing": checkpointing}
    wanted = {key: value for key, value in asked.items() if value}
    if wanted and name == "tiny":
        raise ValueError(f"it has no {' and no '.join(wanted)}")
    return BACKBONES[name](embedding, image_size, **wanted)
