"""Image files of many kinds, and a small folder in ImageNet's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    """An image in that mode: a gradient with noise."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 60, (size[1], size[0], 3)) + np.linspace(0, 190, size[0])[None, :, None]
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


def write_folder(folder: Path, classes: int = 6, images: int = 4) -> Path:
    """``train`` and ``val`` with ordinary colour images."""
    for split, count in (("train", images), ("val", 2)):
        for label in range(classes):
            place = folder / split / f"n{label:02d}"
            place.mkdir(parents=True)
            for number in range(count):
                picture(100 * label + number).save(place / f"{number}.JPEG")
    return folder


def add_odd_images(place: Path) -> None:
    """Grey, palette, transparent, CMYK, 16-bit, rotated and very long images, and other files."""
    picture(1, "L").save(place / "grey.jpg")
    picture(2, "RGBA").save(place / "alpha.png")
    picture(3, "CMYK").save(place / "cmyk.jpeg")
    picture(4, "P").save(place / "palette.gif")
    picture(5, "1").save(place / "bits.png")
    Image.fromarray(np.full((20, 20), 40000, dtype=np.uint16)).save(place / "grey16.png")
    picture(6, size=(400, 9)).save(place / "long.png")
    picture(7, size=(1, 1)).save(place / "dot.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(8).save(place / "turned.jpg", exif=exif)
    (place / "notes.txt").write_text("not an image")
    (place / ".hidden.jpg").write_text("not an image either")


def write_truncated(path: Path) -> None:
    """A JPEG without its second half."""
    picture(9, size=(200, 150)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
