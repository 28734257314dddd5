"""A dictionary in a label order: made by ``prepare`` or ``reorder``, and the same text read through it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary, data_utils
from torch import nn

from data_prep import stages
from data_prep.cli import main
from data_prep.dictionary import SPECIAL_SYMBOLS, read_symbols, write_reordered
from data_prep.manifest import Manifest
from mhe_nmt import balanced_radices, build_head
from mhe_nmt.order import read_ranks
from tests.data_prep.corpus import lines_of, prepare_args, run_here, snapshot

SPLITS = ("train", "valid", "test", "test1")


@pytest.fixture(scope="module")
def order(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The learned order of the prepared folder, as a file."""
    path = tmp_path_factory.mktemp("order") / "order.txt"
    assert run_here("order", "--data", prepared, "--output", path).returncode == 0
    return path


@pytest.fixture(scope="module")
def reordered(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared folder in the learned order. Tests must not write to it."""
    destdir = tmp_path_factory.mktemp("reordered") / "data"
    done = run_here("reorder", "--data", prepared, "--destdir", destdir)
    assert done.returncode == 0, done.stderr
    assert f"dict.en.txt is in a label order, in clusters of {balanced_radices(80, 2)[-1]}; " in done.stdout
    assert "leave --mhe-label-order out" in done.stdout
    return destdir


@pytest.fixture
def unordered(corpus: Path, tmp_path: Path, no_fairseq: None) -> Path:
    """A folder without binary files, with a dictionary a language and padding symbols in them."""
    destdir = tmp_path / "unordered"
    done = run_here(*prepare_args(corpus, destdir, "--no-joined-dictionary", "--vocab-size", 60))
    assert done.returncode == 0, done.stderr
    return destdir


def read_back(folder: Path, split: str, lang: str) -> tuple[Dictionary, list[torch.Tensor]]:
    dictionary = Dictionary.load(str(folder / f"dict.{lang}.txt"))
    data = data_utils.load_indexed_dataset(str(folder / f"{split}.de-en.{lang}"), dictionary)
    assert data is not None
    return dictionary, list(data)


@pytest.mark.parametrize("lang", ["de", "en"])
def test_fairseq_reads_the_same_text_with_ranks_as_labels(
    prepared: Path, reordered: Path, order: Path, lang: str
) -> None:
    ranks = torch.from_numpy(read_ranks(order, 80))
    assert not torch.equal(ranks, torch.arange(80))
    for split in SPLITS:
        (before, old), (after, new) = (read_back(folder, split, lang) for folder in (prepared, reordered))
        assert [after.string(line) for line in new] == [before.string(line) for line in old]
        assert len(old) == len(lines_of(prepared / "text" / f"{split}.{lang}"))
        for line, reordered_line in zip(old, new, strict=True):
            assert torch.equal(ranks[line.long()], reordered_line.long())
        assert [(after[rank], after.count[rank]) for rank in ranks.tolist()] == list(
            zip(before.symbols, before.count, strict=True)
        )
        assert after.symbols[:4] == list(SPECIAL_SYMBOLS)
        assert (after.bos(), after.pad(), after.eos(), after.unk()) == (0, 1, 2, 3)


def test_everything_but_numbers_stays(prepared: Path, reordered: Path) -> None:
    before, after = snapshot(prepared), snapshot(reordered)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert all(name.endswith(".bin") or name.startswith(("dict.", "manifest")) for name in changed)
    assert after["dict.de.txt"] == after["dict.en.txt"] != before["dict.en.txt"]
    assert sorted(after["dict.en.txt"].split(b"\n")) == sorted(before["dict.en.txt"].split(b"\n"))


def test_the_manifest_says_so(prepared: Path, reordered: Path) -> None:
    before, after = Manifest.load(prepared), Manifest.load(reordered)
    assert after.is_reordered
    assert not before.is_reordered
    assert all(after.is_whole(stage) for stage in stages.STAGES)
    assert after.options == {**before.options, "dictionary_order": "learned"}
    assert after.content["inputs"] == before.content["inputs"]
    assert after.stages["encode"]["dictionary"] == {
        "cluster_size": balanced_radices(80, 2)[-1],
        "by_frequency": before.outputs["dict.en.txt"]["sha256"],
    }
    assert after.stages["binarise"]["text"] == before.stages["binarise"]["text"]


def test_prepare_makes_the_same_folder(
    corpus: Path, reordered: Path, tmp_path: Path, no_fairseq: None
) -> None:
    """Up to the last stage, which is left out; the finished folder is up to date for ``prepare``."""
    args = prepare_args(corpus, tmp_path / "data", "--dictionary-order", "learned")
    done = run_here(*args)
    assert done.returncode == 0, done.stderr
    assert "dict.en.txt is in a label order" in done.stdout
    made, copied = snapshot(tmp_path / "data"), snapshot(reordered)
    assert {name for name in copied if copied[name] != made.get(name)} == {
        "manifest.json",
        *(name for name in copied if name.endswith((".bin", ".idx"))),
    }
    stages_of = [json.loads(folder["manifest.json"])["stages"] for folder in (made, copied)]
    assert [{**each, "binarise": None} for each in stages_of[:1]] == [{**stages_of[1], "binarise": None}]


@pytest.mark.parametrize("command", ["reorder", "prepare"])
def test_a_second_run_does_nothing(
    corpus: Path, prepared: Path, reordered: Path, tmp_path: Path, command: str
) -> None:
    copy = shutil.copytree(reordered, tmp_path / "copy")
    again = ["reorder", "--data", prepared, "--destdir", copy]
    done = run_here(
        *(again if command == "reorder" else prepare_args(corpus, copy, "--dictionary-order", "learned"))
    )
    assert done.stdout == f"{copy} is up to date; nothing to do\n", done.stderr
    assert snapshot(copy) == snapshot(reordered)


def test_a_given_order(
    prepared: Path, reordered: Path, order: Path, tmp_path: Path, no_fairseq: None
) -> None:
    args = ["reorder", "--data", prepared, "--destdir", tmp_path / "data", "--order", order]
    done = run_here(*args)
    assert done.returncode == 0, done.stderr
    assert "moved to the front" not in done.stdout
    assert (tmp_path / "data" / "dict.en.txt").read_bytes() == (reordered / "dict.en.txt").read_bytes()
    assert run_here(*args).stdout.endswith("is up to date; nothing to do\n")
    learned = run_here(*args[:-2])
    assert "--dictionary-order was file " in learned.stderr
    assert "and is now learned; use --overwrite" in learned.stderr
    assert run_here(*args[:-2], "--overwrite").returncode == 0


def test_special_symbols_are_moved_to_the_front(prepared: Path, tmp_path: Path, no_fairseq: None) -> None:
    ranks = np.random.default_rng(1).permutation(80)
    assert ranks[:4].tolist() != [0, 1, 2, 3]
    (tmp_path / "order.txt").write_text("".join(f"{rank}\n" for rank in ranks), encoding="utf-8")
    done = run_here(
        "reorder", "--data", prepared, "--destdir", tmp_path / "data", "--order", tmp_path / "order.txt"
    )
    assert "gives fairseq's own symbols other ranks than 0 to 3; they were moved to the front" in done.stdout
    before, after = (read_symbols(folder / "dict.en.txt") for folder in (prepared, tmp_path / "data"))
    by_rank = [before[label] for label in np.argsort(ranks)]
    assert after == [*SPECIAL_SYMBOLS, *(symbol for symbol in by_rank if symbol not in SPECIAL_SYMBOLS)]


def test_only_the_target_dictionary_is_reordered_where_there_are_two(
    unordered: Path, tmp_path: Path, no_fairseq: None
) -> None:
    done = run_here("reorder", "--data", unordered, "--destdir", tmp_path / "data", "--quiet")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    before, after = snapshot(unordered), snapshot(tmp_path / "data")
    assert {name for name in before if before[name] != after[name]} == {"dict.en.txt", "manifest.json"}
    padding = [line for line in lines_of(unordered / "dict.en.txt") if line.startswith("madeupword")]
    assert len(padding) == 4
    assert sorted(lines_of(tmp_path / "data" / "dict.en.txt")) == sorted(lines_of(unordered / "dict.en.txt"))


def test_an_interrupted_run_is_resumed(
    unordered: Path, tmp_path: Path, no_fairseq: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(job: object, work: object) -> None:
        raise KeyboardInterrupt

    args = ["reorder", "--data", str(unordered), "--destdir", str(tmp_path / "data")]
    with monkeypatch.context() as patch:
        patch.setitem(stages.STAGES, "binarise", interrupt)
        assert main(args) == 130
    assert list(Manifest.load(tmp_path / "data").stages) == ["clean", "subword", "encode"]
    made = (tmp_path / "data" / "dict.en.txt").stat().st_mtime_ns
    assert main(args) == 0
    assert (tmp_path / "data" / "dict.en.txt").stat().st_mtime_ns == made
    assert list(Manifest.load(tmp_path / "data").stages) == list(stages.STAGES)


def refused(*args: object) -> str:
    done = run_here(*args)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_reordered_folder_is_not_ordered_again(reordered: Path, tmp_path: Path) -> None:
    for command in (
        ["order", "--data", reordered, "--output", tmp_path / "x"],
        ["reorder", "--data", reordered, "--destdir", tmp_path / "x"],
    ):
        assert f"the dictionary of {reordered} is in a label order already" in refused(*command)
        assert not (tmp_path / "x").exists()


def test_prepare_by_frequency_refuses_the_folder(corpus: Path, reordered: Path) -> None:
    said = refused(*prepare_args(corpus, reordered))
    assert "--dictionary-order was learned and is now frequency; use --overwrite" in said


def test_the_folder_itself_is_not_reordered(prepared: Path) -> None:
    assert "whose trained models would no longer fit" in refused(
        "reorder", "--data", prepared, "--destdir", prepared.parent / "." / prepared.name
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0\n1\n", "holds 2 ranks but there are 80 symbols in the target dictionary"),
        ("0\n0\n", "line 2: rank 0 already stands on line 1"),
        ("x\n", "line 1: 'x' is not an integer rank"),
        ("".join(f"{n}\n" for n in range(81)), "rank 80 is outside [0, 80)"),
        (
            "# ranks\n# of dict.en.txt 0123456789abcdef, train.en 0\n" + "".join(f"{n}\n" for n in range(80)),
            "was made from another dictionary than",
        ),
        (None, "does not exist"),
    ],
)
def test_orders_that_do_not_fit(prepared: Path, tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "order.txt"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    said = refused("reorder", "--data", prepared, "--destdir", tmp_path / "data", "--order", path)
    assert reason in said
    assert str(path) in said
    assert not (tmp_path / "data").exists()


def test_options_that_do_not_fit_together(corpus: Path, prepared: Path, order: Path, tmp_path: Path) -> None:
    given = ["reorder", "--data", prepared, "--destdir", tmp_path / "data", "--order", order]
    assert "use one of the two" in refused(*given, "--cluster-size", 10)
    assert "add --dictionary-order learned" in refused(
        *prepare_args(corpus, tmp_path / "data", "--cluster-size", 10)
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("damage", "reason"), [("gone", "is gone"), ("changed", "was changed after")])
def test_a_damaged_folder(prepared: Path, tmp_path: Path, damage: str, reason: str) -> None:
    copy = shutil.copytree(prepared, tmp_path / "copy")
    if damage == "gone":
        (copy / "raw" / "train.de").unlink()
    else:
        (copy / "dict.en.txt").write_text("a 1\n", encoding="utf-8")
    assert reason in refused("reorder", "--data", copy, "--destdir", tmp_path / "data")


def test_an_unfinished_folder(prepared: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(prepared, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    del manifest["stages"]["binarise"]
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert f"{copy} is not finished" in refused("reorder", "--data", copy, "--destdir", tmp_path / "data")


def test_a_folder_of_an_earlier_version_can_be_reordered(
    prepared: Path, reordered: Path, tmp_path: Path, no_fairseq: None
) -> None:
    copy = shutil.copytree(prepared, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    for name in ("dictionary_order", "cluster_size"):
        del manifest["options"][name]
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    done = run_here("reorder", "--data", copy, "--destdir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "dict.en.txt").read_bytes() == (reordered / "dict.en.txt").read_bytes()


def test_entries_with_any_character_keep_their_counts(tmp_path: Path) -> None:
    """A piece may hold a no-break space or be a number; only the last blank divides it from its count."""
    entries = ["a\u00a0b 7", "12 5", "# 3", "\u2581 1"]
    path = tmp_path / "dict.txt"
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    write_reordered(path, path, np.array([0, 1, 2, 3, 7, 5, 6, 4]))
    assert lines_of(path) == [entries[3], entries[1], entries[2], entries[0]]
    assert read_symbols(path)[4:] == ["\u2581", "12", "#", "a\u00a0b"]


@torch.no_grad()
def tied_cascade(weight: torch.Tensor, order: torch.Tensor | None) -> torch.Tensor:
    """Log-probabilities ``(5, V)`` of a cascade by table with this matrix; the rest is always the same."""
    torch.manual_seed(1)
    head = build_head("cascade", 6, len(weight), order=order, bias=False)
    head.tie_weight(nn.Parameter(weight))
    torch.manual_seed(2)
    for _, parameter in sorted(head.named_parameters()):
        if parameter.shape != weight.shape:
            parameter.normal_()
    return head.log_prob(torch.randn(5, 6))


def test_a_tied_cascade_is_the_same_model_without_a_label_order(order: Path) -> None:
    ranks = torch.from_numpy(read_ranks(order, 80))
    weight = torch.randn(80, 6, generator=torch.Generator().manual_seed(3))
    with_order = tied_cascade(weight, ranks)
    by_dictionary = tied_cascade(weight[ranks.argsort()], None)
    torch.testing.assert_close(by_dictionary[:, ranks], with_order)
    assert not torch.allclose(tied_cascade(weight, None), with_order)
