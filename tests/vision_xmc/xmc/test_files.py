"""Every layout gives the same data set; mistakes in it are refused and oddities are reported."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from tests.vision_xmc.xmc.corpus import documents, write_corpus, write_lines
from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.data.docstrings import _of_node, docstring_parts
from vision_xmc.xmc.data.files import Documents, Part
from vision_xmc.xmc.data.label_sets import LabelSets
from vision_xmc.xmc.data.splits import Split, XmcData, assemble, load_parts

WEIGHTS = np.array([[0, 0.5, 0, 2], [0, 0, 0, 0], [1, 0, 0, 0.25], [0, 1, 1, 0]], dtype=np.float32)
SETS = [["7", "9"], ["9"], ["20"], ["7"]]


def load(path: Path, valid: float | None = 0, test: float = 0, said: list[str] | None = None) -> XmcData:
    return assemble(load_parts(path), valid, test, 0, (said if said is not None else []).append)


def named(data: XmcData, split: Split | None) -> list[list[str]]:
    assert split is not None
    names = data.label_names + data.unseen
    return [[names[label] for label in split.sets[number]] for number in range(len(split))]


def assert_texts(data: XmcData) -> None:
    for split, (count, seed) in ((data.train, (400, 1)), (data.test, (60, 2))):
        texts, sets = documents(count, seed)
        assert split is not None
        assert split.documents == texts
        assert [sorted(names) for names in named(data, split)] == [sorted(labels) for labels in sets]
    assert data.unseen == []
    assert len(data.label_names) == 40


@pytest.mark.parametrize("prefix", ["texts", "raw_texts"])
def test_texts_and_labels_by_line(prefix: str, tmp_path: Path) -> None:
    assert_texts(load(write_corpus(tmp_path, prefix=prefix)))


@pytest.mark.parametrize("name", ["{}.jsonl", "{}.json.gz"])
def test_json_lines(name: str, tmp_path: Path) -> None:
    roles = (("train", "trn", 400, 1), ("test", "tst", 60, 2))
    for role, short, count, seed in roles:
        lines = []
        for number, (text, labels) in enumerate(zip(*documents(count, seed), strict=True)):
            first, _, rest = text.partition(" ")
            # Lines alternate between the plain names and those of the repository's raw text.
            plain = {"text": text.replace(" ", "\n", 1), "labels": labels}
            lines.append(plain if number % 2 else {"title": first, "content": rest, "target_ind": labels})
        content = "".join(json.dumps(line) + "\n" for line in lines)
        path = tmp_path / name.format(role if name.endswith("l") else short)
        path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    assert_texts(load(tmp_path))


def write_repository(path: Path) -> None:
    rows = [
        f"{','.join(labels)} " + " ".join(f"{t}:{w:g}" for t, w in enumerate(row) if w)
        for labels, row in zip(SETS, WEIGHTS, strict=True)
    ]
    write_lines(path, ["4 4 21", *rows])


def write_matrices(folder: Path, names: tuple[str, str]) -> None:
    labels = np.zeros((4, 21), dtype=np.float32)
    for row, names_of_row in enumerate(SETS):
        labels[row, [int(label) for label in names_of_row]] = 1
    for name, matrix in zip(names, (WEIGHTS, labels), strict=True):
        sparse.save_npz(folder / name, sparse.csr_array(matrix))


def assert_rows(documents: Documents) -> None:
    assert isinstance(documents, sparse.csr_array)
    np.testing.assert_array_equal(documents.toarray(), WEIGHTS)


@pytest.mark.parametrize("layout", ["repository", "X.trn.npz", "train.X.npz", "pair"])
def test_bags_of_words(layout: str, tmp_path: Path) -> None:
    path, said = tmp_path, []
    if layout == "repository":
        write_repository(tmp_path / "eurlex_train.txt")
    elif layout == "pair":
        write_matrices(tmp_path, ("small.X.npz", "small.Y.npz"))
        path = tmp_path / "small"
    else:
        write_matrices(tmp_path, (layout, layout.replace("X", "Y")))
    data = load(path, said=said)
    assert_rows(data.train.documents)
    assert named(data, data.train) == SETS
    # Labels are sorted as numbers, and a column without a document is not a label.
    assert data.label_names == ["7", "9", "20"]
    assert any("1 documents are empty, the first on line 2" in sentence for sentence in said)


def test_names_of_columns(tmp_path: Path) -> None:
    write_matrices(tmp_path, ("small.X.npz", "small.Y.npz"))
    write_lines(tmp_path / "small.labels.txt", [f"tag{number}" for number in range(21)])
    assert load(tmp_path / "small").label_names == ["tag20", "tag7", "tag9"]


def test_oddities_are_reported(tmp_path: Path) -> None:
    folder, said = write_corpus(tmp_path), []
    for role in ("train", "test"):
        labels = (folder / f"{role}_labels.txt").read_text().splitlines()
        labels[3] = "" if role == "train" else "Lnew L1 Lnew"
        write_lines(folder / f"{role}_labels.txt", labels)
    texts = (folder / "train_texts.txt").read_text().splitlines()
    write_lines(folder / "train_texts.txt", [*texts[:5], "   ", *texts[6:]])
    data = load(folder, said=said)
    assert data.unseen == ["Lnew"]
    assert data.test is not None
    assert data.test.sets[3].tolist() == [data.label_names.index("L1"), 40]
    assert "1 of 400 documents have no label" in said[0]
    assert "1 documents are empty, the first on line 6" in said[1]
    assert "1 labels are on no training document, such as Lnew" in said[2]


def test_held_out_parts(tmp_path: Path) -> None:
    write_matrices(tmp_path, ("small.X.npz", "small.Y.npz"))
    data = load(tmp_path / "small", valid=1, test=0.25)
    assert [len(split) for split in (data.train, data.valid, data.test) if split] == [2, 1, 1]
    rows = [
        split.documents.toarray()[n]
        for split in (data.train, data.valid, data.test)
        for n in range(len(split))
    ]  # type: ignore[union-attr]
    assert sorted(map(tuple, rows)) == sorted(map(tuple, WEIGHTS))
    again = load(tmp_path / "small", valid=1, test=0.25)
    assert named(again, again.train) == named(data, data.train)
    with pytest.raises(UsageError, match="--valid-size 3 holds out 3 of 3 documents"):
        load(tmp_path / "small", valid=3, test=1)


@pytest.mark.parametrize(("documents", "held_out"), [(2, 1), (9, 1), (300, 30), (4000, 250), (20_000, 400)])
def test_how_many_are_held_out_by_default(documents: int, held_out: int) -> None:
    sets = LabelSets.of([[0, 1, 2]] * documents)
    part = Part(["a text"] * documents, sets, ["a", "b", "c"], "made up")
    data = assemble({"train": part, "test": part}, None, 0, 0, [].append)
    assert data.valid is not None
    assert (len(data.valid), len(data.train)) == (held_out, documents - held_out)


def _broken(tmp_path: Path, name: str, content: bytes) -> str:
    folder = write_corpus(tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load(folder)
    return str(caught.value)


def test_texts_that_do_not_fit(tmp_path: Path) -> None:
    assert "train_texts.txt has 400 lines but" in _broken(tmp_path / "a", "train_labels.txt", b"L1\n")
    assert "train_texts.txt, line 2, is not UTF-8" in _broken(tmp_path / "b", "train_texts.txt", b"a\n\xff\n")
    folder = write_corpus(tmp_path / "c")
    (folder / "train_labels.txt").unlink()
    with pytest.raises(UsageError, match=r"train_texts\.txt needs train_labels\.txt next to it"):
        load(folder)
    with pytest.raises(UsageError, match="holds no training part"):
        load(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        load(tmp_path / "none")
    assert "has 1 different labels; a training needs at least 3" in _broken(
        tmp_path / "d", "train_labels.txt", b"L1\n" * 400
    )


@pytest.mark.parametrize(
    "line", ["not json", '{"text": "a"}', '{"labels": ["a"]}', '{"text": 3, "labels": ["a"]}', "[1]"]
)
def test_json_lines_that_are_wrong(line: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", ['{"text": "a", "labels": ["b"]}', line])
    with pytest.raises(UsageError, match=r"train\.jsonl, line 2: expected an object such as"):
        load(tmp_path)


def test_repository_files_that_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    for lines, sentence in (
        (["1,2 0:1"], "line 1: expected the numbers of documents, terms and labels"),
        (["2 4 3", "1 0:1", "2 0:x"], "line 3: expected 'l1,l2 t1:w1 …'"),
        (["2 4 3", "1 0:1"], "line 1, announces 2 documents but 1 lines follow"),
    ):
        write_lines(path, lines)
        with pytest.raises(UsageError, match=sentence):
            load(tmp_path)


def test_matrices_that_do_not_fit(tmp_path: Path) -> None:
    write_matrices(tmp_path, ("small.X.npz", "small.Y.npz"))
    sparse.save_npz(tmp_path / "small.Y.npz", sparse.csr_array(np.eye(3)))
    with pytest.raises(UsageError, match=r"small\.X\.npz has 4 rows but"):
        load(tmp_path / "small")
    (tmp_path / "small.Y.npz").write_bytes(b"no matrix")
    with pytest.raises(UsageError, match=r"small\.Y\.npz is not a matrix"):
        load(tmp_path / "small")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_docstrings(cache: Path) -> None:
    data = assemble(docstring_parts(cache), 0.1, 0, 0, [].append)
    assert data.test is not None
    assert len(data.train) > 2000
    assert len(data.test) > 500
    assert len(data.label_names) >= 1000
    assert not set(data.train.documents) & set(data.test.documents)
    again = assemble(docstring_parts(cache), 0.1, 0, 0, [].append)
    assert again.train.documents == data.train.documents
    assert named(again, again.train) == named(data, data.train)


def test_labels_of_docstrings() -> None:
    source = '''"""About the whole module."""
class HTTPError:
    """Brief."""
    def getURLName_of(self):
        """What is wrong
        with it, in words."""
'''
    assert list(_of_node(ast.parse(source), ("http", "client"), [])) == [
        ("About the whole module.", ["module:http", "module:http.client"]),
        (
            "What is wrong with it, in words.",
            [
                "module:http",
                "module:http.client",
                "word:error",
                "word:get",
                "word:http",
                "word:name",
                "word:url",
            ],
        ),
    ]
