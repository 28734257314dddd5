"""How much of an output layer an update trains, and how long that takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vision_xmc.data.xmc_splits import Split
from vision_xmc.xmc_model import XmcModel

BATCHES = 20


def trained_parameters(model: XmcModel, train: Split, batch_size: int) -> int:
    """Parameters of a trained model's output layer in rows that an update gives a gradient, mean.

    Args:
        train: where documents are drawn from at random, the same for every model.
        batch_size: documents of an update.
    """
    head = model.classifier.head
    counts = []
    for part in _updates(train, batch_size):
        _pass(model, part)
        counts.append(sum(_with_gradient(parameter.grad) for parameter in head.parameters()))
        head.zero_grad()
    head.eval()
    return round(statistics.mean(counts))


def passes(models: Sequence[XmcModel], train: Split, batch_size: int) -> list[float]:
    """Milliseconds of processor time of each output layer's forward and backward pass, median.

    The models take turns on the same updates. The encoder's and the optimizer's parts are not in it.
    """
    seconds: list[list[float]] = [[] for _ in models]
    for part in _updates(train, batch_size):
        for model, found in zip(models, seconds, strict=True):
            found.append(_pass(model, part))
            model.classifier.head.zero_grad()
    for model in models:
        model.classifier.head.eval()
    return [1000 * statistics.median(found) for found in seconds]


def _updates(train: Split, batch_size: int) -> Iterator[Split]:
    random = np.random.default_rng(1)
    for _ in range(BATCHES):
        yield train.take(random.choice(len(train), min(batch_size, len(train)), replace=False))


def _pass(model: XmcModel, part: Split) -> float:
    """Leaves gradients in the output layer; returns seconds of processor time."""
    head: nn.Module = model.classifier.head.train()
    ((order, features),) = model.batches(part.documents, len(part))
    sets = part.sets.take(np.array(order))
    features.requires_grad_()
    started = time.process_time()
    output = head(features, torch.from_numpy(sets.labels), torch.from_numpy(sets.offsets))
    (output.groups + output.labels).sum().backward()
    return time.process_time() - started


def _with_gradient(gradient: Tensor | None) -> int:
    """Numbers in rows that are not 0; single zeros in a row, of features that are 0, count as trained."""
    if gradient is None:
        return 0
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    rows = values.reshape(len(values), -1)
    return int(rows.any(-1).sum()) * rows.size(-1)
