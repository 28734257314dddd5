"""Made-up people, any number of them, drawn when they are asked for: for tests and a first try without data.

A person is a smooth random pattern in an oval, a few darker and lighter spots and a tint. Pictures of one
person differ by shift and size, a smooth change of the pattern, light from one side, contrast and noise. They
do not look like faces, but the task is of the same kind.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from vision_xmc.data.pictures import ImageSet

#: Random numbers across the pattern, and spots per person.
_GRID, _SPOTS = 7, 5


class IdentityImages(ImageSet):
    """``people · pictures`` images ``(size, size, 3)`` uint8, each a function of seed, person and picture.

    Args:
        people: number of people.
        pictures: pictures per person.
        size: height and width of the images in pixels.
        seed: of everything that is drawn.
        first: number of the first person; sets with different numbers have different people.
    """

    def __init__(self, people: int, pictures: int, size: int, seed: int = 0, first: int = 0) -> None:
        self._pictures, self._size, self._seed, self._first = pictures, size, seed, first
        self.labels = np.repeat(np.arange(people), pictures)
        self.class_names = [f"person-{first + person}" for person in range(people)]

    def image(self, index: int) -> np.ndarray:
        """Picture ``index``, the same at every call."""
        label, picture = divmod(index, self._pictures)
        person = self._first + label
        pattern, spots = self._person(person)
        rng = np.random.default_rng((self._seed, 1, person, picture))
        pattern = pattern + 0.6 * rng.normal(size=pattern.shape)
        values = self._view(pattern, rng) + self._drawn(spots, rng)
        down, across = np.mgrid[-1 : 1 : self._size * 1j, -1 : 1 : self._size * 1j]
        oval = 1 / (1 + np.exp(8 * (np.hypot(down / 0.95, across / 0.75) - 1)))
        light = rng.normal(0, 0.5, size=3)
        shade = light[0] * down + light[1] * across + light[2]
        contrast = rng.uniform(0.7, 1.3)
        values = oval[..., None] * contrast * values + shade[..., None]
        values = values + rng.normal(0, 0.12, size=values.shape)
        return np.clip(128 + 48 * values, 0, 255).astype(np.uint8)

    def _person(self, person: int) -> tuple[np.ndarray, np.ndarray]:
        """The pattern ``(grid, grid, 3)``, and the spots ``(spots, 4)``: y, x, width and brightness."""
        rng = np.random.default_rng((self._seed, 0, person))
        pattern = 0.8 * rng.normal(size=(_GRID, _GRID, 1)) + 0.25 * rng.normal(size=(_GRID, _GRID, 3))
        tint = 0.3 * rng.normal(size=3)
        places = rng.uniform(-0.55, 0.55, size=(_SPOTS, 2))
        widths = rng.uniform(0.08, 0.25, size=(_SPOTS, 1))
        strengths = rng.normal(0, 1.2, size=(_SPOTS, 1))
        return pattern + tint, np.concatenate([places, widths, strengths], axis=1)

    def _view(self, pattern: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The pattern at full size, ``(size, size, 3)``, a little shifted, and a little larger or smaller."""
        margin = 1.0 * rng.random(4)
        box = (margin[0], margin[1], _GRID - margin[2], _GRID - margin[3])
        planes = [
            Image.fromarray(np.ascontiguousarray(pattern[..., channel], dtype=np.float32))
            for channel in range(3)
        ]
        size = (self._size, self._size)
        resized = [plane.resize(size, Image.Resampling.BICUBIC, box=box) for plane in planes]
        return np.stack([np.asarray(plane, dtype=np.float64) for plane in resized], axis=-1)

    def _drawn(self, spots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The spots, each moved a little, ``(size, size, 1)``."""
        line = np.linspace(-1, 1, self._size)
        places = spots[:, :2] + rng.normal(0, 0.04, size=(len(spots), 2))
        down = np.exp(-(((line - places[:, :1]) / spots[:, 2:3]) ** 2))
        across = np.exp(-(((line - places[:, 1:]) / spots[:, 2:3]) ** 2))
        return np.einsum("s,sd,sa->da", spots[:, 3], down, across)[..., None]
