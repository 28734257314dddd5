"""Files of pairs: LFW's view 2, plain lists and insightface's ``.bin``; and the refusal of wrong ones."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.vision_xmc.face.pictures_made import encoded, face, view_2, write_people
from vision_xmc.common.errors import UsageError
from vision_xmc.face.data.pairs import FoldedPairs, in_parts, read_bin, read_pairs

LFW = Path(__file__).parents[4] / "shared" / "data" / "lfw"


def by_name(pairs: FoldedPairs) -> list[tuple[str, str, bool, int]]:
    paths = pairs.pictures.paths  # type: ignore[attr-defined]
    rows = zip(*(part.tolist() for part in (pairs.first, pairs.second, pairs.same, pairs.folds)), strict=True)
    return [(paths[one].name, paths[two].name, same, fold) for one, two, same, fold in rows]


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_view_2(tmp_path: Path, extension: str) -> None:
    images = write_people(tmp_path / "images", extension=extension)
    (tmp_path / "pairs.txt").write_text(view_2())
    pairs = read_pairs(tmp_path / "pairs.txt", images)
    assert len(pairs) == 16
    assert by_name(pairs)[4:8] == [
        (f"Person_2_0001{extension}", f"Person_2_0002{extension}", True, 2),
        (f"Person_3_0003{extension}", f"Person_3_0001{extension}", True, 2),
        (f"Person_2_0001{extension}", f"Person_3_0001{extension}", False, 2),
        (f"Person_2_0002{extension}", f"Person_3_0003{extension}", False, 2),
    ]
    # Each picture is there once, although it is in two pairs.
    assert len(pairs.pictures) == 16
    assert pairs.pictures[0].shape == (32, 32, 3)


def test_plain_list(tmp_path: Path) -> None:
    images = write_people(tmp_path, people=2)
    path = tmp_path / "list.txt"
    a, b, c = "Person_0/Person_0_0001.jpg", "Person_0/Person_0_0002.jpg", "Person_1/Person_1_0001.jpg"
    path.write_text(f"{a} {b} 1\n\n{a}\t{c}\t0\n")
    pairs = read_pairs(path, images)
    assert by_name(pairs) == [(Path(a).name, Path(b).name, True, 1), (Path(a).name, Path(c).name, False, 2)]
    assert len(pairs.pictures) == 3


def test_parts() -> None:
    assert in_parts(23).bincount().tolist() == [0, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert in_parts(4).tolist() == [1, 2, 3, 4]


def made_bin(kind: str) -> Any:
    pictures: list[Any] = [
        encoded(face(person, picture)) for person, picture in ((0, 0), (0, 1), (0, 0), (1, 0))
    ]
    if kind == "arrays":
        # The shape of arrays from OpenCV's encoder.
        pictures = [np.frombuffer(picture, dtype=np.uint8).reshape(-1, 1) for picture in pictures]
        return pictures, np.array([True, False])
    return pictures, [True, np.bool_(False)]


@pytest.mark.parametrize("kind", ["bytes", "arrays"])
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_bin(tmp_path: Path, kind: str, protocol: int) -> None:
    path = tmp_path / "made.bin"
    path.write_bytes(pickle.dumps(made_bin(kind), protocol))
    pairs = read_bin(path)
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0, 0], [1, 2])
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds.tolist() == [1, 2]
    assert len(pairs.pictures) == 3
    assert np.abs(pairs.pictures[2].astype(int) - face(1, 0)).mean() < 20


def test_bin_of_python_2(tmp_path: Path) -> None:
    """Python 2 wrote protocol 2, where byte strings have a special opcode."""
    pictures = [encoded(face(0, 0)), encoded(face(0, 1))]
    strings = b"".join(b"T" + len(picture).to_bytes(4, "little") + picture for picture in pictures)
    path = tmp_path / "old.bin"
    path.write_bytes(b"\x80\x02](" + strings + b"e]\x88a\x86.")
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(path.read_bytes())
    pairs = read_bin(path)
    assert len(pairs.pictures) == 2
    assert pairs.same.tolist() == [True]
    assert pairs.pictures[1].shape == (32, 32, 3)


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("hostile",)


BINS: dict[str, tuple[Any, str]] = {
    "hostile": (
        Hostile(),
        "is not insightface's .bin file, a pickle of encoded pictures and a list (it",
    ),
    "no pair": (([], []), "holds 0 pictures for 0 pairs"),
    "odd": (([b"a", b"b", b"c"], [True]), "holds 3 pictures for 1 pairs, but must hold two per pair"),
    "one part": ([[b"a"]], "must hold a list of pictures and a list of whether pairs are same"),
    "text": ((["a", "b"], [True]), "picture 0: expected bytes or a uint8 array, got str"),
}


@pytest.mark.parametrize("name", BINS)
def test_bad_bins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    content, sentence = BINS[name]
    path = tmp_path / "bad.bin"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UsageError) as caught:
        read_bin(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "hostile").exists()


def test_a_cut_bin_and_a_broken_picture(tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(pickle.dumps(made_bin("bytes"))[:-500])
    with pytest.raises(UsageError, match=r"cut\.bin is not insightface's \.bin file"):
        read_bin(path)
    path.write_bytes(pickle.dumps(([encoded(face(0, 0)), b"no picture"], [True])))
    with pytest.raises(UsageError, match=r"cut\.bin, picture 1 is not an image"):
        read_bin(path).pictures[1]


FILES = {
    "": "holds no pairs",
    "2\t1\nPerson_0\t1\t2\n": "announces 2 folds with 2 × 1 pairs, 4 in all, but holds 1",
    "300\n": "line 1: expected two numbers, of folds and of pairs of each kind per fold",
    "1\t1\nPerson_0\t1\t2\nPerson_0\t1\n": "line 3: expected NAME NUMBER NUMBER or NAME NUMBER NAME NUMBER",
    "1\t1\nPerson_0\t1\tx\nPerson_0\t1\tPerson_1\t1\n": "line 2: 'x' is not the number of a picture",
    "1\t1\nPerson_0\t1\t2\nPerson_0\t1\tPerson_1\t9\n": "line 3: there is no {images}/Person_1/Person_1_0009",
    "a.jpg b.jpg\n": "line 1: expected two paths and 0 or 1",
    "a.jpg b.jpg 2\n": "line 1: expected two paths and 0 or 1",
    "\nPerson_0/Person_0_0001.jpg none.jpg 1\n": "line 2: there is no {images}/none.jpg; check --images",
}


@pytest.mark.parametrize("content", FILES)
def test_bad_files(tmp_path: Path, content: str) -> None:
    images = write_people(tmp_path / "images", people=2, pictures=2)
    path = tmp_path / "pairs.txt"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        read_pairs(path, images)
    assert FILES[content].format(images=images) in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none: no such file of pairs"):
        read_pairs(tmp_path / "none", tmp_path)
    with pytest.raises(UsageError, match=r"none\.bin: no such file of pairs"):
        read_bin(tmp_path / "none.bin")
    (tmp_path / "pairs.bin").write_bytes(b"\x80\x02\xff")
    with pytest.raises(
        UsageError, match=r"is not a text file of pairs; name insightface's \.bin files with --bin"
    ):
        read_pairs(tmp_path / "pairs.bin", tmp_path)
    (tmp_path / "pairs.txt").write_text("1\t1\n")
    with pytest.raises(UsageError, match="none: no such folder of pictures; name the folder with --images"):
        read_pairs(tmp_path / "pairs.txt", tmp_path / "none")


@pytest.mark.skipif(not LFW.is_dir(), reason="LFW is not there")
def test_the_view_2_file_of_lfw(tmp_path: Path) -> None:
    lines = (LFW / "pairs.txt").read_text().splitlines()
    wanted = set()
    for fields in (line.split() for line in lines[1:]):
        wanted |= {
            (fields[0], int(fields[1])),
            (fields[-2] if len(fields) == 4 else fields[0], int(fields[-1])),
        }
    # Only the names matter here, so the picture files are empty.
    for name, number in wanted:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{name}_{number:04d}.jpg").touch()
    pairs = read_pairs(LFW / "pairs.txt", tmp_path)
    assert len(pairs) == 6000
    assert len(pairs.pictures) == len(wanted)
    for fold in range(1, 11):
        inside = pairs.folds == fold
        assert int(inside.sum()) == 600
        assert int(pairs.same[inside].sum()) == 300
