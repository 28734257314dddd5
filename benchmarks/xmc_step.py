"""How much of an output layer an update trains, and how long that takes."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from torch import Tensor

from vision_xmc.data.xmc_splits import Split
from vision_xmc.xmc_model import XmcModel


def measured(model: XmcModel, train: Split, batch_size: int, batches: int = 20) -> dict[str, float]:
    """An update's figures for a trained model's output layer, without the encoder's and the optimizer's part.

    Args:
        train: where documents are drawn from at random, the same for every model.
        batch_size: documents of an update.
        batches: how many updates.

    Returns:
        ``parameters``: how many are in rows with a gradient, mean; ``milliseconds``: processor time of the
        forward and backward passes, median.
    """
    random = np.random.default_rng(1)
    head = model.classifier.head.train()
    counts, seconds = [], []
    for _ in range(batches):
        part = train.take(random.choice(len(train), min(batch_size, len(train)), replace=False))
        ((order, features),) = model.batches(part.documents, len(part))
        sets = part.sets.take(np.array(order))
        features.requires_grad_()
        started = time.process_time()
        output = head(features, torch.from_numpy(sets.labels), torch.from_numpy(sets.offsets))
        (output.groups + output.labels).sum().backward()
        seconds.append(time.process_time() - started)
        counts.append(sum(_with_gradient(parameter.grad) for parameter in head.parameters()))
        head.zero_grad()
    head.eval()
    return {
        "parameters": round(statistics.mean(counts)),
        "milliseconds": 1000 * statistics.median(seconds),
    }


def _with_gradient(gradient: Tensor | None) -> int:
    """Numbers in rows that are not 0; single zeros in a row, of features that are 0, count as trained."""
    if gradient is None:
        return 0
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    rows = values.reshape(len(values), -1)
    return int(rows.any(-1).sum()) * rows.size(-1)
