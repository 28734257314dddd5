"""Builds backbones for faces by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from vision_xmc.face.backbones.iresnet import DEPTHS, IResNet
from vision_xmc.face.backbones.mobilefacenet import MobileFaceNet
from vision_xmc.face.backbones.tiny import TinyFace

#: Each takes ``embedding`` and ``image_size``, and the keywords ``dropout`` and ``checkpointing``.
#: ``mobilefacenet`` is the network of the paper; ``mbf`` and ``mbf_large`` are insightface's wider ones.
#: ``tiny`` is for tests and demonstrations, and has neither dropout nor checkpointing.
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
        dropout: probability of dropout before the last fully connected layer.
        checkpointing: gradient checkpointing, which trains with less memory in about a third more time.

    Returns:
        A module from pixels in ``[-1, 1]``, ``(N, 3, image_size, image_size)`` float, to embeddings
        ``(N, embedding)`` of any length.

    Raises:
        ValueError: if there is no such backbone, it lacks an option, or a size is out of range.
    """
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    if embedding < 1:
        raise ValueError(f"the size of an embedding must be at least 1, got {embedding}")
    if image_size < 16 or image_size % 16:
        raise ValueError(f"the size of the images must be a multiple of 16, such as 112, got {image_size}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")
    asked = {"dropout": dropout, "checkpointing": checkpointing}
    wanted = {key: value for key, value in asked.items() if value}
    if wanted and name == "tiny":
        raise ValueError(f"this backbone has no {' and no '.join(wanted)}")
    return BACKBONES[name](embedding, image_size, **wanted)
