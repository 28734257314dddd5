"""insightface's RecordIO, written by hand."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.vision_xmc.face.records import MAGIC, encoded, face_records, framed, header, write_records
from vision_xmc.common.errors import UsageError
from vision_xmc.face.data.identities import IdentityImages
from vision_xmc.face.data.people import readable
from vision_xmc.face.data.recordio import RecordImages


def some_images(count: int = 7) -> list[np.ndarray]:
    people = IdentityImages(count, 1, 12)
    return [people.image(index) for index in range(count)]


def test_images_and_labels(tmp_path: Path) -> None:
    """Record 0 and the identities' records hold no image; labels are numbered from 0; grey becomes RGB."""
    images = [*some_images(6), some_images()[6][..., 0]]
    records = RecordImages(write_records(tmp_path, face_records(images, [3, 3, 8, 8, 8, 5, 5])))
    assert len(records) == 7
    assert list(records.class_names) == ["3", "5", "8"]
    assert records.labels.tolist() == [0, 0, 2, 2, 2, 1, 1]
    for index in range(6):
        assert np.array_equal(records.image(index), images[index])
    assert np.array_equal(records.image(6), np.repeat(images[6][..., None], 3, axis=-1))


def test_either_file_may_be_named(tmp_path: Path) -> None:
    folder = write_records(tmp_path, face_records(some_images(3), [0, 0, 1]))
    for name in ("train.rec", "train.idx"):
        assert len(RecordImages(folder / name)) == 3


def test_plain_records_in_any_order(tmp_path: Path) -> None:
    images = some_images(3)
    contents = [(key, header(key % 2, key) + encoded(image)) for key, image in enumerate(images)]
    records = RecordImages(write_records(tmp_path, contents[::-1]))
    assert records.labels.tolist() == [0, 1, 0]
    assert np.array_equal(records.image(0), images[2])


def test_data_that_hold_the_magic_number(tmp_path: Path) -> None:
    """The file stores them in parts. The number is in a comment, where PNG allows any bytes."""
    picture = encoded(some_images(1)[0])
    text = b"tEXt" + b"k\0" + b"x" * 6
    flags = []
    for padding in range(4):
        body = text + b"y" * padding + MAGIC + b"z" * 8 + MAGIC
        chunk = struct.pack(">I", len(body) - 4) + body
        chunk += struct.pack(">I", zlib.crc32(body))
        data = header(1, 0) + picture[:33] + chunk + picture[33:]
        folder = write_records(tmp_path / str(padding), [(0, data), (1, header(2, 1) + picture)])
        records = RecordImages(folder)
        assert np.array_equal(records.image(0), some_images(1)[0])
        assert np.array_equal(records.image(1), some_images(1)[0])
        flags.append(struct.unpack_from("<I", framed(data), 4)[0] >> 29)
    # One of the four paddings puts the number at a multiple of 4: 1 is a first part, 0 a whole record.
    assert sorted(flags) == [0, 0, 0, 1]


def test_reading_from_many_threads(tmp_path: Path) -> None:
    images = some_images(7) * 6
    records = RecordImages(write_records(tmp_path, face_records(images, list(range(7)) * 6)))
    with ThreadPoolExecutor(4) as pool:
        decoded = list(pool.map(records.image, range(len(images))))
    assert all(np.array_equal(one, other) for one, other in zip(decoded, images, strict=True))


def test_broken_pictures_are_named_or_left_out(tmp_path: Path) -> None:
    contents = face_records(some_images(4), [0, 0, 1, 1])
    contents[2] = (2, header(0, 2) + b"no picture")
    records = RecordImages(write_records(tmp_path, contents))
    with pytest.raises(UsageError, match=r"train.rec: record 2 is not an image"):
        records.image(1)
    said: list[str] = []
    left = readable(records, 2, said.append)
    assert left.labels.tolist() == [0, 1, 1]
    assert len(said) == 1


def _no_index(folder: Path) -> None:
    (folder / "train.idx").unlink()


def _shifted(folder: Path) -> None:
    lines = (folder / "train.idx").read_text().splitlines()
    moved = [f"{key}\t{int(offset) + 4}" for key, offset in (line.split() for line in lines)]
    (folder / "train.idx").write_text("\n".join(moved))


def _shorter(folder: Path) -> None:
    data = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(data[: len(data) // 2])


def _words(folder: Path) -> None:
    with (folder / "train.idx").open("a") as file:
        file.write("8 nine\n")


def _empty_index(folder: Path) -> None:
    (folder / "train.idx").write_text("")


def _no_images(folder: Path) -> None:
    write_records(folder, [(0, header([1, 1], 0))])


def _odd_label(folder: Path) -> None:
    write_records(folder, [(0, header(0.5, 0) + encoded(some_images(1)[0]))])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_no_index, r"train.idx: no such file; --data-path must be a folder with train.rec and train.idx"),
        (_shifted, r"train.idx does not match .*train.rec: there is no record 0 at byte 4; take both"),
        (
            _shorter,
            r"train.idx does not match .*train.rec: record \d should be at byte [\d,]+ of [\d,]+; take",
        ),
        (_words, r"train.idx, line 7: expected a key and an offset, got '8 nine'"),
        (_empty_index, r"train.idx is empty"),
        (_no_images, r"train.rec holds no images"),
        (_odd_label, r"record 0 has the label 0.5, but labels must be whole numbers from 0"),
    ],
)
def test_refusals(spoil: Any, sentence: str, tmp_path: Path) -> None:
    folder = write_records(tmp_path, face_records(some_images(3), [0, 0, 1]))
    spoil(folder)
    with pytest.raises(UsageError, match=sentence):
        RecordImages(folder)


def test_a_record_that_is_cut_short(tmp_path: Path) -> None:
    contents = [(key, header(key, key) + encoded(image)) for key, image in enumerate(some_images(3))]
    folder = write_records(tmp_path, contents)
    data = (folder / "train.rec").read_bytes()
    (folder / "train.rec").write_bytes(data[:-40])
    records = RecordImages(folder)
    assert records.image(1).shape == (12, 12, 3)
    with pytest.raises(UsageError, match=r"record 2 is cut short; get the file again"):
        records.image(2)
