"""Images in insightface's RecordIO files, ``train.rec`` with ``train.idx``, read without MXNet.

The layout is that of dmlc-core's ``recordio.h`` and MXNet's ``recordio.py``. A record is a magic number, a
word with a continuation flag (upper 3 bits) and a length (lower 29), and the data, padded to 4 bytes. The
data begin with the header ``flag, label, id, id2``. A flag ``n`` above 0 means that ``n`` float32 labels
follow the header, and the first of them is the label. The index has a line ``key<TAB>offset`` per record.

insightface's files hold two kinds of records without an image: record 0 tells where the images end, and the
records after the images tell which images an identity has. They have labels but no data, and are left out for
this reason. What record 0 tells is not used: its float32 numbers are inexact beyond 16 million images.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np

from vision_xmc.common.errors import UsageError
from vision_xmc.data.pictures import ImageSet, decode_rgb

MAGIC = 0xCED7230A
_FRAME = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_LENGTH_BITS = 29
#: Frame and header as they are in the file, and the first label that follows.
_HEAD = np.dtype(
    [
        ("magic", "<u4"),
        ("word", "<u4"),
        ("flag", "<u4"),
        ("label", "<f4"),
        ("ids", "<u8", 2),
        ("first", "<f4"),
    ]
)


class RecordImages(ImageSet):
    """The images of ``train.rec``; the file's labels may be any whole numbers, and are numbered from 0 here.

    Args:
        folder: a folder with ``train.rec`` and ``train.idx``, or one of these files.

    Raises:
        UsageError: if a file is missing, the index does not match the records, or there is no image.
    """

    def __init__(self, folder: Path) -> None:
        rec, idx = _files(folder)
        self.path = rec
        keys, offsets = _read_index(idx)
        self._file = os.open(rec, os.O_RDONLY)
        self._size = os.fstat(self._file).st_size
        self._check_offsets(keys, offsets, idx)
        labels = self._labels(keys, offsets, idx)
        images = labels >= 0
        if not images.any():
            raise UsageError(f"{rec} holds no images; check --data-path")
        people, self.labels = np.unique(labels[images], return_inverse=True)
        self.class_names = [str(label) for label in people.tolist()]
        self._keys, self._offsets = keys[images], offsets[images]

    def image(self, index: int) -> np.ndarray:
        key = int(self._keys[index])
        try:
            data = self._record(int(self._offsets[index]))
            flag = _HEADER.unpack_from(data)[0]
        except struct.error:
            raise UsageError(f"{self.path}: record {key} is cut short; get the file again") from None
        return decode_rgb(io.BytesIO(data[_HEADER.size + 4 * flag :]), f"{self.path}: record {key}")

    def _record(self, offset: int) -> bytes:
        """The data of the record at ``offset``.

        Data that hold the magic number are stored in parts without it; they are joined again here.
        """
        parts: list[bytes] = []
        while True:
            magic, word = _FRAME.unpack(os.pread(self._file, _FRAME.size, offset))
            length, continued = word & (1 << _LENGTH_BITS) - 1, word >> _LENGTH_BITS
            part = os.pread(self._file, length, offset + _FRAME.size)
            if magic != MAGIC or len(part) < length:
                raise struct.error
            parts.append(part)
            # 0 is a whole record, 1 its first part, 2 a middle part, 3 the last part.
            if continued in (0, 3):
                return MAGIC.to_bytes(4, "little").join(parts)
            offset += _FRAME.size + (length + 3) // 4 * 4

    def _check_offsets(self, keys: np.ndarray, offsets: np.ndarray, idx: Path) -> None:
        beyond = np.flatnonzero((offsets < 0) | (offsets + _FRAME.size + _HEADER.size > self._size))
        if len(beyond):
            worst = beyond[0]
            raise UsageError(
                f"{idx} does not match {self.path}: record {keys[worst]} should be at byte "
                f"{offsets[worst]:,} of {self._size:,}; take both files from one download"
            )

    def _labels(self, keys: np.ndarray, offsets: np.ndarray, idx: Path) -> np.ndarray:
        """Labels ``(N,)`` int64 from the headers, -1 for records without an image."""
        records = np.memmap(self.path, dtype=np.uint8, mode="r")
        labels = np.empty(len(keys), dtype=np.int64)
        for start in range(0, len(keys), 1 << 16):
            at = offsets[start : start + (1 << 16)]
            # The last record of the file may be too short to have a label after its header.
            places = np.minimum(at[:, None] + np.arange(_HEAD.itemsize), self._size - 1)
            heads = np.ascontiguousarray(records[places]).view(_HEAD)[:, 0]
            wrong = np.flatnonzero(heads["magic"] != MAGIC)
            if len(wrong):
                raise UsageError(
                    f"{idx} does not match {self.path}: there is no record {keys[start + wrong[0]]} at byte "
                    f"{at[wrong[0]]:,}; take both files from one download"
                )
            values = np.where(heads["flag"] > 0, heads["first"], heads["label"])
            lengths = heads["word"] & (1 << _LENGTH_BITS) - 1
            empty = lengths <= _HEADER.size + 4 * heads["flag"].astype(np.int64)
            values = np.where(empty, -1.0, values)
            odd = np.flatnonzero(
                ~np.isfinite(values) | ((values < 0) & ~empty) | (values != np.floor(values))
            )
            if len(odd):
                raise UsageError(
                    f"{self.path}: record {keys[start + odd[0]]} has the label {values[odd[0]]}, but labels "
                    "must be whole numbers from 0; use another file"
                )
            labels[start : start + len(at)] = values
        return labels


def _files(place: Path) -> tuple[Path, Path]:
    rec = place / "train.rec" if place.is_dir() else place.with_suffix(".rec")
    idx = rec.with_suffix(".idx")
    for path in (rec, idx):
        if not path.is_file():
            raise UsageError(
                f"{path}: no such file; --data-path must be a folder with train.rec and train.idx"
            )
    return rec, idx


def _read_index(idx: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys and offsets, both ``(N,)`` int64."""
    with idx.open(encoding="ascii", errors="replace") as lines:
        pairs: list[tuple[int, int]] = []
        for number, line in enumerate(lines, start=1):
            try:
                key, offset = line.split()
                pairs.append((int(key), int(offset)))
            except ValueError:
                raise UsageError(
                    f"{idx}, line {number}: expected a key and an offset, got {line.strip()[:40]!r}"
                ) from None
    if not pairs:
        raise UsageError(f"{idx} is empty; get the file again")
    table = np.array(pairs, dtype=np.int64)
    return table[:, 0], table[:, 1]
