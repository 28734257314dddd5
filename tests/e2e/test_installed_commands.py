"""The installed commands as a user runs them: exit status, stderr, lines typed in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.user_dir.fairseq_commands import (
    SCRIPTS,
    USER_DIR,
    decoding_arguments,
    fairseq_generate,
    one_thread,
    script,
    training_arguments,
)
from tests.user_dir.trained_models import CONFIGURATIONS

REPOSITORY = USER_DIR.parent


class Foreign:
    """Unpickling an instance creates the file ``marker``."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.marker, "w")


def assert_refused(finished: subprocess.CompletedProcess[str], reason: str) -> None:
    """Checks for a non-zero exit, one sentence as the last line of stderr, and no traceback."""
    assert finished.returncode != 0
    assert finished.stderr.splitlines()[-1].startswith("error: ")
    assert reason in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr + finished.stdout


def with_user_dir(arguments: list[str], path: str) -> list[str]:
    return [path if argument == str(USER_DIR) else argument for argument in arguments]


def test_training_with_a_bad_option(corpus: Path, tmp_path: Path) -> None:
    """With ``--user-dir`` relative to the checkout."""
    arguments = with_user_dir(training_arguments(corpus, tmp_path / "run"), "user_dir")
    finished = script("fairseq-train", *arguments, "--mhe-radices", "5,5", cwd=REPOSITORY)
    assert_refused(finished, "radices [5, 5] give 25 codes, too few for 45 labels")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


@pytest.mark.slow
def test_translating_with_a_foreign_checkpoint(corpus: Path, tmp_path: Path) -> None:
    """From another folder, with an absolute ``--user-dir``."""
    marker, checkpoint = tmp_path / "ran", tmp_path / "model.pt"
    torch.save({"args": Foreign(marker), "model": {}}, checkpoint)
    before = checkpoint.read_bytes()
    finished = script("fairseq-generate", *decoding_arguments(corpus, checkpoint), cwd=tmp_path)
    assert_refused(finished, f"{checkpoint} holds a pickled io.open")
    assert not marker.exists()
    assert checkpoint.read_bytes() == before


def test_training_and_lines_typed_in_one_by_one(corpus: Path, tmp_path: Path) -> None:
    """From another folder, with paths relative to it; each line is answered before the next is typed."""
    relative = os.path.relpath(USER_DIR, tmp_path)
    data = Path(os.path.relpath(corpus, tmp_path))
    arguments = with_user_dir(training_arguments(data, Path("run")), relative)
    trained = script("fairseq-train", *arguments, *CONFIGURATIONS["cascade-tied"], cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    checkpoint = Path("run") / "checkpoint_last.pt"
    generated = fairseq_generate(corpus, tmp_path / checkpoint)

    arguments = with_user_dir(decoding_arguments(data, checkpoint), relative)
    process = subprocess.Popen(
        [SCRIPTS / "fairseq-interactive", *arguments, "--source-lang", "xx", "--target-lang", "yy"],
        cwd=tmp_path, text=True, env={**one_thread(), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for number in range(3):
            process.stdin.write(generated.lines("S")[number][0][0] + "\n")
            process.stdin.flush()
            answer = ""
            while not answer.startswith(f"H-{number}\t"):
                answer = process.stdout.readline()
                assert answer, "the command ended before it answered"
            _, score, text = answer.rstrip("\n").split("\t")
            expected_score, expected_text = generated.lines("H")[number][0]
            assert text == expected_text
            assert float(score) == pytest.approx(float(expected_score), abs=1e-4)
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.stdout.close()


@pytest.mark.slow
def test_averaging_a_missing_checkpoint(tmp_path: Path) -> None:
    module = ["-m", "user_dir.average_checkpoints", "--output", tmp_path / "average.pt", "--inputs"]
    finished = script("python", *module, tmp_path / "none.pt", cwd=REPOSITORY)
    assert_refused(finished, f"no checkpoint at {tmp_path / 'none.pt'}")
    assert not (tmp_path / "average.pt").exists()
