"""The template protocol against plain loops over templates, media and pairs; and the files of IJB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

import vision_xmc.face.data.ijb
from tests.vision_xmc.face.pictures_made import SIZE, face, run, write_checkpoint
from vision_xmc.face.data.alignment import ARCFACE_POINTS
from vision_xmc.face.data.ijb import TemplatePictures, read_template_pairs, read_templates
from vision_xmc.face.embed import embed_pictures
from vision_xmc.face.metrics.templates import template_features, template_scores
from vision_xmc.face.model import load_backbone


def by_loops(embeddings: Any, templates: list[int], media: list[int], weights: Any) -> dict[int, np.ndarray]:
    """Features of length 1 by template: the sum of the media's means, in loops over pictures in float64."""
    features = {}
    for template in set(templates):
        total = np.zeros(embeddings.shape[1])
        rows = [row for row in range(len(templates)) if templates[row] == template]
        for medium in {media[row] for row in rows}:
            inside = [embeddings[row] * weights[row] for row in rows if media[row] == medium]
            total += np.mean(inside, axis=0)
        features[template] = total / np.linalg.norm(total)
    return features


@given(
    st.lists(st.tuples(st.integers(-2, 5), st.integers(0, 4)), min_size=1, max_size=30), st.integers(0, 99)
)
def test_features(members: list[tuple[int, int]], seed: int) -> None:
    templates, media = [list(column) for column in zip(*members, strict=True)]
    rng = np.random.default_rng(seed)
    embeddings, weights = rng.normal(size=(len(members), 6)), rng.uniform(0.1, 1, len(members))
    expected = by_loops(embeddings, templates, media, weights)
    ids, features = template_features(
        *(torch.tensor(part) for part in (embeddings, templates, media, weights))
    )
    assert ids.tolist() == sorted(expected)
    for identity, feature in zip(ids.tolist(), features, strict=True):
        np.testing.assert_allclose(feature.numpy(), expected[identity], atol=1e-9)


def test_scores_do_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.tensor([3, 5, 8, 100])
    features = torch.nn.functional.normalize(torch.randn(4, 6, generator=generator))
    first, second = (ids[torch.randint(4, (50,), generator=generator)] for _ in range(2))
    same = torch.rand(50, generator=generator) < 0.5
    places = {int(identity): place for place, identity in enumerate(ids)}
    expected = [
        float(features[places[int(one)]] @ features[places[int(two)]])
        for one, two in zip(first, second, strict=True)
    ]

    def parts(size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for start in range(0, 50, size):
            yield tuple(part[start : start + size] for part in (first, second, same))  # type: ignore[misc]

    monkeypatch.setattr("vision_xmc.face.metrics.templates.PAIRS_AT_A_TIME", 7)
    for size in (1, 20, 50):
        scores, kinds = template_scores(ids, features, parts(size))
        assert scores.tolist() == pytest.approx(expected, abs=1e-6)
        assert torch.equal(kinds, same)
    with pytest.raises(KeyError, match="7"):
        template_scores(ids, features, [(torch.tensor([3]), torch.tensor([7]), torch.tensor([True]))])


POINTS = (ARCFACE_POINTS + 0.5) * SIZE / 112 - 0.5 + [3, 5]


def write_ijb(folder: Path, aligned: bool = False) -> Path:
    """Writes six people with two templates each; some templates have a video of three frames."""
    (folder / "meta").mkdir(parents=True)
    (folder / "loose_crop").mkdir()
    members, faces, number = [], [], 0
    for template in range(12):
        for frame, medium in enumerate([500 + template, 700, 700, 700] if template % 3 else [500 + template]):
            name, number = f"{number + 1}.jpg", number + 1
            loose = np.zeros((SIZE + 10, SIZE + 10, 3), dtype=np.uint8)
            loose[5 : 5 + SIZE, 3 : 3 + SIZE] = face(template // 2, 4 * template + frame)
            Image.fromarray(loose).save(folder / "loose_crop" / name, quality=95)
            members.append(f"{name} {10 * template} {medium}")
            shown = "" if aligned else " ".join(f"{value:.4f}" for value in POINTS.ravel()) + " "
            faces.append(f"{name} {shown}{0.5 + 0.01 * number:.2f}")
    pairs = [f"{10 * a} {10 * b} {int(a // 2 == b // 2)}" for a in range(12) for b in range(a)]
    for name, lines in (
        ("face_tid_mid", members),
        ("name_5pts_score", faces),
        ("template_pair_label", pairs),
    ):
        (folder / "meta" / f"ijbc_{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("model") / "best.pt")


@pytest.mark.parametrize("options", [(), ("--no-detector-scores", "--no-embedding-norms"), ("--aligned",)])
def test_the_command_is_the_plain_protocol(
    tmp_path: Path,
    model: Path,
    options: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_ijb(tmp_path / "ijbc")
    monkeypatch.setattr(vision_xmc.face.data.ijb, "LINES_AT_A_TIME", 25)
    roc = tmp_path / "roc.png"
    rates = [0.02, 0.1, 1e-6]
    arguments = ["eval-ijb", "--checkpoint", model, "--data-path", folder, "--far", *rates, "--roc", roc]
    assert run(*arguments, *options) == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[0])
    assert (report["target"], report["templates"], report["pairs"]) == ("ijbc", 12, 66)
    assert "allow no false accept" in lines[1]
    with Image.open(roc) as picture:
        assert picture.format == "PNG"

    members = read_templates(folder, "ijbc")
    backbone, _ = load_backbone(model)
    pictures = TemplatePictures(members, SIZE, "--aligned" in options)
    norms = "--no-embedding-norms" not in options
    embeddings = embed_pictures(backbone, pictures, 5, image_size=SIZE, normalise=not norms).double().numpy()
    weights = members.detector_scores.tolist() if norms else [1.0] * len(embeddings)
    features = by_loops(embeddings, members.templates.tolist(), members.media.tolist(), weights)
    scores: dict[bool, list[float]] = {True: [], False: []}
    for line in (folder / "meta" / "ijbc_template_pair_label.txt").read_text().splitlines():
        one, two, label = map(int, line.split())
        scores[label == 1].append(float(features[one] @ features[two]))
    assert report["pictures"] == len(embeddings)
    for rate, tar in report["tar_at_far"].items():
        best = 0.0
        for threshold in [*scores[True], *scores[False]]:
            if np.mean([score >= threshold for score in scores[False]]) <= float(rate):
                best = max(best, float(np.mean([score >= threshold for score in scores[True]])))
        assert tar == pytest.approx(best), rate


def test_pictures_with_points_are_aligned(tmp_path: Path) -> None:
    members = read_templates(write_ijb(tmp_path / "a"), "ijbc")
    aligned = TemplatePictures(members, SIZE)[0].astype(int)
    # JPEG and the alignment remove some of the noise; another person's face is far away.
    assert np.abs(aligned - face(0, 0)).mean() < 20
    assert np.abs(aligned - face(1, 0)).mean() > 40
    assert TemplatePictures(members, SIZE, aligned=True)[0].shape == (SIZE + 10, SIZE + 10, 3)
    without = read_templates(write_ijb(tmp_path / "b", aligned=True), "ijbc")
    assert without.points is None
    assert TemplatePictures(without, SIZE)[0].shape == (SIZE + 10, SIZE + 10, 3)
    torch.testing.assert_close(without.detector_scores, members.detector_scores)


def broken(folder: Path, file: str, line: int, text: str) -> None:
    path = folder / "meta" / f"ijbc_{file}.txt"
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


MISTAKES = {
    ("face_tid_mid", 3, "3.jpg 10"): "line 3: expected a picture, its template and its medium",
    ("face_tid_mid", 3, "3.jpg x 700"): "line 3: expected a picture, its template and its medium",
    ("face_tid_mid", 2, "none.jpg 10 700"): "line 2: 2.jpg is where",
    ("name_5pts_score", 4, "4.jpg 1 2 0.5"): "line 4: expected a picture, 5 points (or none) and a score",
    ("name_5pts_score", 4, "4.jpg 0.5"): "line 4: expected a picture, 5 points (or none) and a score",
    (
        "name_5pts_score",
        1,
        "1.jpg" + " 7" * 10 + " 0.5",
    ): "1.jpg cannot be aligned: all points are at one place",
    ("template_pair_label", 30, "0 10"): "line 30: expected two templates and 0 or 1",
    ("template_pair_label", 2, "0 10 5"): "line 2: expected two templates and 0 or 1",
    ("template_pair_label", 2, "0 77 1"): "template 77 has no picture in meta/",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(
    tmp_path: Path, model: Path, mistake: tuple[str, int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_ijb(tmp_path / "ijbc")
    broken(folder, *mistake)
    assert run("eval-ijb", "--checkpoint", model, "--data-path", folder) == 1
    error = capsys.readouterr().err
    assert MISTAKES[mistake] in error
    assert error.count("\n") == 1


def test_missing_parts(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*options: Any) -> str:
        assert run("eval-ijb", "--checkpoint", model, *options) == 1
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    assert "--data-path is missing" in error()
    none = "must hold one file such as ijbc_face_tid_mid.txt, but it holds none"
    assert none in error("--data-path", tmp_path)
    folder = write_ijb(tmp_path / "ijbc")
    (folder / "loose_crop" / "5.jpg").unlink()
    assert f"line 5: there is no {folder / 'loose_crop' / '5.jpg'}" in error("--data-path", folder)
    (folder / "meta" / "ijbc_template_pair_label.txt").unlink()
    assert "ijbc_template_pair_label.txt: no such file" in error("--data-path", folder)
    (folder / "meta" / "ijbb_face_tid_mid.txt").touch()
    assert "it holds those of ijbb, ijbc; choose one with --target" in error("--data-path", folder)


def test_pairs_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("1 2 1\n" * 5 + "3 4 0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vision_xmc.face.data.ijb, "LINES_AT_A_TIME", 4)
        parts = list(read_template_pairs(path))
    assert [len(part[0]) for part in parts] == [4, 2]
    assert torch.cat([part[2] for part in parts]).tolist() == [True] * 5 + [False]
