"""Label orders by name or from a file: which rank each dictionary symbol gets."""

from __future__ import annotations

import hashlib
import os

import torch
from torch import Tensor

from mhe_nmt.order import parse_ranks
from user_dir.errors import UsageError

ORDERS_BY_NAME = ("dictionary", "random")


def label_order(spec: str, num_labels: int, seed: int) -> Tensor | None:
    """Ranks of the ``num_labels`` dictionary symbols, or ``None`` for the dictionary's own order.

    Args:
        spec: ``"dictionary"``, ``"random"`` or the path of an order file (see :func:`read_order`).
        num_labels: size of the target dictionary.
        seed: for ``"random"``.

    Raises:
        UsageError: if the file is missing or does not hold a permutation of that length.
    """
    if spec == "dictionary":
        return None
    if spec == "random":
        return torch.randperm(num_labels, generator=torch.Generator().manual_seed(seed))
    return read_order(spec, num_labels)


def read_order(path: str, num_labels: int) -> Tensor:
    """Reads an order file: one integer a line, the rank of symbol 0, 1, 2 …; lines with ``#`` are comments.

    Raises:
        UsageError: naming the file and the line.
    """
    if not os.path.isfile(path):
        raise UsageError(
            f"--mhe-label-order {path}: no such file; give 'dictionary', 'random' or a file of ranks"
        )
    with open(path, encoding="utf-8", errors="replace") as lines:
        try:
            ranks = parse_ranks(lines, num_labels, "the target dictionary")
        except ValueError as error:
            raise UsageError(f"{path}, {error}") from None
    if len(ranks) != num_labels:
        raise UsageError(
            f"{path} holds {len(ranks)} ranks but the target dictionary has {num_labels} symbols; "
            "write one rank a symbol, special symbols included"
        )
    return torch.tensor(ranks)


def file_digest(path: str) -> str:
    """SHA-256 of the file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
