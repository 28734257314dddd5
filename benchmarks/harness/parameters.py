"""Counts a checkpoint's parameters: `python -m benchmarks.harness.parameters CHECKPOINT` prints them as JSON.

It is a program of its own because fairseq registers a plug-in only once per process.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.harness.process import USER_DIR


def count(model: nn.Module) -> dict[str, Any]:
    """The output layer's own parameters, those it shares with the embeddings, and the whole model's."""
    decoder = model.decoder
    head = getattr(decoder, "head", None) or decoder.adaptive_softmax or decoder.output_projection
    embeddings = {id(p) for side in (model.encoder, decoder) for p in side.embed_tokens.parameters()}
    own = sum(p.numel() for p in head.parameters() if id(p) not in embeddings)
    shared = sum(p.numel() for p in head.parameters() if id(p) in embeddings)
    return {
        "head": f"{type(head).__name__}({head.extra_repr()})",
        "output_layer_parameters": own,
        "output_layer_shared_parameters": shared,
        "total_parameters": sum(p.numel() for p in model.parameters()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.harness.parameters", description=__doc__.split("\n")[0]
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--user-dir", type=Path, default=USER_DIR)
    options = parser.parse_args()
    # Here and not above: fairseq takes seconds to import.
    from fairseq import checkpoint_utils, utils

    utils.import_user_module(argparse.Namespace(user_dir=str(options.user_dir)))
    models, _, _ = checkpoint_utils.load_model_ensemble_and_task([str(options.checkpoint)])
    print(json.dumps(count(models[0])))


if __name__ == "__main__":
    main()
