"""Trainings of small face models in every process that ``torchrun`` starts.

``shard_worker.py FOLDER`` trains all jobs; ``shard_worker.py FOLDER JOB UPDATES`` trains one of them for that
many updates. In addition to the checkpoints of each job, process ``r`` writes the sizes of the weights and
optimizer state that it held to ``JOB/held-r.pt``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from mhe_nmt.margin import build_margin
from mhe_nmt.options import as_plain
from tests.vision_xmc.engine.toy_task import options
from vision_xmc.data.pictures import SomeImages
from vision_xmc.engine.distributed import start
from vision_xmc.engine.loop import Loop
from vision_xmc.face.backbones.tiny import TinyFace
from vision_xmc.face.data.held_out import make_pairs
from vision_xmc.face.data.identities import IdentityImages
from vision_xmc.face.data.load import FaceData
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.class_shards import ClassShards
from vision_xmc.face.model import FaceModel
from vision_xmc.face.options import FaceOptions
from vision_xmc.face.task import FaceTask

#: Margin, sampler and training of each job. 41 images in batches of 10 end in a batch of one, which leaves
#: processes without an example. Neither two nor three processes can divide the 23 classes evenly.
JOBS: dict[str, tuple[str, dict[str, Any] | None, dict[str, Any]]] = {
    "full-arcface": ("arcface", None, {"clip_norm": 2.0}),
    "full-cosface": ("cosface", None, {"average": "ema"}),
    "sampled-arcface": ("arcface", {"radices": (8, 3), "sample_fraction": 0.8}, {"clip_norm": 2.0}),
    "sampled-cosface": (
        "cosface",
        {"radices": (6, 2, 2), "sample_fraction": 0.6, "order": torch.arange(22, -1, -1)},
        {"optimizer": "adamw", "lr": 0.01},
    ),
    # All targets belong to the first process, and the budget hardly has room for a block as well.
    "few-targets": ("arcface", {"radices": (12, 2), "sample_fraction": 0.3}, {}),
}
CLASSES = 23
TRAINING: dict[str, Any] = {
    "epochs": 2, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "constant",
}  # fmt: skip


class SomeOfAll(SomeImages):
    """Some images; their people keep the class numbers of the whole set."""

    def __init__(self, images: IdentityImages, people: int, count: int) -> None:
        super().__init__(images, np.flatnonzero(images.labels < people)[:: 2 if people > 5 else 1][:count])


class InDouble(nn.Module):
    """A network in float64, so that one process and several hardly differ by rounding."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.double())


def make_task(name: str) -> FaceTask:
    """The training task of a job."""
    margin, sampling, _ = JOBS[name]
    images = IdentityImages(CLASSES, 4, 16)
    train = SomeOfAll(images, 5, 20) if name == "few-targets" else SomeOfAll(images, CLASSES, 41)
    pairs = make_pairs(IdentityImages(6, 4, 16, first=CLASSES), 30, 0)
    torch.manual_seed(5)
    sampler = BlockSampler(CLASSES, **sampling) if sampling is not None else None
    head = ClassShards(8, CLASSES, build_margin(margin, 16.0), sampler=sampler, seed=2)
    faces = FaceOptions(arch="tiny", embedding=8, image_size=16)
    model = FaceModel(InDouble(TinyFace(8, 16, width=8, batch_norm=False)), head).double()
    return FaceTask(model, FaceData(train, pairs), faces, seed=1)


def train(folder: Path, name: str, **changes: Any) -> None:
    """Trains a job in ``folder / name``."""
    chosen = options(folder / name, **{**TRAINING, **JOBS[name][2], **changes})
    accelerator = start(chosen)
    task = make_task(name)
    loop = Loop(task, chosen, accelerator, as_plain(chosen))
    loop.fit()
    weight = task.model.head.weight
    state = loop.optimizer.state[weight].values()
    held = {"weight": weight.numel(), "state": sum(value.numel() for value in state if value.dim())}
    torch.save(held, folder / name / f"held-{accelerator.process_index}.pt")


def main(folder: Path, *job: str) -> None:
    torch.set_num_threads(1)
    if job:
        train(folder, job[0], max_steps=int(job[1]), save_steps=1)
    else:
        for name in JOBS:
            train(folder, name)
    AcceleratorState._reset_state(reset_partial_state=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
