"""Exported backbones give the same embeddings as their checkpoint, and take its place in the commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from tests.vision_xmc.face.pictures_made import EMBEDDING, SIZE, run, write_checkpoint, write_people
from vision_xmc.common.errors import UsageError
from vision_xmc.face import onnx as face_onnx
from vision_xmc.face.model import load_backbone
from vision_xmc.face.onnx import OnnxBackbone, export_backbone


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``best.pt``, ``images/`` and ``model.onnx``, which the command made from ``best.pt``."""
    folder = tmp_path_factory.mktemp("onnx")
    write_checkpoint(folder / "best.pt")
    write_people(folder / "images", people=2)
    assert run("export", "--checkpoint", folder / "best.pt", "--output", folder / "model.onnx") == 0
    return folder


def test_equal_embeddings_for_any_batch_size(place: Path) -> None:
    assert sorted(path.name for path in place.iterdir()) == ["best.pt", "images", "model.onnx"]
    backbone, _ = load_backbone(place / "best.pt")
    session = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])
    (inputs,), (outputs,) = session.get_inputs(), session.get_outputs()
    assert (inputs.name, inputs.shape[1:], outputs.name, outputs.shape[1]) == (
        "images",
        [3, SIZE, SIZE],
        "embeddings",
        EMBEDDING,
    )
    assert session.get_modelmeta().custom_metadata_map["pixels"].startswith("RGB, x / 127.5 - 1")
    onnx.checker.check_model(onnx.load(place / "model.onnx"))
    for count in (1, 2, 7):
        images = torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(count))
        exported = session.run(None, {"images": images.numpy()})[0]
        with torch.no_grad():
            expected = backbone(images).numpy()
        assert exported.shape == (count, EMBEDDING)
        longest = float(np.linalg.norm(expected, axis=1).max())
        np.testing.assert_allclose(exported, expected, atol=1e-4 * longest)
        # Different images have different embeddings.
        assert count == 1 or np.abs(exported[0] - exported[1]).max() > 0.1


def test_a_command_takes_it_in_place_of_a_checkpoint(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = sorted((place / "images").glob("*/*.jpg"))[:2]
    similarities = []
    for name in ("best.pt", "model.onnx"):
        assert run("compare", "--checkpoint", place / name, *pictures) == 0
        similarities.append(json.loads(capsys.readouterr().out.splitlines()[0])["similarity"])
    assert similarities[0] == pytest.approx(similarities[1], abs=1e-4)


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_onnx, "_difference", lambda *_: 2e-4)
    output = tmp_path / "model.onnx"
    output.write_bytes(b"an earlier export")
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)).eval()
    with pytest.raises(
        UsageError, match=r"was not written: embeddings of the exported graph differ by 2\.0e-04"
    ):
        export_backbone(network, 16, output)
    assert output.read_bytes() == b"an earlier export"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_difference_is_measured() -> None:
    one = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)).eval()
    two = nn.Sequential(one, nn.Threshold(-1e9, 0)).eval()
    assert face_onnx._difference(one, two, 16) == 0
    one[1].weight.data.mul_(100)  # type: ignore[operator, union-attr]
    three = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)).eval()
    assert 0.1 < face_onnx._difference(one, three, 16) < 2


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_packages(
    place: Path,
    tmp_path: Path,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert run("export", "--checkpoint", place / "best.pt", "--output", tmp_path / "a.onnx") == 1
    error = capsys.readouterr().err
    assert f"export needs {package}, which is not installed (pip install 'mhe-nmt[faces]')" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_refusals(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*arguments: object) -> str:
        assert run(*arguments) == 1
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    best = ["--checkpoint", place / "best.pt"]
    assert "--output is missing" in error("export", *best)
    assert "must end with .onnx" in error("export", *best, "--output", tmp_path / "a.pt")
    assert "there is no folder /none" in error("export", *best, "--output", "/none/a.onnx")
    again = error("export", "--checkpoint", place / "model.onnx", "--output", tmp_path / "a.onnx")
    assert "model.onnx is an ONNX file already" in again
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    picture = next((place / "images").glob("*/*.jpg"))
    bad = error("compare", "--checkpoint", tmp_path / "bad.onnx", picture, picture)
    assert "bad.onnx is not an ONNX graph that onnxruntime can run" in bad
    with pytest.raises(UsageError, match="no ONNX file at"):
        OnnxBackbone(tmp_path / "none.onnx")
