"""Images that are decoded once and then kept in memory."""

from __future__ import annotations

import numpy as np
import torch

from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.pictures import ImageSet


class KeptImages(ImageSet):
    """The RGB images of another set, scaled to ``size × size`` and decoded on their first use only.

    Data-loading workers that are forked later share the memory, ``3 · size²`` bytes per image.

    Args:
        images: the other set.
        size: height and width in pixels.
    """

    def __init__(self, images: ImageSet, size: int) -> None:
        self._images, self._scale = images, ResizeTo(size, size)
        self.labels, self.class_names = images.labels, images.class_names
        self._pixels = torch.zeros(len(images), size, size, 3, dtype=torch.uint8).share_memory_()
        self._known = torch.zeros(len(images), dtype=torch.bool).share_memory_()

    def image(self, index: int) -> np.ndarray:
        if not self._known[index]:
            # Two workers may do this at the same time, with the same result.
            self._pixels[index] = torch.from_numpy(self._scale(self._images.image(index)).copy())
            self._known[index] = True
        return self._pixels[index].numpy()
