"""The options of the image trainer, besides those of the loop and of the head."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mhe_nmt.options import option
from vision_xmc.common.errors import require
from vision_xmc.image.data.policies import POLICIES
from vision_xmc.image.resnet import ARCHITECTURES

PROGRAM = "python -m vision_xmc.image"

#: The reference code's names of data sets.
DATASET_ALIASES = {"c10": "cifar10", "c100": "cifar100"}


@dataclass(frozen=True)
class ImageOptions:
    """Images."""

    # fmt: off
    dataset: Literal["cifar10", "cifar100", "folder", "digits", "c10", "c100"] = option("digits",
        "folder has train/CLASS/… and val/CLASS/… as ImageNet; digits comes with scikit-learn; c10 and c100 "
        "are short for CIFAR")
    data_path: Path | None = option(None, "folder of the data set", aliases=["--data"], metavar="DIR",
        may_change=True)
    arch: str = option("resnet18", "network", aliases=["-a"], choices=tuple(ARCHITECTURES))
    stem: Literal["auto", "cifar", "imagenet"] = option("auto", "first layers: cifar "
        "keeps the resolution, imagenet quarters it; auto chooses by the image size")
    zero_init_residual: bool = option(True, "start residual blocks as identities")
    image_size: int = option(224, "folder: side of the square that the network sees", aliases=["--img-size"],
        metavar="N")
    validation: float = option(0.02, "share of the training images that is held out to choose the best "
        "checkpoint; 0 trains on all, and only the last checkpoint is kept (not for digits, nor for "
        "folders with both val/ and test/: they have a validation set)", metavar="X")
    policy: str = option("none", "augmentation after the standard crop and flip", choices=POLICIES)
    policy_operations: int = option(2, "operations of randaugment", metavar="N")
    policy_magnitude: int = option(9, "magnitude of randaugment, 1 to 29", metavar="N")
    mixup: float = option(0.0, "alpha of mixup, 0 for none", metavar="ALPHA")
    digits: int = option(2, "digits: N digits per image, so 10 to the power of N classes", metavar="N")
    digits_size: int | None = option(None, "digits: training images (default: 20000, but at least two per "
        "class)", metavar="N")
    data_seed: int = option(0, "seed of the held-out share and of the digits' labels", metavar="N")
    skip_broken_images: bool = option(False, "folder: decode every image once before the training, and leave "
        "out those that cannot be read", may_change=True)
    sync_batchnorm: bool = option(False, "batch-norm statistics over all processes (GPUs only)")
    # fmt: on

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", DATASET_ALIASES.get(self.dataset, self.dataset))
        require(
            self.dataset == "digits" or self.data_path is not None,
            f"--dataset {self.dataset} needs --data-path; for a first try without data use --dataset digits",
        )
        require(
            self.dataset != "digits" or self.data_path is None,
            "--dataset digits reads no files; with --data-path give --dataset folder, cifar10 or cifar100",
        )
        require(
            0 <= self.validation < 0.9,
            f"--validation must be at least 0 and below 0.9, got {self.validation}",
        )
        require(1 <= self.digits <= 5, f"--digits must be from 1 to 5, got {self.digits}")
        size = max(20000, 2 * 10**self.digits) if self.digits_size is None else self.digits_size
        object.__setattr__(self, "digits_size", size)
        require(size >= 1, f"--digits-size must be at least 1, got {size}")
        require(self.image_size >= 8, f"--image-size must be at least 8, got {self.image_size}")
        require(self.mixup >= 0, f"--mixup must be at least 0, got {self.mixup}")


_CIFAR: dict[str, Any] = {"arch": "resnet18", "epochs": 200, "weight_decay": 5e-4}
#: Defaults that depend on the data set: recipes of the paper's tables, and of a minute for the digits.
DEFAULTS: dict[str, dict[str, Any]] = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "folder": {
        "arch": "resnet50",
        "epochs": 100,
        "weight_decay": 1e-4,
        "num_workers": min(8, os.cpu_count() or 1),
    },
    "digits": {"arch": "resnet8", "epochs": 8, "batch_size": 128, "weight_decay": 5e-4},
}
