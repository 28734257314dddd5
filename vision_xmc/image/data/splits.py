"""The images of each data set that ``--dataset`` names: training, validation and test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vision_xmc.common.errors import UsageError
from vision_xmc.data.augment import (
    Augment,
    Chain,
    PadCropFlip,
    RandomResizedCropFlip,
    ResizeCenterCrop,
    ResizeTo,
)
from vision_xmc.data.folder import FolderImages
from vision_xmc.data.pictures import ImageSet, hold_out
from vision_xmc.image.data.cifar import load_cifar
from vision_xmc.image.data.digits import SIDE, DigitImages
from vision_xmc.image.data.policies import Policy
from vision_xmc.image.options import ImageOptions


@dataclass(frozen=True)
class ImageFormat:
    """What the network sees: size, channels, and per channel the mean and deviation of values in [0, 1]."""

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ImageSplits:
    """The parts of one data set; ``valid`` is ``None`` if nothing is held out."""

    train: ImageSet
    valid: ImageSet | None
    test: ImageSet


_CIFAR = ImageFormat(32, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_IMAGENET_STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def image_format(options: ImageOptions) -> ImageFormat:
    """The format of the images of ``options.dataset``."""
    if options.dataset == "folder":
        return ImageFormat(options.image_size, options.image_size, *_IMAGENET_STATISTICS)
    if options.dataset == "digits":
        return ImageFormat(SIDE, SIDE * options.digits, (0.305,), (0.376,))
    return _CIFAR


def preparation(options: ImageOptions) -> Callable[[np.ndarray], np.ndarray]:
    """How an image is prepared for evaluation or prediction."""
    if options.dataset == "folder":
        return ResizeCenterCrop(options.image_size)
    shape = image_format(options)
    return ResizeTo(shape.height, shape.width)


def augmentation(options: ImageOptions) -> Augment:
    """How a training image is augmented."""
    if options.dataset == "digits":
        standard: Augment = PadCropFlip(padding=1, flip=False)
    elif options.dataset == "folder":
        standard = RandomResizedCropFlip(options.image_size)
    else:
        standard = PadCropFlip()
    if options.policy == "none":
        return standard
    if options.dataset == "digits":
        raise UsageError(f"--policy {options.policy} is for colour images; leave it out for --dataset digits")
    policy = Policy(
        options.policy,
        imagenet=options.dataset == "folder",
        operations=options.policy_operations,
        magnitude=options.policy_magnitude,
    )
    return Chain((standard, policy))


def load_splits(options: ImageOptions, say: Callable[[str], None], workers: int = 1) -> ImageSplits:
    """Finds or loads the images that the options name.

    Args:
        options: of the command line.
        say: gets a sentence for each image that is left out.
        workers: threads that look for broken images.

    Raises:
        UsageError: naming what is missing or wrong.
    """
    if options.dataset == "digits":
        held_out = min(max(1000, 10**options.digits), 10_000)
        sizes = {"train": options.digits_size, "valid": held_out, "test": 2 * held_out}
        return ImageSplits(
            *(DigitImages(split, options.digits, size, options.data_seed) for split, size in sizes.items())
        )
    assert options.data_path is not None
    if options.dataset == "folder":
        return _folder_splits(options, say, workers)
    rest, test = load_cifar(options.dataset, options.data_path)
    return _with_validation(rest, None, test, options)


def _folder_splits(options: ImageOptions, say: Callable[[str], None], workers: int) -> ImageSplits:
    path = options.data_path
    assert path is not None
    if not path.is_dir():
        raise UsageError(f"--data-path {path}: no such folder")
    train = FolderImages(path / "train")
    held_out = [
        FolderImages(path / name, train.class_names) for name in ("val", "test") if (path / name).is_dir()
    ]
    if not held_out:
        raise UsageError(
            f"{path / 'val'}: no such folder; --data-path must hold train/CLASS/… and val/CLASS/…"
        )
    if options.skip_broken_images:
        for images in (train, *held_out):
            for sentence in images.drop_broken(workers):
                say(f"left out: {sentence}")
    return _with_validation(train, held_out[0] if len(held_out) == 2 else None, held_out[-1], options)


def _with_validation(
    train: ImageSet, valid: ImageSet | None, test: ImageSet, options: ImageOptions
) -> ImageSplits:
    if valid is None and options.validation:
        rest, valid = hold_out(train, options.validation, options.data_seed)
        if not len(rest):
            raise UsageError(
                f"--validation {options.validation} leaves no training image; give a smaller share"
            )
        train = rest
    return ImageSplits(train, valid, test)
