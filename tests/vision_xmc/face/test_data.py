"""Made-up people, folders of people, people held out and their pairs."""

from __future__ import annotations

import pickle
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vision_xmc.image.odd_images import picture
from vision_xmc.common.errors import UsageError
from vision_xmc.data.augment import ResizeTo
from vision_xmc.data.pictures import ImageSet
from vision_xmc.face.data.held_out import hold_out_people, make_pairs
from vision_xmc.face.data.identities import IdentityImages
from vision_xmc.face.data.kept_images import KeptImages
from vision_xmc.face.data.people import People, PeopleFolder, readable, with_enough, without
from vision_xmc.face.data.views import FaceAugment


class Labels(ImageSet):
    """Black images; ``counts`` is the number of images per person."""

    def __init__(self, counts: list[int]) -> None:
        self.labels = np.repeat(np.arange(len(counts)), counts)
        self.class_names = [f"p{person}" for person in range(len(counts))]

    def image(self, index: int) -> np.ndarray:
        return np.zeros((4, 4, 3), dtype=np.uint8)


def write_people(folder: Path, counts: list[int]) -> Path:
    for person, count in enumerate(counts):
        (folder / f"p{person}").mkdir(parents=True)
        for number in range(count):
            picture(10 * person + number).save(folder / f"p{person}" / f"{number}.jpg")
    return folder


def test_made_up_people_depend_on_seed_person_and_picture_alone() -> None:
    many, few = IdentityImages(5000, 3, 16), IdentityImages(3, 3, 16, first=4000)
    assert len(many) == 15_000
    assert many.class_names[4001] == few.class_names[1] == "person-4001"
    for index in range(9):
        image = few.image(index)
        assert image.shape == (16, 16, 3)
        assert image.dtype == np.uint8
        assert np.array_equal(image, many.image(12_000 + index))
        assert np.array_equal(image, pickle.loads(pickle.dumps(few)).image(index))
    assert not np.array_equal(few.image(0), few.image(1))
    assert not np.array_equal(few.image(0), IdentityImages(3, 3, 16, seed=1, first=4000).image(0))


def test_made_up_people_differ_more_than_their_pictures() -> None:
    """A person's mean picture is nearer to the person's other pictures than to those of other people."""
    images = IdentityImages(6, 30, 16)
    pixels = np.stack([images.image(i) for i in range(len(images))]).reshape(6, 30, -1).astype(float)
    pixels -= pixels.mean((0, 1))
    centres, rest = pixels[:, :15].mean(1), pixels[:, 15:]
    cosines = np.einsum("pnd,qd->pnq", rest, centres) / np.linalg.norm(centres, axis=1)
    assert (cosines.argmax(-1) == np.arange(6)[:, None]).mean() > 0.6


def test_a_folder_of_people(tmp_path: Path) -> None:
    folder = write_people(tmp_path, [2, 0, 3, 1])
    (folder / "p0" / "deeper").mkdir()
    picture(99, "L").save(folder / "p0" / "deeper" / "grey.png")
    (folder / "notes.txt").write_text("no person")
    said: list[str] = []
    images = PeopleFolder(folder, said.append)
    assert images.class_names == ["p0", "p2", "p3"]
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert images.image(2).shape == (30, 40, 3)
    assert len(said) == 1
    assert said[0].startswith(f"left out: 'p1' in {folder} without an image (.jpg")


def test_people_with_a_single_image_are_reported_or_left_out() -> None:
    said: list[str] = []
    images = Labels([2, 1, 3, 1])
    assert with_enough(images, 1, said.append) is images
    assert said == ["2 people have a single image; --min-images 2 leaves them out"]
    enough = with_enough(images, 2, said.append)
    assert enough.class_names == ["p0", "p2"]
    assert enough.labels.tolist() == [0, 0, 1, 1, 1]
    assert said[1:] == ["left out: 2 people have fewer than 2 images (--min-images)"]
    with pytest.raises(UsageError, match="1 people with at least 3 images are too few"):
        with_enough(images, 3, said.append)


def test_unreadable_pictures_are_left_out_with_their_person(tmp_path: Path) -> None:
    folder = write_people(tmp_path, [2, 1, 2])
    (folder / "p1" / "0.jpg").write_bytes(b"no image")
    (folder / "p2" / "1.jpg").write_bytes((folder / "p2" / "1.jpg").read_bytes()[:200])
    said: list[str] = []
    images = readable(PeopleFolder(folder, said.append), 2, said.append)
    assert images.class_names == ["p0", "p2"]
    assert images.labels.tolist() == [0, 0, 1]
    assert images.image(2).shape == (30, 40, 3)
    assert [sentence.startswith("left out: ") for sentence in said] == [True, True]
    assert "p1/0.jpg is not an image" in said[0]
    assert "p2/1.jpg cannot be read as an image" in said[1]


def test_people_to_leave_out() -> None:
    images = without(Labels([2, 1, 3]), {"p1"}, Path("names.txt"))
    assert images.class_names == ["p0", "p2"]
    with pytest.raises(UsageError, match=r"names.txt: there are no images of 'x', 'y'; remove the lines"):
        without(Labels([2, 1]), {"p1", "x", "y"}, Path("names.txt"))


@given(st.lists(st.integers(1, 25), min_size=4, max_size=9), st.integers(2, 200), st.integers(0, 99))
def test_held_out_people_and_their_pairs(counts: list[int], wanted: int, seed: int) -> None:
    """No person is in both parts. Pairs are balanced, distinct, correct, and as many as possible."""
    images = Labels(counts)
    if sum(count >= 2 for count in counts) < 2:
        with pytest.raises(UsageError, match="--validation-identities 2 must be at least 2"):
            hold_out_people(images, 2, seed)
        return
    rest, held_out = hold_out_people(images, 2, seed)
    assert set(rest.class_names) | set(held_out.class_names) == set(images.class_names)
    assert not set(rest.class_names) & set(held_out.class_names)
    assert len(rest) + len(held_out) == len(images)
    pairs = make_pairs(held_out, wanted, seed)
    keys = {frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}
    assert len(keys) == len(pairs.same)
    assert all(len(key) == 2 for key in keys)
    labels = held_out.labels
    assert np.array_equal(labels[pairs.first.numpy()] == labels[pairs.second.numpy()], pairs.same.numpy())
    sizes = [min(20, int(count)) for count in np.bincount(labels)]
    alike, unlike = sum(n * (n - 1) // 2 for n in sizes), sum(a * b for a, b in combinations(sizes, 2))
    assert int(pairs.same.sum()) == int((~pairs.same).sum()) == min(wanted // 2, alike, unlike)
    again = make_pairs(held_out, wanted, seed)
    assert torch.equal(pairs.first, again.first)
    assert torch.equal(pairs.second, again.second)


def test_views_scale_and_mirror() -> None:
    image = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3)
    augment = FaceAugment(2)
    views = [augment(image, np.random.default_rng(seed)) for seed in range(40)]
    mirrored = sum(np.array_equal(view, image[:, ::-1]) for view in views)
    assert 10 < mirrored < 30
    assert sum(np.array_equal(view, image) for view in views) == 40 - mirrored
    assert all(
        np.array_equal(FaceAugment(2, flip=False)(image, np.random.default_rng(s)), image) for s in range(9)
    )
    assert augment(np.zeros((5, 9, 3), dtype=np.uint8), np.random.default_rng(0)).shape == (2, 2, 3)


def test_labels_are_numbered_from_0() -> None:
    some = People(Labels([1, 2, 1, 2]), np.array([1, 5, 4]))
    assert some.class_names == ["p1", "p3"]
    assert some.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("size", [32, 16])
def test_kept_images_are_decoded_once(tmp_path: Path, size: int) -> None:
    images = PeopleFolder(write_people(tmp_path / "people", [2, 3, 1]), say=print)
    expected = [ResizeTo(size, size)(images.image(index)) for index in range(len(images))]
    kept = KeptImages(images, size)
    assert (kept.labels.tolist(), kept.class_names) == (images.labels.tolist(), images.class_names)
    for again in (False, True):
        if again:
            shutil.rmtree(tmp_path / "people")
        for index in (5, 0, 1, 2, 3, 4):
            np.testing.assert_array_equal(kept.image(index), expected[index])
