"""A small backbone for tests and demonstrations on a CPU."""

from __future__ import annotations

from torch import Tensor, nn


class TinyFace(nn.Module):
    """Four convolutions with stride 2 and a linear layer, from ``(N, 3, size, size)`` to ``(N, d)``.

    A last batch norm removes what the embeddings of all images have in common, as in the networks for real
    faces. Without it their directions soon collapse into one. The other norms are group norms.

    Args:
        embedding: ``d``.
        image_size: height and width of the images, at least 16.
        width: channels of the first convolution.
        batch_norm: whether to have the last batch norm. Without it, the embedding of an image does not depend
            on the other images in the batch.

    Raises:
        ValueError: for smaller images.
    """

    def __init__(self, embedding: int, image_size: int, width: int = 16, batch_norm: bool = True) -> None:
        super().__init__()
        if image_size < 16:
            raise ValueError(f"images must be at least 16 pixels wide, got {image_size}")
        layers: list[nn.Module] = []
        channels, side = 3, image_size
        for wider in (width, 2 * width, 4 * width, 4 * width):
            layers += [
                nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(4, wider),
                nn.ReLU(),
            ]
            channels, side = wider, -(-side // 2)
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(channels * side * side, embedding)
        self.features = nn.BatchNorm1d(embedding) if batch_norm else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.features(self.out(self.layers(images).flatten(1)))
