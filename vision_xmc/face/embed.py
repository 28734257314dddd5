"""Embeddings of pictures from a trained model: its options, and how pictures go through its backbone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mhe_nmt.options import option
from vision_xmc.common.errors import UsageError, require
from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.views import as_tensor
from vision_xmc.face.data.pictures import Pictures
from vision_xmc.face.model import load_backbone, scaled_pixels
from vision_xmc.face.onnx import OnnxBackbone


@dataclass(frozen=True)
class EmbedderOptions:
    """Embeddings."""

    checkpoint: Path | None = option(
        None, "checkpoint of a training, such as runs/…/best.pt, or an exported .onnx file"
    )
    batch_size: int = option(64, "pictures per batch")
    flip: bool = option(True, "add the embedding of the mirrored picture to that of the picture")
    num_workers: int = option(4, "threads that decode pictures")
    device: str | None = option(None, "such as cpu or cuda:1 (default: a GPU if there is one)")

    def __post_init__(self) -> None:
        require(self.checkpoint is not None, "--checkpoint is missing; name one, such as runs/…/best.pt")
        require(self.batch_size >= 1, f"--batch-size must be at least 1, got {self.batch_size}")
        require(self.num_workers >= 1, f"--num-workers must be at least 1, got {self.num_workers}")


class Embedder:
    """A trained backbone on its device.

    Attributes:
        about: the options that the model was trained with, at least ``image_size``.

    Raises:
        UsageError: if the checkpoint cannot be read, or the device does not exist.
    """

    def __init__(self, options: EmbedderOptions) -> None:
        assert options.checkpoint is not None
        self._options = options
        if options.checkpoint.suffix == ".onnx":
            backbone = OnnxBackbone(options.checkpoint)
            self.about: dict[str, Any] = {"image_size": backbone.image_size}
            self._backbone: torch.nn.Module = backbone
        else:
            self._backbone, self.about = load_backbone(options.checkpoint)
            self._backbone.to(_device(options.device))

    def __call__(self, pictures: Pictures, *, normalise: bool = True) -> Tensor:
        """Embeddings ``(len(pictures), d)`` float32; see :func:`embed_pictures`."""
        options = self._options
        return embed_pictures(
            self._backbone,
            pictures,
            options.batch_size,
            options.flip,
            image_size=self.about["image_size"],
            normalise=normalise,
            workers=options.num_workers,
        )


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device


def embed_pictures(
    backbone: nn.Module,
    pictures: Pictures,
    batch_size: int,
    flip: bool = True,
    *,
    image_size: int = 112,
    normalise: bool = True,
    workers: int = 4,
) -> Tensor:
    """The embeddings of pictures; the next batch is decoded while the network works on the current one.

    Args:
        backbone: ``(N, 3, image_size, image_size)`` float in ``[-1, 1]`` to ``(N, d)``. It runs in evaluation
            mode and gets its own mode back.
        pictures: aligned faces, grey or RGB; pictures of another size are scaled to ``image_size``.
        batch_size: pictures per batch.
        flip: add the embedding of the mirrored picture.
        image_size: height and width that the backbone expects.
        normalise: scale each embedding to length 1.
        workers: threads that decode.

    Returns:
        ``(len(pictures), d)`` float32 on the CPU.

    Raises:
        UsageError: if there is no picture, a picture cannot be read, or an embedding is not finite.
    """
    device = next((parameter.device for parameter in backbone.parameters()), torch.device("cpu"))
    prepare = _Prepare(pictures, image_size)
    batches = []
    with _evaluating(backbone), torch.inference_mode(), ThreadPoolExecutor(workers) as pool:
        for images in _batches(prepare, len(pictures), batch_size, pool):
            pixels = scaled_pixels(images.to(device))
            embeddings = backbone(pixels).float()
            if flip:
                embeddings = embeddings + backbone(pixels.flip(-1)).float()
            batches.append(embeddings.cpu())
    if not batches:
        raise UsageError("there are no pictures to embed; name at least one")
    # Cloned outside of inference mode, so that the result is an ordinary tensor.
    result = torch.cat(batches).clone()
    if not result.isfinite().all():
        raise UsageError("the backbone gives embeddings that are not finite; use another checkpoint")
    return nn.functional.normalize(result) if normalise else result


class _Prepare:
    def __init__(self, pictures: Pictures, size: int) -> None:
        self._pictures, self._resize = pictures, ResizeTo(size, size)

    def __call__(self, index: int) -> Tensor:
        picture = self._pictures[index]
        if picture.ndim == 2:
            picture = picture[..., None]
        image = self._resize(picture)
        return as_tensor(np.broadcast_to(image, (*image.shape[:2], 3)))


def _batches(prepare: _Prepare, count: int, size: int, pool: ThreadPoolExecutor) -> Iterator[Tensor]:
    def begin(start: int) -> list[Future[Tensor]]:
        return [pool.submit(prepare, index) for index in range(start, min(start + size, count))]

    ahead = begin(0)
    for start in range(0, count, size):
        current, ahead = ahead, begin(start + size)
        yield torch.stack([image.result() for image in current])


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
