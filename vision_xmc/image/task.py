"""Image classification as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mhe_nmt import HeadConfig
from vision_xmc.common.errors import UsageError
from vision_xmc.data.views import EvaluationView, TrainingView
from vision_xmc.engine.task import Task
from vision_xmc.image.data.splits import ImageSplits, augmentation, image_format, preparation
from vision_xmc.image.head import build_head, described
from vision_xmc.image.metrics import classification_sums
from vision_xmc.image.model import ImageClassifier
from vision_xmc.image.options import ImageOptions
from vision_xmc.image.resnet import ResNet

Batch = tuple[Tensor, Tensor]


def build_classifier(
    options: ImageOptions, head_options: HeadConfig, num_classes: int, order: Tensor | None = None
) -> ImageClassifier:
    """The network with random weights.

    Args:
        options, head_options: of the command line.
        num_classes: ``V``.
        order: label ranks from a checkpoint, if there is one.

    Raises:
        UsageError: for head options that do not fit.
    """
    shape = image_format(options)
    small = options.stem == "cifar" or (options.stem == "auto" and min(shape.height, shape.width) <= 64)
    backbone = ResNet(
        options.arch, len(shape.mean), small_images=small, zero_init_residual=options.zero_init_residual
    )
    head = build_head(head_options, backbone.out_features, num_classes, order)
    return ImageClassifier(backbone, head, shape.mean, shape.std)


class ImageTask(Task):
    """Trains an :class:`ImageClassifier` with its head's loss; top-1 accuracy on validation chooses the best.

    Args:
        model: what to train.
        splits: images to train on, to choose the best checkpoint with, and to test on.
        options: of the command line.
        seed: of the augmentation.
    """

    best_metric = "top1"
    model: ImageClassifier

    def __init__(self, model: ImageClassifier, splits: ImageSplits, options: ImageOptions, seed: int) -> None:
        self.model, self.options = model, options
        prepare = preparation(options)
        self.train_data = TrainingView(splits.train, augmentation(options), seed)
        self.valid_data = EvaluationView(splits.valid, prepare) if splits.valid is not None else None
        self.test_data = EvaluationView(splits.test, prepare)
        self.class_names = list(splits.train.class_names)
        top = f"top{min(5, len(self.class_names))}"
        self.curves = (("nll (nats)", ["nll"]), ("accuracy", ["top1", top]))

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        images, labels = batch
        head = self.model.head
        if not self.options.mixup:
            return {"loss": head.loss(self.model(images), labels, reduction="sum")}
        # Zhang et al., 2018: one share per batch; each image is mixed with another one of the batch.
        share = torch.distributions.Beta(self.options.mixup, self.options.mixup).sample().to(images.device)
        other = torch.randperm(len(images), device=images.device)
        pixels = images.float()
        features = self.model(share * pixels + (1 - share) * pixels[other])
        first, second = (head.loss(features, target, reduction="sum") for target in (labels, labels[other]))
        return {"loss": share * first + (1 - share) * second}

    def metrics(self, batch: Batch) -> Mapping[str, Tensor]:
        images, labels = batch
        return classification_sums(self.model.head, self.model(images), labels)

    def description(self) -> dict[str, Any]:
        head = self.model.head
        return {
            "class_names": self.class_names,
            "head": described(head),
            "head_parameters": sum(parameter.numel() for parameter in head.parameters()),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
        }


def with_sync_batchnorm(model: ImageClassifier) -> ImageClassifier:
    """Makes the batch norms of ``model`` take their statistics over all processes.

    Raises:
        UsageError: without a GPU; torch has none for CPUs.
    """
    if not torch.cuda.is_available():
        raise UsageError("--sync-batchnorm needs GPUs; leave it out")
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
