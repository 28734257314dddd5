"""The demo's command on a small text of the user's own, and its mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.demo", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_own_text(tmp_path: Path) -> None:
    words = ["eins", "zwei", "drei", "vier", "sieben"]
    lines = [f"{a} {b} {c} und {a}" for a in words for b in words for c in words for _ in range(2)]
    for side, conjunction in (("de", "und"), ("en", "and")):
        text = "".join(f"{line.replace('und', conjunction)} {n}\n" for n, line in enumerate(lines))
        (tmp_path / side).write_text(text, encoding="utf-8")
    arguments = ["--src", tmp_path / "de", "--tgt", tmp_path / "en", "--heads", "onehot-tied,cascade-digit",
                 "--max-update", 2, "--out", tmp_path / "out"]  # fmt: skip
    for call in range(2):
        done = demo(*arguments)
        assert done.returncode == 0, done.stderr
        for name in ("full softmax, tied", "cascade by digit"):
            assert f"| {name} |" in done.stdout
        # The text is too small for the usual vocabulary.
        assert ("The text supports no more than" in done.stdout) == (call == 0)
    # The cascade's dictionary is in a learned order; the second call found everything done.
    dictionaries = [
        (tmp_path / "out" / data / "dict.en.txt").read_text() for data in ("data", "data-ordered")
    ]
    assert dictionaries[0] != dictionaries[1]
    assert "fairseq-train" not in done.stdout
    page = (tmp_path / "out" / "result.md").read_text(encoding="utf-8")
    assert done.stdout[done.stdout.index("| full softmax, tied |") :].splitlines()[0] in page.splitlines()
    assert "](result.png)" in page
    assert (tmp_path / "out" / "result.png").read_bytes().startswith(b"\x89PNG")


def test_unknown_output_layer(tmp_path: Path) -> None:
    done = demo("--heads", "onehot,adaptive-softmax", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "examples.demo: error: --heads 'onehot,adaptive-softmax': give different names"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--src", "a.de"], "give both --src and --tgt, or neither", marks=pytest.mark.slow),
        pytest.param(["--seconds", "0"], "--seconds 0: give a number above 0", marks=pytest.mark.slow),
        pytest.param(
            ["--max-update", "-3"], "--max-update -3: give a number above 0", marks=pytest.mark.slow
        ),
        (["--src", "missing.de", "--tgt", "missing.en"], "missing.de does not exist"),
    ],
)
def test_bad_input_ends_in_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = demo(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("examples.demo: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
