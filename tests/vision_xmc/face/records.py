"""Writes insightface's RecordIO independently of its reader, after dmlc-core's ``recordio.h``."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

MAGIC = struct.pack("<I", 0xCED7230A)


def framed(data: bytes) -> bytes:
    """One record. Data with the magic number at a multiple of 4 are cut there, without the number itself."""
    cuts = [place for place in range(0, len(data) - 3, 4) if data[place : place + 4] == MAGIC]
    starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(data)]
    parts = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    written = b""
    for number, part in enumerate(parts):
        flag = 0 if len(parts) == 1 else 1 if number == 0 else 3 if number == len(parts) - 1 else 2
        written += MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
    return written


def header(label: float | Sequence[float], key: int) -> bytes:
    """MXNet's ``IRHeader``: a single label is part of it, several labels follow it."""
    if isinstance(label, (int, float)):
        return struct.pack("<IfQQ", 0, label, key, 0)
    return struct.pack("<IfQQ", len(label), 0.0, key, 0) + struct.pack(f"<{len(label)}f", *label)


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.fromarray(image).save(target, kind)
    return target.getvalue()


def write_records(folder: Path, contents: Sequence[tuple[int, bytes]]) -> Path:
    """Writes ``train.rec`` and ``train.idx`` with these keys and data."""
    folder.mkdir(parents=True, exist_ok=True)
    offset, lines = 0, []
    with (folder / "train.rec").open("wb") as file:
        for key, data in contents:
            lines.append(f"{key}\t{offset}\n")
            offset += file.write(framed(data))
    (folder / "train.idx").write_text("".join(lines))
    return folder


def face_records(
    images: Sequence[np.ndarray], labels: Sequence[int], kind: str = "PNG"
) -> list[tuple[int, bytes]]:
    """Keys and data as in insightface's files: record 0, the images, the identities.

    Every second image has two labels, of which the first one counts.
    """
    people = sorted(set(labels))
    end = len(images) + 1
    records = [(0, header([end, end + len(people)], 0))]
    for key, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
        records.append((key, header(label if key % 2 else [label, 7.0], key) + encoded(image, kind)))
    for number, label in enumerate(people):
        keys = [key + 1 for key, other in enumerate(labels) if other == label]
        records.append((end + number, header([min(keys), max(keys) + 1], end + number)))
    return records
