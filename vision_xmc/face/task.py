"""Face recognition as a task of the training loop: people are classes, and pairs of others are verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mhe_nmt.heads.precision import at_least_float32
from vision_xmc.data.views import TrainingView
from vision_xmc.engine.collectives import gather_objects, shared_seed
from vision_xmc.engine.task import Task
from vision_xmc.face.data.kept_images import KeptImages
from vision_xmc.face.data.load import FaceData
from vision_xmc.face.data.views import FaceAugment, PairView
from vision_xmc.face.metrics.verification import best_threshold_accuracy, tar_at_far
from vision_xmc.face.model import FaceModel
from vision_xmc.face.options import FaceOptions

Batch = tuple[Tensor, Tensor]
PairBatch = tuple[Tensor, Tensor, Tensor, Tensor]
FAR = 1e-2


class FaceTask(Task):
    """Trains a :class:`FaceModel` with its margin loss.

    Accuracy on pairs of other people chooses the best checkpoint.

    Args:
        model: the model to train.
        data: images of the people who are its classes, and pairs of other people.
        options: of the command line.
        seed: of the augmentation.
    """

    best_metric = "accuracy"
    model: FaceModel

    def __init__(self, model: FaceModel, data: FaceData, options: FaceOptions, seed: int) -> None:
        self.model, self.options = model, options
        images = KeptImages(data.train, options.image_size) if options.keep_images else data.train
        self.train_data = TrainingView(images, FaceAugment(options.image_size, options.flip), seed)
        self.valid_data = None if data.valid is None else PairView(data.valid, options.image_size)
        self.class_names = list(data.train.class_names)
        if data.valid is not None:
            self.curves = (("verification", ["accuracy", "tar"]), ("cosine", ["cosine_same", "cosine_other"]))
        #: Of the pairs that this process has seen in the current evaluation: number, score and truth.
        self._seen: list[tuple[int, float, bool]] = []

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        images, labels = batch
        # Drawn before the backbone runs, because the draws of its dropout depend on this process's images.
        generator = torch.Generator().manual_seed(shared_seed(images.device))
        output = self.model.head(self.model(images), labels, generator)
        sums = {"loss": output.nll.sum()}
        if self.model.head.sampler is not None:
            # The loop divides sums by the number of examples, so each number is multiplied by it here.
            numbers = {
                "used_fraction": output.trained / self.model.head.classes,
                "over_budget": output.over_budget,
                "blocks": output.blocks,
            }
            sums |= {name: sums["loss"].new_tensor(value * len(labels)) for name, value in numbers.items()}
        return sums

    def metrics(self, batch: PairBatch) -> Mapping[str, Tensor]:
        first, second, same, numbers = batch
        images = torch.cat([first, second])
        # With the mirrored images, as in `verify` and `compare`, which use the threshold found here.
        both = self.model(images) + self.model(images.flip(-1))
        a, b = F.normalize(at_least_float32(both), dim=-1).chunk(2)
        scores = (a * b).sum(-1)
        self._seen += zip(numbers.tolist(), scores.tolist(), same.tolist(), strict=True)
        return {
            "same": same.sum(),
            "cosine_same": scores[same].sum(),
            "cosine_other": scores[~same].sum(),
        }

    def summarise(self, sums: Mapping[str, float], examples: int) -> dict[str, float]:
        """Over all pairs: the best accuracy of a single threshold, this threshold, and TAR at FAR 1e-2."""
        seen = sorted(pair for part in gather_objects(self._seen) for pair in part)
        self._seen = []
        scores = torch.tensor([score for _, score, _ in seen], dtype=torch.float64)
        same = torch.tensor([truth for _, _, truth in seen])
        accuracy, threshold = best_threshold_accuracy(scores, same)
        return {
            "accuracy": accuracy,
            "threshold": threshold,
            "tar": tar_at_far(scores, same, [FAR])[0],
            "cosine_same": sums["cosine_same"] / sums["same"],
            "cosine_other": sums["cosine_other"] / (examples - sums["same"]),
        }

    def sharded_rows(self) -> Mapping[str, int]:
        return {"head.weight": self.model.head.classes}

    def description(self) -> dict[str, Any]:
        return {
            "class_names": self.class_names,
            "people": len(self.class_names),
            "head": repr(self.model.head.sampler or "full"),
            "backbone_parameters": sum(parameter.numel() for parameter in self.model.backbone.parameters()),
        }
