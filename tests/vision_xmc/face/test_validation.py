"""``train --pairs``: the pairs of a file choose the best checkpoint, and their people are not trained on."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vision_xmc.engine.toy_task import records
from tests.vision_xmc.face.pictures_made import run as face
from tests.vision_xmc.face.pictures_made import view_2, write_people
from vision_xmc.common.errors import UsageError
from vision_xmc.face.data.identities import IdentityImages
from vision_xmc.face.data.pairs import FoldedPairs, pairs_of_folds, read_pairs
from vision_xmc.face.data.pictures import PictureFiles
from vision_xmc.face.data.validation import people_in
from vision_xmc.face.data.views import PairView
from vision_xmc.face.train import main

SMALL = ["--arch", "tiny", "--embedding", 8, "--image-size", 16, "--batch-size", 8, "--epochs", 2,
         "--num-workers", 0]  # fmt: skip


def run(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve ``people/`` and a ``pairs.txt`` of eight of them, two in each of four folds."""
    folder = tmp_path_factory.mktemp("people")
    write_people(folder / "people", people=12)
    (folder / "pairs.txt").write_text(view_2())
    return folder


@pytest.fixture(scope="module")
def trained(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained")
    data = ["--dataset", "folder", "--data-path", place / "people", "--pairs", place / "pairs.txt"]
    more = ["--epochs", 12, "--scale", 16, "--pairs-folds", 2, 4]
    assert run(*data, *SMALL, *more, "--output", output) == 0
    return output


def test_the_pairs_choose_the_best(place: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The training's figures on its pairs are those of ``verify`` with its checkpoint."""
    evaluations = records(trained, "eval")
    result = json.loads((trained / "result.json").read_text())
    assert result["people"] == 8
    best = max(evaluations, key=lambda record: record["accuracy"])
    assert result["best"]["valid"]["accuracy"] == best["accuracy"]
    content = torch.load(trained / "best.pt", weights_only=True)
    assert content["metrics"]["threshold"] == pytest.approx(result["best"]["valid"]["threshold"])
    assert content["task"]["class_names"] == [f"Person_{number}" for number in (0, 1, 10, 11, 4, 5, 8, 9)]
    of_file = ["--pairs", place / "pairs.txt", "--images", place / "people", "--folds", 2, 4]
    assert face("verify", "--checkpoint", trained / "best.pt", *of_file, "--far", 1e-2) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[0])
    assert report["pairs"] == 8
    assert report["threshold"] == pytest.approx(content["metrics"]["threshold"], abs=1e-5)
    assert report["tar_at_far"]["0.01"] == result["best"]["valid"]["tar"]


def test_compare_takes_the_threshold_of_the_training(
    place: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threshold = json.loads((trained / "result.json").read_text())["best"]["valid"]["threshold"]
    pictures = [place / "people" / "Person_2" / f"Person_2_000{number}.jpg" for number in (1, 2)]
    assert face("compare", "--checkpoint", trained / "best.pt", *pictures) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[0])
    assert report["threshold"] == pytest.approx(threshold)
    assert report["same"] == (report["similarity"] >= report["threshold"])
    # The threshold belongs to the best weights, not to the last ones.
    assert face("compare", "--checkpoint", trained / "last.pt", *pictures) == 0
    assert "no threshold is known" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["list", "bin"])
def test_other_files_of_pairs(
    place: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain list names people by folders, wherever its paths start; a ``.bin`` names nobody."""
    rows = [(f"Person_1/Person_1_000{one}.jpg", f"Person_{who}/Person_{who}_0002.jpg", int(who == 1))
            for one, who in ((1, 1), (3, 1), (1, 7), (3, 7))]  # fmt: skip
    if kind == "list":
        source, more = tmp_path / "list.txt", ["--pairs-images", place]
        source.write_text("\n".join(f"people/{a} people/{b} {same}" for a, b, same in rows))
    else:
        source, more = tmp_path / "made.bin", []
        contents = [(place / "people" / path).read_bytes() for row in rows for path in row[:2]]
        source.write_bytes(pickle.dumps((contents, [bool(same) for *_, same in rows])))
    data = ["--dataset", "folder", "--data-path", place / "people", "--pairs", source, *more]
    assert run(*data, *SMALL, "--epochs", 1, "--output", tmp_path / "run") == 0
    printed = capsys.readouterr().out
    if kind == "list":
        assert f"left out: 2 people of {place / 'people'} who are in the pairs to validate on" in printed
        assert "folder: 10 people, 30 images; 4 pairs to validate on" in printed
    else:
        assert "nobody is left out, so make sure that none of them is in the training data" in printed
        assert "folder: 12 people, 36 images; 4 pairs to validate on" in printed


def test_made_up_people_are_verified_on_pairs_of_real_ones(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pairs take the place of the people who would be held out."""
    data = ["--identities", 20, "--pictures", 2, "--pairs", place / "pairs.txt"]
    arguments = [*data, "--pairs-images", place / "people", *SMALL, "--output", tmp_path]
    assert run(*arguments, "--epochs", 1) == 0
    printed = capsys.readouterr().out
    assert "have no names that --dataset identities knows: nobody is left out" in printed
    assert "identities: 20 people, 40 images; 16 pairs to validate on" in printed
    assert run(*arguments, "--epochs", 1, "--pairs-folds", 1) == 1
    assert "holds a run with other options (then: pairs_folds None; now: pairs_folds [1])" in (
        capsys.readouterr().err
    )


def test_people_are_named_by_the_first_folder(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(write_people(tmp_path / "people", people=3))
    pictures = [
        tmp_path / "linked" / "Person_0" / "Person_0_0001.jpg",
        tmp_path / "other" / ".." / "people" / "Person_1" / "deeper" / "a.jpg",
        tmp_path / "people" / "alone.jpg",
        tmp_path / "elsewhere" / "Person_2" / "b.jpg",
    ]
    one, two = torch.tensor([0, 1]), torch.tensor([2, 3])
    pairs = FoldedPairs(PictureFiles(pictures), one, two, one == two, one)
    folders = [tmp_path / "people", tmp_path / "elsewhere"]
    assert people_in(pairs, folders[:1]) == {"Person_0", "Person_1"}
    assert people_in(pairs, folders) == {"Person_0", "Person_1", "Person_2"}
    # People of pictures that are in no pair do not count.
    apart = FoldedPairs(pairs.pictures, one[:1], two[:1], one[:1] == 1, one[:1])
    assert people_in(apart, folders) == {"Person_0"}


@given(st.data())
def test_folds_by_hand(data: st.DataObject) -> None:
    """Exactly the pairs of these folds, in their order."""
    folds = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=20))
    chosen = data.draw(st.sets(st.sampled_from(folds), min_size=1))
    rows = [(2 * number, 2 * number + 1, number % 3 == 0, fold) for number, fold in enumerate(folds)]
    columns = (torch.tensor(column) for column in zip(*rows, strict=True))
    pairs = FoldedPairs(PictureFiles([]), *columns)
    some = pairs_of_folds(pairs, chosen, Path("pairs.txt"), "--pairs-folds")
    parts = (some.first, some.second, some.same, some.folds)
    assert list(zip(*(part.tolist() for part in parts), strict=True)) == [r for r in rows if r[3] in chosen]


def test_pictures_of_pairs(place: Path) -> None:
    pairs = read_pairs(place / "pairs.txt", place / "people")
    view = PairView(pairs, 32)
    assert len(view) == 16
    for number in (0, 2, 9):
        first, second, same, place_of = view[number]
        assert place_of == number
        assert same == bool(pairs.same[number])
        for image, index in ((first, pairs.first[number]), (second, pairs.second[number])):
            assert image.permute(1, 2, 0).numpy().tolist() == pairs.pictures[int(index)].tolist()


MISTAKES: dict[str, tuple[list[Any], str]] = {
    "two ways": (["--validation-identities", 2], "both choose the best checkpoint; give only one of them"),
    "no such fold": (["--pairs-folds", 4, 5], "--pairs-folds 5: PAIRS has folds 1 to 4"),
    "no file": (["--pairs", "/none.txt"], "/none.txt: no such file of pairs"),
    "no folder": (["--pairs-images", "/none"], "/none: no such folder of pictures; name the folder with "
                  "--pairs-images"),
    "no picture": (["--pairs-images", "/"], "PAIRS, line 2: there is no /Person_0/Person_0_0001.jpg; "
                   "check --pairs-images"),
    "bin": (["--pairs", "a.bin", "--pairs-images", "."], "a.bin holds its own pictures; leave --pairs-"),
    "records": (["--dataset", "recordio"], "give --pairs-images, the folder of the pictures of the pairs"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_sentence(
    place: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, sentence = MISTAKES[name]
    data = ["--dataset", "folder", "--data-path", place / "people", "--pairs", place / "pairs.txt"]
    assert run(*data, *SMALL, *options, "--output", tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert sentence.replace("PAIRS", str(place / "pairs.txt")) in error
    assert error.startswith("python -m vision_xmc.face train: error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_mistakes_of_the_file(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def error(*options: Any) -> str:
        data = ["--dataset", "folder", "--data-path", place / "people", *SMALL]
        assert run(*data, *options, "--output", tmp_path / "run") == 1
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    plain = tmp_path / "list.txt"
    one = "Person_0/Person_0_0001.jpg"
    plain.write_text(f"{one} Person_0/Person_0_0002.jpg 1\n")
    assert "list.txt has no folds, because only LFW's view 2 has any; leave --pairs-folds out" in error(
        "--pairs", plain, "--pairs-folds", 1
    )
    assert "none of the 1 pairs shows two people; use a file with both kinds" in error("--pairs", plain)
    for option, value in (("--pairs-folds", 1), ("--pairs-images", place)):
        assert f"{option} needs --pairs; name the file of pairs, or leave {option} out" in error(
            option, value
        )
    everyone = [f"{one} Person_{who}/Person_{who}_0001.jpg {int(who == 0)}" for who in range(12)]
    plain.write_text("\n".join(everyone))
    assert "has all 12 people of" in error("--pairs", plain)
    columns = (torch.tensor([number]) for number in (0, 1, 1, 1))
    pairs = FoldedPairs(PictureFiles([]), *columns)
    with pytest.raises(UsageError, match=r"folds 3: pairs.txt has folds 1 to 1"):
        pairs_of_folds(pairs, [3], Path("pairs.txt"), "folds")


def test_all_records_are_trained_on(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.vision_xmc.face.records import face_records, write_records

    people = IdentityImages(6, 3, 16)
    contents = face_records([people.image(i) for i in range(18)], people.labels.tolist())
    folder = write_records(tmp_path / "data", contents)
    data = ["--dataset", "recordio", "--data-path", folder, "--pairs", place / "pairs.txt"]
    arguments = [*data, "--pairs-images", place / "people", *SMALL, "--output", tmp_path / "run"]
    assert run(*arguments, "--epochs", 1) == 0
    printed = capsys.readouterr().out
    assert "have no names that --dataset recordio knows: nobody is left out" in printed
    assert "recordio: 6 people, 18 images; 16 pairs to validate on" in printed
