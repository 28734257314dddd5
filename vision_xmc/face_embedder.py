"""What the commands on trained face models share: which model, and how pictures go through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision_xmc.data.face_pictures import Pictures
from vision_xmc.errors import UsageError
from vision_xmc.face_embedding import embed_pictures
from vision_xmc.face_model import load_backbone
from vision_xmc.models.face_onnx import OnnxBackbone
from vision_xmc.options import option, require

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
        """Embeddings ``(len(pictures), d)`` float32, see :func:`vision_xmc.face_embedding.embed_pictures`."""
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
