"""With the plug-in, models with fairseq's own adaptive softmax resume training and translate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fairseq_cli import train

from tests.user_dir.fairseq_commands import fairseq_generate, run, training_arguments
from tests.user_dir.toy_corpus import SIZES
from tests.user_dir.trained_models import load, parameters

SHARED = ["--share-all-embeddings", "--share-decoder-input-output-embed"]


@pytest.mark.parametrize("sharing", SHARED)
def test_checkpoints_with_shared_embeddings_load(sharing: str, corpus: Path, tmp_path: Path) -> None:
    arguments = training_arguments(corpus, tmp_path)
    at = arguments.index("--label-smoothing")
    del arguments[at : at + 2]
    adaptive = ["--arch", "transformer_tiny", "--criterion", "adaptive_loss"]
    adaptive += ["--adaptive-softmax-cutoff", "10,20", "--ddp-backend", "legacy_ddp", sharing]
    for updates in (4, 6):
        output = run(train.cli_main, *arguments, *adaptive, "--max-update", updates)
        assert max(int(record.get("num_updates", 0)) for record in output.records()) == updates
    checkpoint = tmp_path / "checkpoint_last.pt"
    model, _ = load(checkpoint)
    stored = parameters(checkpoint)
    assert "decoder.adaptive_softmax.head.weight" in stored
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, stored[name]), name
    translated = fairseq_generate(corpus, checkpoint, "--beam", 2)
    assert len(translated.lines("H")) == SIZES["test"]
