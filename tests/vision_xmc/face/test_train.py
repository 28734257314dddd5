"""The training command: its output files, data sets and configurations, and its refusal of mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mhe_nmt import LabelCodec
from tests.vision_xmc.engine.toy_task import assert_same_weights, records
from tests.vision_xmc.face.commands import SAMPLING, TINY, command, kill_after, run
from tests.vision_xmc.face.records import face_records, write_records
from tests.vision_xmc.image.odd_images import picture
from vision_xmc.common.errors import UsageError
from vision_xmc.face.backbones.build import build_backbone
from vision_xmc.face.data.identities import IdentityImages
from vision_xmc.face.model import FaceModel, load_backbone, scaled_pixels
from vision_xmc.face.train import CONFIGS

PEOPLE = {"ms1mv2": 85_742, "ms1mv3": 93_431, "webface42m": 2_059_906, "casia": 10_572}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert run(*TINY, *SAMPLING, "--average", "ema", "--margin", "cosface", "--output", folder) == 0
    return folder


def test_a_run_leaves_its_records(trained: Path) -> None:
    """There are two epochs of five updates over 100 images of 25 people, and an evaluation after each."""
    updates = records(trained, "train")
    assert [record["update"] for record in updates] == list(range(1, 11))
    for record in updates:
        assert 0 < record["used_fraction"] <= 22 / 25
    (first, second) = records(trained, "eval")
    for record in (first, second):
        assert {"accuracy", "threshold", "tar", "cosine_same", "cosine_other"} < record.keys()
        assert 0.5 <= record["accuracy"] <= 1
    result = json.loads((trained / "result.json").read_text())
    assert result["people"] == 25
    assert result["best"]["valid"]["accuracy"] == max(first["accuracy"], second["accuracy"])


def test_the_backbone_of_a_checkpoint(trained: Path) -> None:
    """The backbone has the averaged weights, as in the validation."""
    backbone, options = load_backbone(trained / "last.pt")
    assert (options["arch"], options["embedding"], options["image_size"]) == ("tiny", 8, 16)
    content = torch.load(trained / "last.pt", weights_only=True)
    assert content["model"]["head.weight"].shape == (25, 8)
    assert len(content["task"]["class_names"]) == 25
    model = FaceModel(build_backbone("tiny", 8, 16), torch.nn.Identity())
    weights = {**content["model"], **content["average"]["values"]}
    model.load_state_dict({name: value for name, value in weights.items() if name.startswith("backbone.")})
    images = torch.from_numpy(IdentityImages(3, 1, 16).image(0)).permute(2, 0, 1)[None]
    with torch.no_grad():
        assert torch.equal(backbone(scaled_pixels(images)), model.eval()(images))
    assert scaled_pixels(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)).flatten().tolist() == [
        -1,
        1,
    ]


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    torch.save({"format": 1, "model": {}, "options": {"arch": "resnet8"}}, tmp_path / "image.pt")
    with pytest.raises(UsageError, match=r"image.pt is not a checkpoint of a face model"):
        load_backbone(tmp_path / "image.pt")


@pytest.mark.slow
@pytest.mark.parametrize("head", [[], [*SAMPLING, "--no-log-q"]])
def test_kill_and_resume(head: list[Any], tmp_path: Path) -> None:
    """A run that was killed in the middle of an epoch resumes exactly: even its log is the same."""
    arguments = [*TINY, *head, "--save-steps", 2]
    log = tmp_path / "broken" / "metrics.jsonl"
    kill_after(8, log, *arguments, "--epochs", 8, "--schedule", "constant", "--output", tmp_path / "broken")
    longer = [*arguments, "--epochs", 8, "--schedule", "constant"]
    assert run(*longer, "--output", tmp_path / "broken") == 0
    assert run(*longer, "--output", tmp_path / "whole") == 0
    assert log.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for name in ("last.pt", "best.pt"):
        assert_same_weights(tmp_path / "broken" / name, tmp_path / "whole" / name)


@pytest.mark.slow
def test_the_command_in_two_processes(tmp_path: Path) -> None:
    """Batch norm sees half a batch at a time, in two processes as in two micro-batches of one process."""
    arguments = [*TINY, "--drop-last", "--clip-norm", 5]
    done = command(*arguments, "--output", tmp_path / "two", processes=2)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("25 classes × 8, 13 classes on this process") == 1
    assert done.stdout.count("processes: 2, on cpu; output: ") == 1
    assert run(*arguments, "--accumulate", 2, "--output", tmp_path / "one") == 0
    losses = [[r["loss"] for r in records(tmp_path / name, "train")] for name in ("two", "one")]
    assert len(losses[0]) == 10
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_half_precision_in_two_processes_is_refused(tmp_path: Path) -> None:
    """One process reports it, before anything looks for a GPU."""
    done = command(*TINY, "--precision", "fp16", "--output", tmp_path / "run", processes=2)
    assert done.returncode != 0
    ours = [line for line in done.stderr.splitlines() if line.startswith("python -m vision_xmc.face train")]
    assert len(ours) == 1
    assert "error: --precision fp16 scales losses by what overflows on one process" in ours[0]
    assert ours[0].endswith("; use bf16")
    assert not (tmp_path / "run").exists()


def write_people(folder: Path) -> Path:
    """Writes four people with four colour pictures each, one with a grey picture, and one with none."""
    for person in range(4):
        (folder / f"p{person}").mkdir(parents=True)
        for number in range(4):
            picture(10 * person + number).save(folder / f"p{person}" / f"{number}.jpg")
    (folder / "single").mkdir()
    picture(99, "L").save(folder / "single" / "grey.png")
    (folder / "nobody").mkdir()
    return folder


SMALL = ["--arch", "tiny", "--embedding", 8, "--image-size", 16, "--batch-size", 8, "--epochs", 1]


def test_a_folder_of_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_people(tmp_path / "people")
    (tmp_path / "names.txt").write_text("p3\n\n")
    arguments = ["--dataset", "folder", "--data-path", folder, *SMALL, "--leave-out", tmp_path / "names.txt"]
    assert run(*arguments, "--num-workers", 2, "--output", tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert f"left out: 'nobody' in {folder} without an image" in printed
    assert "1 person has a single image; --min-images 2 leaves them out" in printed
    assert "folder: 4 people, 13 images; no pairs to validate on" in printed
    # All workers share the images kept in memory, and these are the same images.
    assert run(*arguments, "--num-workers", 2, "--keep-images", "--output", tmp_path / "kept") == 0
    assert_same_weights(tmp_path / "run" / "last.pt", tmp_path / "kept" / "last.pt")


def test_broken_pictures_are_named_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_people(tmp_path / "people")
    (folder / "p1" / "2.jpg").write_bytes(b"no image")
    # 17 pictures with the broken one, 16 without it: no batch is too small for batch norm.
    arguments = ["--dataset", "folder", "--data-path", folder, *SMALL, "--batch-size", 6]
    arguments += ["--output", tmp_path / "run"]
    for workers in (0, 1):
        assert run(*arguments, "--num-workers", workers) == 1
        error = capsys.readouterr().err
        assert "p1/2.jpg is not an image; replace it, or leave out all such" in error
        assert "--skip-broken-images" in error
        assert error.count("\n") == 1
    assert run(*arguments, "--skip-broken-images", "--num-workers", 0) == 0
    printed = capsys.readouterr().out
    assert f"left out: {folder / 'p1' / '2.jpg'} is not an image\n" in printed
    assert "5 people, 16 images" in printed


def test_recordio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = IdentityImages(6, 3, 16)
    contents = face_records([people.image(i) for i in range(18)], people.labels.tolist())
    folder = write_records(tmp_path / "data", contents)
    arguments = ["--dataset", "recordio", "--data-path", folder, *SMALL, "--validation-identities", 2]
    assert run(*arguments, "--num-workers", 1, "--output", tmp_path / "run") == 0
    assert "recordio: 4 people, 12 images; 12 pairs to validate on" in capsys.readouterr().out
    lines = (folder / "train.idx").read_text().splitlines()
    (folder / "train.idx").write_text("\n".join([*lines[:-1], "25\t99999999"]))
    assert run(*arguments, "--num-workers", 0, "--output", tmp_path / "run", "--restart") == 1
    assert "train.idx does not match" in capsys.readouterr().err


@pytest.mark.parametrize("name", PEOPLE)
def test_configurations(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The radices cover the identities, and nothing but the data set is missing."""
    text = (CONFIGS / f"{name}.txt").read_text()
    radices = [int(part) for part in text.split("--radices ")[1].split(" --")[0].split()]
    fraction = float(text.split("--sample-fraction ")[1].split()[0])
    assert f"{PEOPLE[name]:,} identities" in text
    codec = LabelCodec(PEOPLE[name], radices)
    assert codec.strides[0] <= fraction * PEOPLE[name]
    assert run(f"@{name}", "--arch", "tiny", "--data-path", "/none", "--device", "cpu") == 1
    assert "/none.rec: no such file; --data-path must be a folder with train.rec" in capsys.readouterr().err


def test_a_file_of_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("# made up\n--identities 1 --pictures 2  # too few\n")
    assert run(f"@{tmp_path / 'mine.txt'}") == 1
    assert "--identities must be at least 2, got 1" in capsys.readouterr().err
    for content, sentence in (("--identities '1", "No closing quotation"), ("--nonsense 1", "unrecognized")):
        (tmp_path / "mine.txt").write_text(content)
        with pytest.raises(SystemExit):
            run(f"@{tmp_path / 'mine.txt'}")
        assert sentence in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("@nowhere")
    assert "nowhere" in capsys.readouterr().err


MISTAKES: dict[str, tuple[list[Any], str]] = {
    "no data path": (["--dataset", "folder"], "--dataset folder needs --data-path"),
    "path of made-up people": (["--data-path", "."], "to use --data-path, give --dataset folder or recordio"),
    "missing folder": (["--dataset", "folder", "--data", "/none"], "--data-path /none: no such folder"),
    "missing records": (["--dataset", "recordio", "--data", "."], "train.rec: no such file"),
    "blocks": (["--head", "sampling", "--radices", 26, 2], "26 blocks are more than the 25 classes"),
    "codes": (["--head", "sampling", "--radices", 4, 6], "give 24 codes, too few for 25 labels"),
    "budget": (
        ["--head", "sampling", "--radices", 5, 5, "--sample-fraction", 0.1],
        "a share of 0.1 of 25 classes is 2, less than a block of 5; give a larger share, or smaller blocks",
    ),
    "fraction": (
        ["--head", "sampling", "--sample-fraction", 0],
        "sample fraction must be above 0 and at most 1",
    ),
    "full and blocks": (["--radices", 5, 5], "--radices belongs to --head sampling, not to --head full"),
    "arch": (["--arch", "resnet50"], "--arch resnet50: there is no backbone 'resnet50'; choose one of "),
    "margin": (["--margin-size", 1.5], "--margin arcface: margin must be at least 0 and below 1, got 1.5"),
    "scale": (["--scale", -1], "scale must be above 0, got -1"),
    "initial norm": (["--initial-norm", 0], "--initial-norm must be a number above 0, got 0"),
    "held out": (["--validation-identities", 29], "must be at least 2 and leave 2 of 30 people"),
    "names": (["--leave-out", "/none"], "--leave-out /none: no such file; it must hold one name per line"),
    "sizes": (["--image-size", 8], "--image-size must be at least 16, got 8"),
    "precision": (["--precision", "fp16", "--device", "cpu"], "--precision fp16 needs a GPU"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, sentence = MISTAKES[name]
    others = TINY if "--dataset" not in options else ["--arch", "tiny"]
    assert run(*others, *options, "--output", tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("python -m vision_xmc.face train: error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_batches_of_one_and_other_options_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*TINY, "--batch-size", 99, "--output", tmp_path / "one") == 1
    assert (
        "batch norm cannot train on a micro-batch of one example, and the last batch"
        in capsys.readouterr().err
    )
    shutil.copytree(trained, tmp_path / "copy")
    assert run(*TINY, "--output", tmp_path / "copy") == 1
    assert "holds a run with other options (then: margin cosface" in capsys.readouterr().err


def test_a_warning_of_large_batches_in_a_small_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log records by how many classes the targets alone exceed the budget."""
    tight = ["--head", "sampling", "--radices", 13, 2, "--sample-fraction", 0.4]
    assert run(*TINY, *tight, "--epochs", 1, "--output", tmp_path) == 0
    assert "warning: the targets of a large batch may leave no room" in capsys.readouterr().out
    over = [record["over_budget"] for record in records(tmp_path, "train")]
    assert max(over) > 0
    for record in records(tmp_path, "train"):
        assert record["used_fraction"] * 25 == pytest.approx(10 + record["over_budget"]) or (
            record["over_budget"] == 0 and record["used_fraction"] <= 0.4
        )
