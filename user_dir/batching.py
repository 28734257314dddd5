"""Keeps the sentences that fairseq 0.12 drops.

``data_utils.batch_by_size`` throws the last batch away when its size is no multiple of
``--required-batch-size-multiple`` (8 by default): up to 7 sentences fewer in every training epoch, validation
score and, worst, translated test set.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from fairseq.data import data_utils


def keep_last_batch() -> None:
    """Wraps ``batch_by_size`` so that every sentence is in a batch, whatever the multiple."""
    original = data_utils.batch_by_size
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def batch_by_size(indices: Any, *args: Any, **kwargs: Any) -> list[np.ndarray]:
        if not isinstance(indices, np.ndarray):
            indices = np.fromiter(indices, dtype=np.int64, count=-1)
        if not len(indices):
            return []
        batches = list(original(indices, *args, **kwargs))
        kept = sum(len(batch) for batch in batches)
        if kept < len(indices):
            batches.append(indices[kept:])
        return batches

    data_utils.batch_by_size = batch_by_size
