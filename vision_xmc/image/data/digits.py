"""Many real-image classes without a download: scikit-learn's handwritten digits, several per image.

Two digits give 100 classes, four give 10,000. Each image is composed when it is needed, as a function of its
index, so that 10,000 classes need no memory. Training, validation and test images are made of
different source images. Label ids are permuted, so that a label does not show its digits.
"""

from __future__ import annotations

import argparse
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from vision_xmc.common.errors import require, run_command
from vision_xmc.data.pictures import ImageSet

SIDE = 8
#: Shares of the 1,797 source images.
_SPLITS = {"train": (0.0, 0.65), "valid": (0.65, 0.8), "test": (0.8, 1.0)}


class DigitImages(ImageSet):
    """``size`` images of ``digits`` handwritten digits each: ``(8, 8 · digits, 1)`` uint8.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.
        digits: digits per image, 1 to 6.
        size: number of images; the counts of two classes differ by one at most.
        seed: of the split, the label ids and the combinations.
    """

    def __init__(self, split: str, digits: int, size: int, seed: int = 0) -> None:
        pictures, values = _sources()
        mixed = np.random.default_rng((seed, 0)).permutation(len(values))
        low, high = (round(share * len(values)) for share in _SPLITS[split])
        sources = mixed[low:high]
        self._pictures = pictures
        #: Per digit, the source images of this split.
        self._by_digit = [sources[values[sources] == digit] for digit in range(10)]
        self._digits, self._seed = digits, (seed, 2 + list(_SPLITS).index(split))
        classes = 10**digits
        label_of = np.random.default_rng((seed, 1)).permutation(classes)
        mixed_numbers = np.random.default_rng(self._seed).permutation(classes)
        self._numbers = mixed_numbers[np.arange(size) % classes]
        self.labels = label_of[self._numbers]
        names = np.empty(classes, dtype=object)
        names[label_of] = [f"{number:0{digits}d}" for number in range(classes)]
        self.class_names = list(names)

    def image(self, index: int) -> np.ndarray:
        """Image ``index``, always the same one."""
        rng = np.random.default_rng((*self._seed, index))
        number = f"{self._numbers[index]:0{self._digits}d}"
        chosen = [rng.choice(self._by_digit[int(digit)]) for digit in number]
        return np.concatenate([self._pictures[source] for source in chosen], axis=1)


@lru_cache(maxsize=1)
def _sources() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 images ``(8, 8, 1)`` uint8, and the digits they show."""
    from sklearn.datasets import load_digits

    pictures, values = load_digits(return_X_y=True)
    grey = np.rint(pictures * (255 / 16)).astype(np.uint8)
    return grey.reshape(-1, SIDE, SIDE, 1), values


def write_example(number: str, path: Path) -> None:
    """Writes a test image of those digits, for ``--predict``.

    Raises:
        UsageError: if ``number`` is not made of 1 to 5 digits.
    """
    require(number.isdecimal() and len(number) <= 5, f"{number!r} is not a number of 1 to 5 digits")
    images = DigitImages("test", len(number), 10 ** len(number))
    index = int(np.flatnonzero(images.labels == images.class_names.index(number))[0])
    Image.fromarray(images.image(index)[..., 0]).save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m vision_xmc.image.data.digits", description="Writes a test image."
    )
    parser.add_argument("number", help="the digits that it shows, such as 37")
    parser.add_argument("path", type=Path, help="the image file")
    chosen = parser.parse_args()
    sys.exit(run_command(parser.prog, lambda: write_example(chosen.number, chosen.path)))
