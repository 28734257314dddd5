"""A small backbone for tests and demonstrations on a CPU."""

from __future__ import annotations

from torch import Tensor, nn


class TinyFace(nn.Module):
    """Four convolutions that halve the sides, a linear layer: ``(N, 3, size, size)`` to ``(N, d)``.

    A last batch norm takes out what the embeddings of all images have in common, as in the networks for real
    faces; without it their directions soon collapse into one. Elsewhere group norms do.

    Args:
        embedding: size of the embeddings.
        image_size: of the square images, at least 16.
        width: channels of the first convolution.
        batch_norm: whether there is the last batch norm; without it, the embedding of an image does not
            depend on what else is in the batch of its process.

    Raises:
        ValueError: for smaller images.
    """

    def __init__(self, embedding: int, image_size: int, width: int = 16, batch_norm: bool = True) -> None:
        super().__init__()
        if image_size < 16:
            raise ValueError(f"images must have at least 16 pixels a side, got {image_size}")
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
