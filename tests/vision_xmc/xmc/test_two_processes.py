"""The text trainer in two processes over gloo trains as one process with twice the micro-batches does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vision_xmc.commands import SCRIPTS
from tests.vision_xmc.engine.toy_task import records
from tests.vision_xmc.xmc.corpus import QUICK, command, run, write_corpus
from tests.vision_xmc.xmc.tiny_encoders import save_encoder

TORCHRUN = (SCRIPTS / "torchrun", "--standalone", "--nproc_per_node=2")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["bow", "bert"])
def test_torchrun(encoder: str, tmp_path: Path) -> None:
    """61 is odd, and each test document counts once. Gradients of labels and terms are sparse."""
    corpus = write_corpus(tmp_path / "corpus", train=120, test=61)
    options = ["--dataset", corpus, *QUICK, "--epochs", 2, "--log-steps", 1, "--clip-norm", 1,
               "--cache-dir", tmp_path / "cache", "--dropout", 0, "--term-dropout", 0]  # fmt: skip
    if encoder == "bow":
        options += ["--sparse-labels"]
    else:
        folder = save_encoder(tmp_path / "encoder", encoder)
        for path in [folder / "config.json"]:
            config = json.loads(path.read_text())
            # Dropout draws depend on the process, so there must be none.
            path.write_text(
                json.dumps(config | {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0})
            )
        options += ["--encoder", folder, "--max-len", 16, "--feature-layers", 2, "--lr", 0.005]
    done = command(*options, "--output", tmp_path / "two", launcher=TORCHRUN)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("40 labels") == 1
    assert run(*options, "--output", tmp_path / "one", "--accumulate", 2) == 0
    two, one = ([r["loss"] for r in records(tmp_path / name, "train")] for name in ("two", "one"))
    assert len(two) == 8
    assert two == pytest.approx(one, rel=1e-3)
    for by_two, by_one in zip(
        records(tmp_path / "two", "final"), records(tmp_path / "one", "final"), strict=True
    ):
        for name, value in by_one.items():
            if name.startswith(("P@", "R@")):
                assert by_two[name] == pytest.approx(value, abs=0.02)


@pytest.mark.slow
def test_a_mistake_is_reported_once(tmp_path: Path) -> None:
    done = command("--dataset", tmp_path / "none", launcher=TORCHRUN)
    assert done.returncode != 0
    assert done.stderr.count("none: no such folder") == 1
