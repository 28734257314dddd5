"""The corpus, and one folder prepared from it."""

from pathlib import Path

import pytest

from data_prep import stages
from tests.data_prep.corpus import prepare_args, run_cli, write_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the raw corpus. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared corpus, with the report next to it in ``report``. Tests must not write to it."""
    # fairseq splits prefixes at commas; a comma in the name of the output folder must not matter.
    destdir = tmp_path_factory.mktemp("prepared") / "de,en"
    done = run_cli(*prepare_args(corpus, destdir))
    assert done.stderr == ""
    (destdir.parent / "report").write_text(done.stdout, encoding="utf-8")
    return destdir


@pytest.fixture
def no_fairseq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the last stage, which takes seconds, where its output does not matter."""
    monkeypatch.setitem(stages.STAGES, "binarise", lambda job, work: {"text": {}})
