"""The options of the face trainer, in addition to those of the loop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mhe_nmt.options import flag_of, option
from vision_xmc.common.errors import require
from vision_xmc.face.backbones.build import BACKBONES


@dataclass(frozen=True)
class FaceOptions:
    """Pictures and network."""

    # fmt: off
    dataset: Literal["identities", "folder", "recordio"] = option("identities", "folder reads PERSON/*.jpg; "
        "recordio reads insightface's train.rec with train.idx; identities are made-up people")
    data_path: Path | None = option(None, "folder of the data set", aliases=["--data"], metavar="DIR",
        may_change=True)
    identities: int = option(500, "identities: number of people", metavar="N")
    pictures: int = option(20, "identities: pictures per person", metavar="N")
    arch: str = option("iresnet50", "backbone: " + ", ".join(BACKBONES), aliases=["-a"],
        metavar="NAME")
    embedding: int = option(512, "size of the embeddings", metavar="D")
    image_size: int = option(112, "height and width of the pictures that the network reads", metavar="N")
    dropout: float = option(0.0, "probability of dropout before the backbone's last layer", metavar="P")
    gradient_checkpointing: bool = option(False, "use less memory for about a third more time",
        may_change=True)
    flip: bool = option(True, "mirror half of the training images at random")
    min_images: int = option(1, "leave out people with fewer images", metavar="N")
    leave_out: Path | None = option(None, "file with the names of people not to train on, one per line",
        metavar="FILE")
    validation_identities: int = option(0, "number of people to hold out; verifying pairs of their pictures "
        "chooses the best checkpoint", metavar="N")
    validation_pairs: int = option(2000, "number of pairs of held-out people, half of them of one person",
        metavar="N")
    pairs: Path | None = option(None, "file of pairs that choose the best checkpoint, in place of held-out "
        "people: LFW's view 2, two paths and 0 or 1 on each line, or insightface's .bin", metavar="FILE")
    pairs_images: Path | None = option(None, "folder of the pictures of --pairs (default: --data-path)",
        metavar="DIR", may_change=True)
    pairs_folds: tuple[int, ...] | None = option(None, "use only these folds of --pairs (default: all)",
        metavar="FOLD")
    data_seed: int = option(0, "seed of the held-out people, their pairs and the made-up people",
        metavar="N")
    keep_images: bool = option(False, "decode each training image once and keep it scaled in memory, which "
        "takes 3 * SIZE * SIZE bytes per image", may_change=True)
    skip_broken_images: bool = option(False, "decode every image once before the training, and leave out "
        "those that cannot be read", may_change=True)
    # fmt: on

    def __post_init__(self) -> None:
        made_up = self.dataset == "identities"
        require(
            made_up or self.data_path is not None,
            f"--dataset {self.dataset} needs --data-path; for a first try without data use "
            "--dataset identities",
        )
        require(
            not made_up or self.data_path is None,
            "--dataset identities reads no files; to use --data-path, give --dataset folder or recordio",
        )
        self._check_pairs()
        least = {"identities": 2, "pictures": 1, "embedding": 1, "image_size": 16, "min_images": 1}
        least |= {"validation_identities": 0, "validation_pairs": 2, "data_seed": 0}
        for name, value in least.items():
            given = getattr(self, name)
            shown = flag_of(name)
            require(given >= value, f"{shown} must be at least {value}, got {given}")

    def _check_pairs(self) -> None:
        if self.pairs is None:
            for name in ("pairs_images", "pairs_folds"):
                shown = flag_of(name)
                require(
                    getattr(self, name) is None,
                    f"{shown} needs --pairs; name the file of pairs, or leave {shown} out",
                )
            return
        require(
            not self.validation_identities,
            "--pairs and --validation-identities both choose the best checkpoint; give only one of them",
        )
        in_memory = self.pairs.suffix == ".bin"
        require(
            not in_memory or self.pairs_images is None,
            f"--pairs {self.pairs} holds its own pictures; leave --pairs-images out",
        )
        require(
            in_memory or self.dataset == "folder" or self.pairs_images is not None,
            f"--dataset {self.dataset} has no picture files that --pairs could name; give --pairs-images, "
            "the folder of the pictures of the pairs",
        )


@dataclass(frozen=True)
class ClassifierOptions:
    """Classifier, used in training only."""

    # fmt: off
    margin: Literal["arcface", "cosface"] = option("arcface", "kind of margin on the true class")
    margin_size: float | None = option(None, "size of the margin (default: 0.5 for arcface, 0.35 for "
        "cosface)", metavar="M")
    scale: float = option(64.0, "factor of the cosines", metavar="S")
    initial_norm: float = option(1.0, "length of the class weights at the start; updates turn shorter "
        "weights by a larger angle", metavar="N")
    head: Literal["full", "sampling"] = option("full", "train against all classes, or against drawn blocks "
        "of classes (MHS)")
    radices: tuple[int, ...] | None = option(None, "sampling: number of blocks, and sizes of the further "
        "digits; their product must be at least the number of classes (default: near-equal)", metavar="B")
    sample_fraction: float | None = option(None, "sampling: share of the classes that an update trains "
        "against, targets included (default: 0.25)", metavar="F")
    log_q: bool | None = option(None, "sampling: let each drawn class also count for the classes that were "
        "not drawn; off as in Partial FC (default: on)")
    label_order: Literal["identity", "random"] | None = option(None, "sampling: number the people in their "
        "given order or at random; random spreads blocks evenly over processes (default: random)")
    order_seed: int = option(1, "seed of --label-order random", metavar="N")
    # fmt: on

    def __post_init__(self) -> None:
        require(
            0 < self.initial_norm < float("inf"),
            f"--initial-norm must be a number above 0, got {self.initial_norm:g}",
        )
        if self.head == "full":
            for name in ("radices", "sample_fraction", "log_q", "label_order"):
                shown = flag_of(name)
                require(
                    getattr(self, name) is None,
                    f"{shown} belongs to --head sampling, not to --head full; leave it out",
                )


#: insightface's recipe for sets of a few million images.
_REAL: dict[str, Any] = {
    "arch": "iresnet50", "embedding": 512, "image_size": 112, "epochs": 20, "batch_size": 512, "lr": 0.1,
    "schedule": "poly", "num_workers": min(8, os.cpu_count() or 1),
}  # fmt: skip
#: Defaults that depend on the data set. Those for made-up people train for about a minute.
DEFAULTS: dict[str, dict[str, Any]] = {
    "identities": {
        "arch": "tiny", "embedding": 64, "image_size": 32, "epochs": 5, "batch_size": 64, "lr": 0.1,
        "schedule": "poly", "warmup_epochs": 1.0, "scale": 32.0,
        "validation_identities": 50,
    },
    "folder": _REAL,
    "recordio": _REAL,
}  # fmt: skip


def defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults for the data set in ``given``; with ``--pairs``, nobody is held out."""
    values = dict(DEFAULTS[given.get("dataset", "identities")])
    if "pairs" in given:
        values.pop("validation_identities", None)
    return values
