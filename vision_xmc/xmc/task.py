"""Extreme multi-label classification of documents as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from mhe_nmt import MultiLabelCascade
from vision_xmc.engine.task import Task
from vision_xmc.xmc.classifier import DocumentClassifier
from vision_xmc.xmc.data.inputs import Batch, DocumentView, Inputs, collate_documents
from vision_xmc.xmc.data.splits import XmcData
from vision_xmc.xmc.encoders import TransformerEncoder
from vision_xmc.xmc.metrics import KS, inverse_propensities, ranking_means, ranking_sums


class XmcTask(Task):
    """Trains a :class:`DocumentClassifier` with the loss of its head.

    P@1 on the validation part chooses the best checkpoint.

    Args:
        model: the classifier to train.
        data: the data set, for its label sets.
        inputs: the encoder's inputs of each part: ``"train"``, perhaps ``"valid"`` and ``"test"``.
        propensity: constants A and B of the propensities.
        encoder_scale: learning rate of a transformer, as a multiple of the learning rate of the rest.
        row_wise: whether AdamW has one step size per label instead of one per weight.
    """

    best_metric = "P@1"
    curves = (("precision", ["P@1", "P@3", "P@5"]), ("propensity-scored", ["PSP@1", "PSP@3", "PSP@5"]))
    model: DocumentClassifier

    def __init__(
        self,
        model: DocumentClassifier,
        data: XmcData,
        inputs: Mapping[str, Inputs],
        propensity: tuple[float, float],
        encoder_scale: float,
        row_wise: bool = True,
    ) -> None:
        self.model, self.data, self.encoder_scale, self.row_wise = model, data, encoder_scale, row_wise
        self._inputs = inputs["train"]
        self.train_data = DocumentView(inputs["train"], data.train.sets)
        self.train_lengths = inputs["train"].lengths
        for role, split in (("valid", data.valid), ("test", data.test)):
            if split is not None:
                view = DocumentView(inputs[role], split.sets, by_length=True)
                setattr(self, f"{role}_data", view)
        # Labels of the held-out parts only are included: they have no training documents, but a propensity.
        counts = data.train.sets.counts(len(data.label_names) + len(data.unseen))
        self._inverse_propensity = inverse_propensities(
            torch.from_numpy(counts), len(data.train), *propensity
        )
        self._places = min(max(KS), len(data.label_names))

    def collate(self, items: list[Any]) -> Batch:
        return collate_documents(self._inputs, items)

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        inputs, labels, offsets = batch
        output = self.model.head(self.model(*inputs), labels, offsets)
        sums = {"loss": (output.groups + output.labels).sum()}
        if isinstance(self.model.head, MultiLabelCascade):
            sums |= {"groups": output.groups.sum(), "labels": output.labels.sum()}
        return sums

    def metrics(self, batch: Batch) -> Mapping[str, Tensor]:
        inputs, labels, offsets = batch
        _, predicted = self.model.head.topk(self.model(*inputs), self._places)
        ks = [k for k in KS if k <= self._places]
        return ranking_sums(predicted, labels, offsets, self._inverse_propensity.to(predicted.device), ks)

    def summarise(self, sums: Mapping[str, float], examples: int) -> dict[str, float]:
        return ranking_means(sums, examples)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        encoder = self.model.encoder
        pretrained = set(encoder.parameters()) if isinstance(encoder, TransformerEncoder) else set()
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        rows = {self.model.head.label_weight_rows} if self.row_wise else set()
        # As usual with transformers, weight decay leaves out biases and norms.
        groups = [
            {
                "params": [p for p in trained if (p in pretrained, p.dim() > 1, p in rows) == kind],
                "lr_scale": self.encoder_scale if kind[0] else 1.0,
                "weight_decay": weight_decay if kind[1] else 0.0,
                "row_wise": kind[2],
            }
            for kind in product((True, False), repeat=3)
        ]
        return [group for group in groups if group["params"]]

    def description(self) -> dict[str, Any]:
        head = self.model.head
        return {
            "num_labels": head.num_labels,
            "head": f"{type(head).__name__}({head.extra_repr()})",
            "head_parameters": sum(parameter.numel() for parameter in head.parameters()),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
        }
