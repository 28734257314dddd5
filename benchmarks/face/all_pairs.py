"""A face model on every pair of some people's pictures: `python -m benchmarks.face.all_pairs`.

A protocol of some thousand pairs can only tell models apart that differ by points. All pairs of the same
people's pictures are over a thousand times as many. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from vision_xmc.common.errors import run_command
from vision_xmc.face.data.pictures import PictureFiles
from vision_xmc.face.embed import Embedder, EmbedderOptions
from vision_xmc.face.metrics.verification import roc_curve, tar_at_far

PROGRAM = "python -m benchmarks.face.all_pairs"
FAR = 1e-3
#: Pictures per person, the first ones by name. The number of pairs of a person grows with the square.
MOST = 12


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, metavar="FILE")
    add("--images", type=Path, required=True, metavar="DIR", help="with PERSON/PICTURE")
    add("--people", type=Path, required=True, metavar="FILE", help="one name per line")
    options = parser.parse_args(arguments)
    return run_command(PROGRAM, lambda: print(json.dumps(_measured(options)), flush=True))


def _measured(options: argparse.Namespace) -> dict[str, float]:
    names = options.people.read_text(encoding="utf-8").splitlines()
    pictures = [sorted((options.images / name).iterdir())[:MOST] for name in names]
    people = torch.repeat_interleave(torch.tensor([len(own) for own in pictures]))
    files = PictureFiles([path for own in pictures for path in own])
    embeddings = Embedder(EmbedderOptions(checkpoint=options.checkpoint))(files)
    scores, same = all_pairs(embeddings, people)
    return {
        "pictures": len(people),
        "pairs": len(scores),
        "pairs_of_one_person": int(same.sum()),
        "auc": area(scores, same),
        "tar": tar_at_far(scores, same, [FAR])[0],
    }


def all_pairs(embeddings: Tensor, people: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs of N pictures, each once.

    Args:
        embeddings: ``(N, d)`` of length 1.
        people: ``(N,)``, the person on each.

    Returns:
        Cosines ``(N · (N - 1) / 2,)``, and whether both are of one person.
    """
    first, second = torch.triu_indices(len(people), len(people), offset=1)
    return (embeddings @ embeddings.T)[first, second], people[first] == people[second]


def area(scores: Tensor, same: Tensor) -> float:
    """Under the ROC curve of pairs ``(N,)``."""
    far, tar, _ = roc_curve(scores, same)
    return float(torch.trapezoid(tar, far))


if __name__ == "__main__":
    sys.exit(main())
