"""The built-in images of several digits."""

from __future__ import annotations

import numpy as np
import pytest

from vision_xmc.image.data.digits import DigitImages, _sources


def sources_of(images: DigitImages) -> set[int]:
    """The numbers of scikit-learn's images that occur in these."""
    pictures, _ = _sources()
    known = {picture.tobytes(): number for number, picture in enumerate(pictures)}
    found = set()
    for index in range(len(images)):
        image = images.image(index)
        parts = [np.ascontiguousarray(image[:, start : start + 8]) for start in range(0, image.shape[1], 8)]
        found |= {known[part.tobytes()] for part in parts}
    return found


def test_labels_name_the_digits_that_are_shown() -> None:
    pictures, values = _sources()
    images = DigitImages("train", 3, 500)
    for index in range(0, 500, 7):
        image = images.image(index)
        assert image.shape == (8, 24, 1)
        shown = ""
        for start in range(0, 24, 8):
            same = (pictures == image[:, start : start + 8]).all(axis=(1, 2, 3))
            shown += str(values[same][0])
        assert images.class_names[images.labels[index]] == shown


def test_splits_share_no_source_image() -> None:
    train, valid, test = (sources_of(DigitImages(split, 2, 3000)) for split in ("train", "valid", "test"))
    assert not train & valid
    assert not train & test
    assert not valid & test
    assert len(train | valid | test) > 1700


def test_labels_are_permuted_and_even() -> None:
    images = DigitImages("test", 2, 300)
    assert sorted(np.bincount(images.labels, minlength=100)) == [3] * 100
    assert sorted(images.class_names) == [f"{number:02d}" for number in range(100)]
    assert list(images.class_names) != sorted(images.class_names)
    other = DigitImages("test", 2, 300, seed=1)
    assert list(other.class_names) != list(images.class_names)
    assert list(DigitImages("train", 2, 5).class_names) == list(images.class_names)


def test_images_are_the_same_each_time() -> None:
    first, second = DigitImages("train", 4, 20000), DigitImages("train", 4, 20000)
    assert len(first.class_names) == 10_000
    for index in (0, 77, 19999):
        assert np.array_equal(first.image(index), second.image(index))


def test_fewer_images_than_classes_come_from_all_classes() -> None:
    images = DigitImages("valid", 4, 1000)
    leading = {images.class_names[label][0] for label in images.labels}
    assert leading == set("0123456789")


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_split_has_every_digit(split: str) -> None:
    images = DigitImages(split, 1, 10)
    assert {images.class_names[label] for label in images.labels} == set("0123456789")
    assert images.image(9).shape == (8, 8, 1)
