"""Pictures of faces to embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.face_pictures import Pictures
from vision_xmc.data.views import as_tensor
from vision_xmc.errors import UsageError
from vision_xmc.face_model import scaled_pixels


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
    """The embeddings of pictures, which are decoded while the network works on those before.

    Args:
        backbone: ``(N, 3, image_size, image_size)`` float in ``[-1, 1]`` to ``(N, d)``; its mode is left as
            it is found.
        pictures: aligned faces, grey or RGB; other sizes than ``image_size`` are scaled to it.
        batch_size: pictures at a time.
        flip: add the embedding of the mirrored picture.
        image_size: height and width that the backbone expects.
        normalise: to length 1.
        workers: threads that decode.

    Returns:
        ``(len(pictures), d)`` float32 on the CPU.

    Raises:
        UsageError: if a picture cannot be read, or an embedding is not finite.
    """
    device = next((parameter.device for parameter in backbone.parameters()), torch.device("cpu"))
    prepare = _Prepare(pictures, image_size)
    found = []
    with _evaluating(backbone), torch.inference_mode(), ThreadPoolExecutor(workers) as pool:
        for images in _batches(prepare, len(pictures), batch_size, pool):
            pixels = scaled_pixels(images.to(device))
            embeddings = backbone(pixels).float()
            if flip:
                embeddings = embeddings + backbone(pixels.flip(-1)).float()
            found.append(embeddings.cpu())
    if not found:
        raise UsageError("there are no pictures to embed")
    # Cloned outside, so that the result is an ordinary tensor.
    result = torch.cat(found).clone()
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
