"""A folder that several workers ask for is made by one of them; a failed attempt is made good."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.made_once import made_once


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a worker has for a factory of folders, in a session whose folder is ``tmp_path``."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    return SimpleNamespace(getbasetemp=lambda: tmp_path / "popen-gw0")


def test_four_ask_at_once(factory: Any, tmp_path: Path) -> None:
    calls = []

    def make(folder: Path) -> str:
        calls.append(folder)
        time.sleep(0.1)
        (folder / "content").write_text("made")
        return "result"

    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda _: made_once(factory, "thing", make), range(4)))
    assert found == [(tmp_path / "made-once" / "thing", "result")] * 4
    assert calls == [tmp_path / "made-once" / "thing"]
    assert (calls[0] / "content").read_text() == "made"


def test_a_failed_attempt_leaves_nothing(factory: Any) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        made_once(factory, "thing", fail)
    folder, names = made_once(factory, "thing", lambda folder: [path.name for path in folder.iterdir()])
    assert names == []
    assert folder.is_dir()
