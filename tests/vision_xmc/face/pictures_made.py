"""Made-up pictures of people, files of pairs and small checkpoints, for the commands of face recognition."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from vision_xmc.engine import checkpoint
from vision_xmc.face.__main__ import main
from vision_xmc.face.backbones.build import build_backbone

#: A network that runs in seconds.
ARCH, EMBEDDING, SIZE = "mobilefacenet", 24, 32


def run(*arguments: Any) -> int:
    """Runs the command in this process; returns its exit status."""
    return main([str(argument) for argument in arguments])


def face(person: int, picture: int, size: int = SIZE) -> np.ndarray:
    """``(size, size, 3)`` uint8: coarse blocks in the person's colours, and noise that differs by picture."""
    coarse = np.random.default_rng(person).integers(0, 200, (4, 4, 3))
    noise = np.random.default_rng((person, picture)).integers(0, 55, (size, size, 3))
    return (np.kron(coarse, np.ones((size // 4, size // 4, 1))) + noise).astype(np.uint8)


def encoded(image: np.ndarray, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def write_people(folder: Path, people: int = 8, pictures: int = 3, extension: str = ".jpg") -> Path:
    """Writes ``NAME/NAME_0001.jpg`` and so on, as LFW has them."""
    for person in range(people):
        place = folder / f"Person_{person}"
        place.mkdir(parents=True)
        for picture in range(pictures):
            path = place / f"Person_{person}_{picture + 1:04d}{extension}"
            Image.fromarray(face(person, picture)).save(path)
    return folder


def view_2(folds: int = 4, people: int = 8) -> str:
    """LFW's view 2 of the people from :func:`write_people`, with two pairs of each kind per fold."""
    lines = [f"{folds}\t2"]
    for fold in range(folds):
        one, two = 2 * fold % people, (2 * fold + 1) % people
        lines += [f"Person_{one}\t1\t2", f"Person_{two}\t3\t1"]
        lines += [f"Person_{one}\t1\tPerson_{two}\t1", f"Person_{one}\t2\tPerson_{two}\t3"]
    return "\n".join(lines) + "\n"


def learn_statistics(model: nn.Module, images: torch.Tensor) -> None:
    """Gives batch norms the statistics of these images; their initial statistics would drown the signal."""
    for part in model.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.momentum = None
    with torch.no_grad():
        model.train()(images)
    model.eval()


def write_checkpoint(path: Path, threshold: float | None = None) -> Path:
    """Writes a backbone with random weights whose batch norms have seen the made-up people.

    With a ``threshold``, the checkpoint is like one that a training has chosen by pairs.
    """
    torch.manual_seed(0)
    backbone = build_backbone(ARCH, EMBEDDING, SIZE)
    images = np.stack([face(person, picture) for person in range(8) for picture in range(2)])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    learn_statistics(backbone, pixels)
    model = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    model["head.weight"] = torch.zeros(8, EMBEDDING)
    known = {"arch": ARCH, "embedding": EMBEDDING, "image_size": SIZE}
    verified = {} if threshold is None else {"metrics": {"accuracy": 0.9, "threshold": threshold}}
    checkpoint.save(path, {"options": known, "model": model, **verified})
    return path
