"""CIFAR pickles in the official format, and files that only look like them."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.vision_xmc.commands import run
from tests.vision_xmc.engine.toy_task import records
from vision_xmc.common.errors import UsageError
from vision_xmc.image.data.cifar import load_cifar


def pixels(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def write(path: Path, content: dict[bytes, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Python 2 wrote protocol 2, with bytes for keys.
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_cifar100(folder: Path, labels: list[int] | None = None) -> Path:
    """24 training and 8 test images."""
    for name, count in (("train", 24), ("test", 8)):
        chosen = labels or [7 * n % 100 for n in range(count)]
        content = {
            b"data": pixels(count, 1),
            b"fine_labels": chosen,
            b"coarse_labels": [0] * count,
            b"filenames": [],
        }
        write(folder / "cifar-100-python" / name, content)
        labels = None
    write(
        folder / "cifar-100-python" / "meta",
        {b"fine_label_names": [f"class{n}".encode() for n in range(100)]},
    )
    return folder


def write_cifar10(folder: Path) -> Path:
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        content = {
            b"data": pixels(4, number),
            b"labels": [number, 1, 2, 3],
            b"batch_label": b"batch",
            b"filenames": [],
        }
        write(folder / "cifar-10-batches-py" / name, content)
    write(
        folder / "cifar-10-batches-py" / "batches.meta",
        {b"label_names": [f"c{n}".encode() for n in range(10)]},
    )
    return folder


def test_the_images_are_read_as_written(tmp_path: Path) -> None:
    train, test = load_cifar("cifar100", write_cifar100(tmp_path))
    assert (len(train), len(test)) == (24, 8)
    assert train.class_names[3] == "class3"
    assert train.labels.tolist() == [7 * n % 100 for n in range(24)]
    raw = pixels(24, 1)[5]
    image = train.image(5)
    # The official order: all red values row by row, then all green ones, then all blue ones.
    assert image.shape == (32, 32, 3)
    assert [image[4, 9, channel] for channel in range(3)] == [raw[1024 * c + 32 * 4 + 9] for c in range(3)]


def test_the_five_batches_come_in_order(tmp_path: Path) -> None:
    train, test = load_cifar("cifar10", write_cifar10(tmp_path) / "cifar-10-batches-py")
    assert train.labels.reshape(5, 4)[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert test.labels[0] == 5


def test_the_archive_is_read_without_unpacking(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    archive = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "cifar-100-python", "cifar-100-python")
    train, _ = load_cifar("cifar100", archive)
    assert np.array_equal(train.image(0), load_cifar("cifar100", tmp_path)[0].image(0))


class Bomb:
    def __reduce__(self) -> Any:
        return os.system, ("touch exploded",)


#: What stands in the place of ``train``, and what the sentence says.
IMAGES = pixels(3, 0)
BAD = {
    "malicious": (lambda: pickle.dumps({b"data": Bomb()}), r"asks for (posix|nt)\.system"),
    "eval": (lambda: b"cbuiltins\neval\n(S'1'\ntR.", "asks for builtins.eval"),
    "empty": (lambda: b"", "not an official CIFAR pickle"),
    "text": (lambda: b"hello", "not an official CIFAR pickle"),
    "list": (lambda: pickle.dumps([1]), "holds no table"),
    "no labels": (lambda: pickle.dumps({b"data": IMAGES}), "has no 'fine_labels'; is --dataset right"),
    "other size": (lambda: pickle.dumps({b"data": IMAGES[:, :10], b"fine_labels": [1, 2]}), r"\(3, 10\)"),
    "few labels": (lambda: pickle.dumps({b"data": IMAGES, b"fine_labels": [1, 2]}), "one integer label"),
    "label 100": (lambda: pickle.dumps({b"data": IMAGES, b"fine_labels": [1, 100, 3]}),
                  r"image 1: label 100 is outside \[0, 100\)"),
    "label -1": (lambda: pickle.dumps({b"data": IMAGES, b"fine_labels": [1, 2, -1]}), "image 2: label -1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_pickles(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, sentence = BAD[name]
    write_cifar100(tmp_path)
    (tmp_path / "cifar-100-python" / "train").write_bytes(make())
    with pytest.raises(UsageError, match=sentence) as caught:
        load_cifar("cifar100", tmp_path)
    assert "cifar-100-python/train" in str(caught.value)
    assert not (tmp_path / "exploded").exists()


def test_object_arrays_smuggle_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_cifar100(tmp_path)
    content = pickle.dumps({b"data": np.array([Bomb()], dtype=object)})
    (tmp_path / "cifar-100-python" / "train").write_bytes(content)
    with pytest.raises(UsageError, match="asks for"):
        load_cifar("cifar100", tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_cut_archives_and_wrong_folders(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"\x1f\x8b\x08 cut")
    with pytest.raises(UsageError, match=r"broken.tar.gz cannot be read as a .tar.gz archive"):
        load_cifar("cifar100", broken)
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w") as tar:
        tar.addfile(tarfile.TarInfo("other"), io.BytesIO())
    with pytest.raises(UsageError, match="holds no meta"):
        load_cifar("cifar100", empty)
    with pytest.raises(UsageError, match=r"holds neither data_batch_1 nor cifar-10-batches-py/data_batch_1"):
        load_cifar("cifar10", write_cifar100(tmp_path))
    (tmp_path / "cifar-100-python" / "test").unlink()
    with pytest.raises(UsageError, match="cifar-100-python/test: no such file"):
        load_cifar("cifar100", tmp_path)


def test_the_commands_of_the_reference_code(tmp_path: Path) -> None:
    """Its options are unchanged, except for the epochs, the network and the batch size."""
    data = write_cifar100(tmp_path / "data")
    status = run("--dataset", "c100", "--data-path", data, "--epochs", 1, "--batch-size", 12, "--lr", 0.1,
                 "--num-classes", 10, 10, "--save-path", tmp_path / "checkpoint_mhp", "--head", "product",
                 "--arch", "resnet8", "--validation", 0.25, "--policy", "randaugment",
                 "--mixup", 0.2)  # fmt: skip
    assert status == 0
    assert [r["update"] for r in records(tmp_path / "checkpoint_mhp", "train")] == [2]
    assert (tmp_path / "checkpoint_mhp" / "best.pt").exists()


def test_training_on_everything_keeps_the_last_weights_only(tmp_path: Path) -> None:
    data = write_cifar10(tmp_path / "data")
    arguments = [
        "--dataset",
        "cifar10",
        "--data-path",
        data,
        "--validation",
        0,
        "--arch",
        "resnet8",
        "--epochs",
        1,
    ]
    assert run(*arguments, "--batch-size", 8, "--radices", 5, 2, "--output", tmp_path / "run") == 0
    assert {p.name for p in (tmp_path / "run").iterdir() if p.suffix == ".pt"} == {"last.pt"}
    assert [r["split"] for r in records(tmp_path / "run", "eval")] == ["test"]
