"""Every command of the project, ``python -m MODULE``, starts and tells its options."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("benchmarks", "data_prep", "examples", "user_dir", "vision_xmc")


def commands() -> list[str]:
    """The modules that can be run, by name."""
    found = []
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if path.name == "__main__.py" or 'if __name__ == "__main__":' in path.read_text(encoding="utf-8"):
                parts = path.relative_to(REPOSITORY).with_suffix("").parts
                found.append(".".join(parts).removesuffix(".__main__"))
    return found


@pytest.mark.parametrize("module", commands())
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_help(module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # In this process: importing torch, fairseq and transformers anew takes seconds for each command.
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    printed = capsys.readouterr()
    assert stopped.value.code in (0, None), printed.err
    assert printed.out.startswith("usage: ")
    assert printed.err == ""
