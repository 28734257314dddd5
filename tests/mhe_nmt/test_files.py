"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from mhe_nmt.files import replacing, replacing_folder


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(writer: AbstractContextManager[Path], error: type[BaseException]) -> None:
    with writer as partial:
        (partial / "new.txt" if partial.is_dir() else partial).write_text("half")
        raise error


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    with replacing(path) as partial:
        assert partial.parent == tmp_path
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["table.txt"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text("old")
    with replacing(str(path)) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("older", [None, "old"])
def test_an_exception_leaves_everything_as_it_was(
    tmp_path: Path, older: str | None, error: type[BaseException]
) -> None:
    path = tmp_path / "table.txt"
    if older is not None:
        path.write_text(older)
    before = names(tmp_path)
    with pytest.raises(error):
        write_half(replacing(path), error)
    assert names(tmp_path) == before
    assert older is None or path.read_text() == older


def test_a_body_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"


def test_a_rename_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"), replacing(tmp_path / "folder") as partial:
        partial.write_text("new")
    assert names(tmp_path) == ["folder"]


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    writer = replacing(path)
    left = writer.__enter__()
    left.write_text("half")
    left.chmod(0o400)
    with umask(0o022), replacing(path) as partial:
        assert partial == left
        assert not partial.exists()
        partial.write_text("whole")
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["table.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_modes_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o400)
    with umask(mask):
        with replacing(tmp_path / "file") as partial:
            partial.write_text("new")
        with replacing_folder(tmp_path / "folder") as partial:
            (partial / "inside").write_text("new")
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    assert (tmp_path / "folder" / "inside").stat().st_mode & 0o777 == mode
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize("write", [replacing, replacing_folder])
def test_a_missing_parent_is_named_before_the_work(tmp_path: Path, write) -> None:
    parent, reached = tmp_path / "nowhere", False
    with pytest.raises(FileNotFoundError) as raised, write(parent / "table"):
        reached = True
    assert not reached
    assert raised.value.filename == str(parent)
    assert raised.value.strerror == "there is no such folder"


def test_the_temporary_file_can_lie_in_another_folder(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with replacing(tmp_path / "table.txt", scratch=scratch) as partial:
        assert partial.parent == scratch
        partial.write_text("whole")
    assert (tmp_path / "table.txt").read_text() == "whole"
    assert not names(scratch)


def test_the_content_is_on_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append("fsync") or fsync(descriptor))
    monkeypatch.setattr(os, "replace", lambda old, new: calls.append("replace") or replace(old, new))
    with replacing(tmp_path / "file") as partial:
        partial.write_text("whole")
    assert calls == ["fsync", "replace"]


@pytest.mark.parametrize("older", [False, True])
def test_a_folder_appears_at_the_end(tmp_path: Path, older: bool) -> None:
    path = tmp_path / "model"
    if older:
        path.mkdir()
        (path / "old.txt").write_text("old")
    with replacing_folder(path) as partial:
        (partial / "below").mkdir()
        (partial / "below" / "new.txt").write_text("new")
        assert path.exists() == older
    assert names(path) == ["below"]
    assert (path / "below" / "new.txt").read_text() == "new"
    assert names(tmp_path) == ["model"]


def test_an_exception_keeps_the_older_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(replacing_folder(path), KeyboardInterrupt)
    assert names(tmp_path) == ["model"]
    assert (path / "old.txt").read_text() == "old"


def test_a_folder_that_cannot_be_renamed_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "model", os.replace
    path.mkdir()
    (path / "old.txt").write_text("old")

    def failing(old: Path, new: Path) -> None:
        if Path(old).name.endswith(".part"):
            raise OSError("no room")
        replace(old, new)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no room"), replacing_folder(path) as partial:
        (partial / "new.txt").write_text("new")
    assert names(tmp_path) == ["model"]
    assert (path / "old.txt").read_text() == "old"


def test_a_folder_that_was_moved_away_when_the_process_was_killed_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".model.old").mkdir()
    with replacing_folder(tmp_path / "model") as partial:
        (partial / "new.txt").write_text("new")
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["new.txt"]
