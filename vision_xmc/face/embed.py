"""What the commands on trained face models share: which model, and how pictures go through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vision_xmc.common.errors import UsageError
from vision_xmc.common.options import option, require
from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.views import as_tensor
from vision_xmc.face.data.pictures import Pictures
from vision_xmc.face.model import load_backbone, scaled_pixels
from vision_xmc.face.onnx import OnnxBackbone

#: At which TAR is given unless --far says otherwise.
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class EmbedderOptions:
    """Embeddings."""

    checkpoint: Path | None = option(None, "of a training, such as runs/…/best.pt; or an exported .onnx file")
    batch_size: int = option(64, "pictures at a time")
    flip: bool = option(True, "add the embedding of the mirrored picture")
    num_workers: int = option(4, "threads that decode pictures")
    device: str | None = option(None, "such as cpu or cuda:1; by default a GPU where there is one")

    def __post_init__(self) -> None:
        require(self.checkpoint is not None, "--checkpoint is missing; name one, such as runs/…/best.pt")
        require(self.batch_size >= 1, f"--batch-size must be at least 1, got {self.batch_size}")
        require(self.num_workers >= 1, f"--num-workers must be at least 1, got {self.num_workers}")


class Embedder:
    """A trained backbone on its device.

    Attributes:
        about: the options that the model was trained with; ``image_size`` at least.

    Raises:
        UsageError: if the checkpoint cannot be read or the device is not there.
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
        """Embeddings ``(len(pictures), d)`` float32, see :func:`vision_xmc.face.embed.embed_pictures`."""
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


def check_rates(rates: Sequence[float]) -> None:
    """Raises UsageError unless all of ``--far`` are in ``[0, 1]``."""
    for rate in rates:
        require(0 <= rate <= 1, f"--far must be in [0, 1], got {rate}")


def check_plotting(path: Path | None) -> None:
    """Raises UsageError if a plot is asked for that cannot be drawn; asked before the long work."""
    if path is None:
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("--roc needs matplotlib, which is not installed (pip install matplotlib)") from None
    require(path.parent.is_dir(), f"--roc {path}: there is no folder {path.parent}")


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
