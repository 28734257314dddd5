"""``verify``, ``embed`` and ``compare`` as a user runs them; each mistake is reported in one sentence."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.vision_xmc.commands import REPOSITORY, environment
from tests.vision_xmc.face.pictures_made import (
    EMBEDDING,
    encoded,
    face,
    run,
    view_2,
    write_checkpoint,
    write_people,
)
from tests.vision_xmc.image.odd_images import write_truncated
from vision_xmc.engine import checkpoint


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``images/``, ``pairs.txt`` and ``best.pt``, which no test changes."""
    folder = tmp_path_factory.mktemp("faces")
    write_people(folder / "images")
    (folder / "pairs.txt").write_text(view_2())
    write_checkpoint(folder / "best.pt", threshold=0.25)
    return folder


def verify(place: Path, *options: Any) -> int:
    standard = ["--checkpoint", place / "best.pt", "--pairs", place / "pairs.txt"]
    return run("verify", *standard, "--images", place / "images", *options)


def by_hand(place: Path) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of the pairs, from the embeddings that ``embed`` writes, and which are of one person."""
    output = place / "for-verify.npz"
    assert run("embed", "--checkpoint", place / "best.pt", "--output", output, place / "images") == 0
    with np.load(output) as stored:
        vectors = {
            Path(name).stem: row for name, row in zip(stored["pictures"], stored["embeddings"], strict=True)
        }
    scores, kinds = [], []
    for line in view_2().splitlines()[1:]:
        fields = line.split()
        other = fields[0] if len(fields) == 3 else fields[2]
        names = f"{fields[0]}_{int(fields[1]):04d}", f"{other}_{int(fields[-1]):04d}"
        scores.append(float(vectors[names[0]] @ vectors[names[1]]))
        kinds.append(len(fields) == 3)
    return np.array(scores), np.array(kinds)


def test_verify(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roc = tmp_path / "roc.png"
    assert verify(place, "--roc", roc, "--far", 0.25, 1e-6, "--batch-size", 5) == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[0])
    scores, kinds = by_hand(place)
    accuracies = []
    for fold in range(4):
        inside = np.arange(16) // 4 == fold
        best = max(
            [np.inf, *sorted(scores[~inside], reverse=True)],
            key=lambda each: ((scores >= each) == kinds)[~inside].mean().item(),
        )
        below = [score for score in scores[~inside] if score < best]
        middle = (best + max(below)) / 2 if below and np.isfinite(best) else best
        accuracies.append(((scores >= middle) == kinds)[inside].mean().item())
    assert report["pairs"] == 16
    assert report["pictures"] == 16
    assert report["folds"] == [1, 2, 3, 4]
    assert report["fold_accuracies"] == pytest.approx(accuracies)
    assert report["accuracy"] == pytest.approx(np.mean(accuracies))
    assert report["standard_error"] == pytest.approx(np.std(accuracies, ddof=1) / 2)
    impostors = np.sort(scores[~kinds])[::-1]
    assert report["tar_at_far"] == {
        "0.25": pytest.approx((scores[kinds] > impostors[2]).mean()),
        "1e-06": pytest.approx((scores[kinds] > impostors[0]).mean()),
    }
    assert lines[1].startswith(f"accuracy {100 * report['accuracy']:.2f} ± ")
    assert "rates below 1.2e-01 allow no false accept" in lines[1]
    with Image.open(roc) as picture:
        assert picture.format == "PNG"


def test_some_folds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(place) == 0
    all_folds = json.loads(capsys.readouterr().out.splitlines()[0])
    assert verify(place, "--folds", 3, 4, "--threshold-folds", "all") == 0
    two_folds = json.loads(capsys.readouterr().out.splitlines()[0])
    assert two_folds["pairs"] == 8
    assert two_folds["fold_accuracies"] == all_folds["fold_accuracies"][2:]
    assert verify(place, "--folds", 3, 4) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["folds"] == [3, 4]


def test_a_bin_of_the_same_pictures(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, kinds, rows = [], [], []
    for line in view_2().splitlines()[1:]:
        fields = line.split()
        other = fields[0] if len(fields) == 3 else fields[2]
        for name, number in ((fields[0], fields[1]), (other, fields[-1])):
            path = place / "images" / name / f"{name}_{int(number):04d}.jpg"
            pictures.append(path.read_bytes())
            rows.append(str(path.relative_to(place / "images")))
        kinds.append(len(fields) == 3)
    (tmp_path / "made.bin").write_bytes(pickle.dumps((pictures, kinds)))
    plain = [f"{a} {b} {int(kind)}" for a, b, kind in zip(rows[::2], rows[1::2], kinds, strict=True)]
    (tmp_path / "list.txt").write_text("\n".join(plain))
    assert run("verify", "--checkpoint", place / "best.pt", "--bin", tmp_path / "made.bin") == 0
    from_bin = json.loads(capsys.readouterr().out.splitlines()[0])
    images = ["--images", place / "images"]
    assert run("verify", "--checkpoint", place / "best.pt", "--pairs", tmp_path / "list.txt", *images) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == from_bin
    assert len(from_bin["folds"]) == 10
    assert verify(place) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["tar_at_far"] == from_bin["tar_at_far"]


def test_embed(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted((place / "images" / "Person_3").iterdir())
    Image.fromarray(face(3, 0)[..., 0]).save(tmp_path / "grey.png")
    output = tmp_path / "out.npz"
    options = ["--checkpoint", place / "best.pt", "--output", output]
    assert run("embed", *options, place / "images" / "Person_3", tmp_path / "grey.png") == 0
    assert f"{output}: 4 embeddings of {EMBEDDING} numbers" in capsys.readouterr().out
    with np.load(output) as stored:
        assert stored["pictures"].tolist() == [*map(str, paths), str(tmp_path / "grey.png")]
        assert stored["embeddings"].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(stored["embeddings"], axis=1), 1, rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.png", "out.npz"]


def test_compare(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, other = (place / "images" / name for name in (
        "Person_1/Person_1_0001.jpg", "Person_1/Person_1_0002.jpg", "Person_2/Person_2_0001.jpg"
    ))  # fmt: skip
    reports = []
    for pair in ((one, one), (one, two), (one, other)):
        assert run("compare", "--checkpoint", place / "best.pt", *pair) == 0
        lines = capsys.readouterr().out.splitlines()
        reports.append(json.loads(lines[0]))
        assert ("one person" in lines[1]) == reports[-1]["same"]
    assert reports[0]["similarity"] == pytest.approx(1, abs=1e-5)
    # The checkpoint has this threshold.
    assert [report["threshold"] for report in reports] == [0.25] * 3
    assert [report["same"] for report in reports] == [report["similarity"] >= 0.25 for report in reports]
    assert reports[1]["similarity"] > reports[2]["similarity"]
    assert run("compare", "--checkpoint", place / "best.pt", one, two, "--threshold", 1) == 0
    assert '"same": false' in capsys.readouterr().out


def test_a_separate_process(place: Path, tmp_path: Path) -> None:
    pictures = [str(path) for path in sorted((place / "images" / "Person_1").iterdir())[:2]]
    write_checkpoint(tmp_path / "plain.pt")
    line = [sys.executable, "-m", "vision_xmc.face", "compare", "--checkpoint", str(tmp_path / "plain.pt")]
    settings: dict[str, Any] = {"env": environment(), "cwd": REPOSITORY, "text": True, "capture_output": True}
    done = subprocess.run([*line, *pictures], **settings, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no threshold is known" in done.stdout
    failed = subprocess.run([*line, *pictures[:1], "none.jpg"], **settings, timeout=600, check=False)
    assert failed.returncode == 1
    assert failed.stderr == "python -m vision_xmc.face compare: error: none.jpg: no such image\n"


VERIFY_MISTAKES: dict[str, tuple[list[Any], str]] = {
    "no such fold": (["--folds", 3, 9], "--folds 9: the file has folds 1 to 4"),
    "fold twice": (["--folds", 3, 3], "--folds must name each fold only once"),
    "one fold": (["--folds", 3], "name at least two --folds, or give --threshold-folds all"),
    "rate": (["--far", 2], "--far must be in [0, 1], got 2.0"),
    "both": (["--bin", "a.bin"], "give either --pairs with --images, or --bin, not both"),
    "roc": (["--roc", "/none/roc.png"], "--roc /none/roc.png: there is no folder /none"),
    "device": (["--device", "tape"], "--device tape: "),
    "batch": (["--batch-size", 0], "--batch-size must be at least 1, got 0"),
    "threads": (["--num-workers", 0], "--num-workers must be at least 1, got 0"),
}


@pytest.mark.parametrize("name", VERIFY_MISTAKES)
def test_mistakes_of_verify(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    options, sentence = VERIFY_MISTAKES[name]
    assert verify(place, *options) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("python -m vision_xmc.face verify: error: ")
    assert error.count("\n") == 1


def test_broken_files(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*arguments: Any) -> str:
        assert run(*arguments) == 1
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    picture = place / "images" / "Person_0" / "Person_0_0001.jpg"
    write_truncated(tmp_path / "cut.jpg")
    model = ["--checkpoint", place / "best.pt"]
    output = ["--output", tmp_path / "out.npz"]
    assert "cut.jpg cannot be read as an image" in error("compare", *model, picture, tmp_path / "cut.jpg")
    assert "cut.jpg cannot be read as an image" in error("embed", *model, *output, tmp_path / "cut.jpg")
    assert not (tmp_path / "out.npz").exists()
    assert "--output is missing" in error("embed", *model, picture)
    assert "there is no folder for it" in error("embed", *model, "--output", "/none/a.npz", picture)
    (tmp_path / "empty").mkdir()
    assert "empty has no pictures" in error("embed", *model, *output, tmp_path / "empty")
    assert "a cosine similarity, from -1 to 1" in error("compare", *model, picture, picture, "--threshold", 2)
    assert "--checkpoint is missing" in error("compare", picture, picture)
    assert "no checkpoint at /none.pt" in error("compare", "--checkpoint", "/none.pt", picture, picture)
    (tmp_path / "pairs.txt").write_text("a.jpg b.jpg 1\n")
    missing = error("verify", *model, "--pairs", tmp_path / "pairs.txt", "--images", place / "images")
    assert f"pairs.txt, line 1: there is no {place / 'images' / 'a.jpg'}" in missing
    (tmp_path / "bad.bin").write_bytes(b"\x80\x02]")
    assert "bad.bin is not insightface's .bin file" in error("verify", *model, "--bin", tmp_path / "bad.bin")
    content = (([encoded(face(0, 0))] * 4), [True, True])
    (tmp_path / "same.bin").write_bytes(pickle.dumps(content))
    assert "there are no pairs of two people" in error("verify", *model, "--bin", tmp_path / "same.bin")
    checkpoint.save(tmp_path / "other.pt", {"options": {"dataset": "digits"}, "model": {}})
    other = error("compare", "--checkpoint", tmp_path / "other.pt", picture, picture)
    assert "other.pt is not a checkpoint of a face model" in other
    stored = torch.load(place / "best.pt", weights_only=True)
    stored["options"]["embedding"] = 7
    checkpoint.save(tmp_path / "wrong.pt", stored)
    assert "wrong.pt does not fit this model" in error(
        "compare", "--checkpoint", tmp_path / "wrong.pt", picture, picture
    )


def test_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("verifi")
    assert stopped.value.code == 2
    assert "invalid choice: 'verifi'" in capsys.readouterr().err
