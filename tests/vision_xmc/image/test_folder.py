"""Image folders in ImageNet's layout, with awkward files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.vision_xmc.commands import run
from tests.vision_xmc.engine.toy_task import records
from tests.vision_xmc.image.odd_images import add_odd_images, picture, write_folder, write_truncated
from vision_xmc.common.errors import UsageError
from vision_xmc.data.folder import FolderImages
from vision_xmc.data.pictures import read_rgb

SMALL = [
    "--dataset",
    "folder",
    "--arch",
    "resnet8",
    "--image-size",
    24,
    "--batch-size",
    8,
    "--epochs",
    1,
    "--lr",
    0.01,
]


def test_odd_images_are_read_as_rgb(tmp_path: Path) -> None:
    add_odd_images(tmp_path)
    found = {
        path.name: read_rgb(path)
        for path in tmp_path.iterdir()
        if path.suffix != ".txt" and path.name[0] != "."
    }
    assert len(found) == 9
    for name, image in found.items():
        assert image.dtype == np.uint8, name
        assert image.shape[-1] == 3, name
    assert (
        found["grey16.png"][0, 0].tolist() == [round(40000 / 257)] * 3
        or abs(int(found["grey16.png"][0, 0, 0]) - 155) <= 1
    )
    # An image with EXIF orientation 6 is stored on its side: 40 × 30 becomes 30 × 40.
    assert found["turned.jpg"].shape == (40, 30, 3)
    assert np.abs(found["cmyk.jpeg"].astype(int) - np.asarray(picture(3)).astype(int)).mean() < 12


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", classes=2)
    first = tmp_path / "data" / "train" / "n00"
    picture(1).save(tmp_path / "elsewhere.png")
    (first / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (first / "below").symlink_to(first)
    assert len(FolderImages(tmp_path / "data" / "train")) == 4 + 4 + 1


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_rgb(tmp_path / "clear.png") == 255).all()


def test_classes_are_sorted_and_shared_with_validation(tmp_path: Path) -> None:
    write_folder(tmp_path, classes=3)
    shutil.rmtree(tmp_path / "val" / "n01")
    train = FolderImages(tmp_path / "train")
    val = FolderImages(tmp_path / "val", train.class_names)
    assert train.class_names == ["n00", "n01", "n02"]
    assert train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert val.labels.tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    "head", [["--head", "product", "--radices", 2, 3], ["--head", "sampling", "--radices", 3, 2]]
)
def test_a_folder_with_odd_images_trains(
    head: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small ImageNet of six classes, which two loading processes decode."""
    folder = write_folder(tmp_path / "data")
    add_odd_images(folder / "train" / "n01")
    add_odd_images(folder / "val" / "n02")
    arguments = [*SMALL, "--data-path", folder, *head, "--validation", 0.2]
    assert run(*arguments, "--num-workers", 2, "--output", tmp_path / "two") == 0
    assert "training 26, validation 7, test 21" in capsys.readouterr().out
    # Augmentation is a function of the image and the epoch, not of the process that loads it.
    assert run(*arguments, "--num-workers", 0, "--output", tmp_path / "none") == 0
    assert (tmp_path / "two" / "metrics.jsonl").read_bytes() == (
        tmp_path / "none" / "metrics.jsonl"
    ).read_bytes()


def test_broken_images_are_named_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "data")
    write_truncated(folder / "train" / "n01" / "cut.jpg")
    (folder / "val" / "n03" / "fake.png").write_bytes(b"no image")
    arguments = [*SMALL, "--data-path", folder, "--output", tmp_path / "run"]
    for workers in (0, 2):
        assert run(*arguments, "--num-workers", workers) == 1
        error = capsys.readouterr().err
        assert "train/n01/cut.jpg cannot be read as an image" in error
        assert "--skip-broken-images" in error
        assert "Traceback" not in error
    assert run(*arguments, "--skip-broken-images", "--num-workers", 2) == 0
    printed = capsys.readouterr().out
    assert printed.count("left out: ") == 2
    assert "--skip-broken-images" not in printed
    assert "fake.png is not an image" in printed
    assert records(tmp_path / "run", "final")[0]["split"] == "valid"


def test_a_test_folder_makes_val_the_validation_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "data")
    shutil.copytree(folder / "val" / "n00", folder / "test" / "n00")
    assert run(*SMALL, "--data-path", folder, "--output", tmp_path / "run") == 0
    assert "training 24, validation 12, test 2" in capsys.readouterr().out


def _no_val(folder: Path) -> None:
    shutil.rmtree(folder / "val")


def _empty_class(folder: Path) -> None:
    (folder / "train" / "n99").mkdir()


def _unknown_class(folder: Path) -> None:
    shutil.copytree(folder / "val" / "n00", folder / "val" / "m00")


def _no_classes(folder: Path) -> None:
    for place in (folder / "train").iterdir():
        shutil.rmtree(place)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_no_val, "val: no such folder; --data-path must hold train/CLASS/"),
        (_empty_class, "train/n99 has no images"),
        (_unknown_class, "val/m00: there is no class 'm00' in the training folder"),
        (_no_classes, "train has no sub-folders"),
    ],
)
def test_folders_that_are_refused(
    spoil: Any, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "data", classes=2, images=1)
    spoil(folder)
    assert run(*SMALL, "--data-path", folder, "--output", tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_image_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.png: no such image"):
        read_rgb(tmp_path / "none.png")
