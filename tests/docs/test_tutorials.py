"""The tutorials run as they are written: every block of a page, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, REPOSITORY, blocks

#: What a command in a tutorial may expect to find in the repository's folder.
PACKAGES = ("benchmarks", "data_prep", "examples", "mhe_nmt", "user_dir")


def run_page(page: str, folder: Path) -> str:
    """Runs the page's blocks in ``folder``: files are written, shell blocks share one shell.

    Returns what the commands printed.
    """
    script = ["set -euo pipefail"]
    written: set[str] = set()
    for block in blocks(DOCS / page):
        if block.file is not None:
            # A file may be told in several blocks; each continues it.
            there = block.file in written
            written.add(block.file)
            script.append(f"mkdir -p $(dirname {block.file})")
            script.append(
                f"cat {'>>' if there else '>'} {block.file} <<'END_OF_BLOCK'\n{block.text}\nEND_OF_BLOCK"
            )
        elif block.language == "bash":
            # The environment is the one that runs the tests.
            script.append(block.text.replace("source .venv/bin/activate\n", ""))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=3000,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.mark.slow
def test_heads_in_a_pytorch_model(tmp_path: Path) -> None:
    said = run_page("tutorials/pytorch.md", tmp_path)
    accuracy = float(said.split("accuracy ")[1].split("%")[0])
    assert accuracy > 60, said
    assert "refused: the checkpoint's radices [70, 72]" in said
    assert (tmp_path / "words.pt").exists()


@pytest.mark.slow
def test_first_translation_model(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    said = run_page("tutorials/translation.md", tmp_path)
    for model in ("full-softmax", "cascade-digit"):
        bits, bleu = map(float, re.findall(rf"{model}: ([\d.]+) bits per subword, ([\d.]+) BLEU", said)[0])
        assert bits < 4, said[-4000:]
        assert bleu > 5, said[-4000:]
    assert (tmp_path / "tutorial" / "chart.png").read_bytes().startswith(b"\x89PNG")
