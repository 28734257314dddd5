"""Label orders: by name, as a file with one rank per line, and by recursive bisection into equal groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

IDENTITY, RANDOM = "identity", "random"
#: ``dictionary`` was the plug-in's word for it.
IDENTITY_NAMES = (IDENTITY, "dictionary")
#: What a label order may be called instead of naming a file.
ORDER_NAMES = (*IDENTITY_NAMES, RANDOM)


def named_order(
    name: str,
    num_labels: int,
    seed: int = 1,
    *,
    what: str | None = None,
    labels: str = "labels",
    names: str = "'identity', 'random'",
) -> Tensor | None:
    """The ranks that ``name`` stands for, as heads take them.

    Args:
        name: ``"identity"`` or ``"dictionary"``, ``"random"``, or the path of an order file.
        num_labels: ``V``.
        seed: of ``"random"``.
        what: what the user gave, for messages; default: ``name``.
        labels: what the labels are, for messages, in the plural.
        names: of the orders that the caller knows, for messages.

    Returns:
        ``order[label] = rank``, ``(V,)`` int64, or ``None`` for the identity.

    Raises:
        ValueError: if there is no such file, or it does not hold a permutation; see :func:`read_ranks`.
    """
    if name in IDENTITY_NAMES:
        return None
    if name == RANDOM:
        return torch.randperm(num_labels, generator=torch.Generator().manual_seed(seed))
    if not Path(name).is_file():
        raise ValueError(f"{what or name}: no such file; give {names} or a file of ranks")
    return torch.from_numpy(read_ranks(Path(name), num_labels, labels))


def read_ranks(path: Path, num_labels: int, labels: str = "labels") -> np.ndarray:
    """Reads an order file: one integer per line, the rank of label 0, 1, 2 …; see :func:`parse_ranks`.

    Args:
        path: of the file, UTF-8; a byte order mark is skipped.
        num_labels: ``V``.
        labels: what the labels are, for messages, in the plural.

    Returns:
        ``(V,)`` int64, a permutation of ``0 … V - 1``.

    Raises:
        ValueError: naming the file and, where one is to blame, the line.
        OSError: if the file cannot be read.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        try:
            ranks = parse_ranks(lines, num_labels, labels)
        except ValueError as error:
            raise ValueError(f"{path}, {error}") from None
    if len(ranks) != num_labels:
        raise ValueError(
            f"{path} holds {len(ranks):,} ranks but there are {num_labels:,} {labels}; give each a rank"
        )
    return np.array(ranks, dtype=np.int64)


def parse_ranks(lines: Iterable[str], num_labels: int, labels: str = "labels") -> list[int]:
    """Ranks of label 0, 1, 2 … from lines of one integer each; empty lines and ``#`` comments are skipped.

    The caller checks that all labels have a rank: the list may be shorter than ``num_labels``.

    Args:
        lines: of an order file.
        num_labels: ``V``; ranks are in ``[0, V)``.
        labels: what the labels are, for messages, in the plural.

    Raises:
        ValueError: naming the line, where it holds no integer, a rank out of range or one that came before.
    """
    ranks: list[int] = []
    first_line: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            rank = int(text)
        except ValueError:
            raise ValueError(f"line {number}: {text[:40]!r} is not an integer rank") from None
        if not 0 <= rank < num_labels:
            raise ValueError(
                f"line {number}: rank {rank} is outside [0, {num_labels}); there are {num_labels:,} {labels}"
            )
        if rank in first_line:
            raise ValueError(
                f"line {number}: rank {rank} already stands on line {first_line[rank]}; "
                "the ranks must be a permutation"
            )
        first_line[rank] = number
        ranks.append(rank)
    return ranks


def recursive_bisection(
    num_labels: int, group_size: int, coordinate: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Labels ordered so that each run of ``group_size`` is a cluster and neighbouring runs are near.

    The labels are sorted by a coordinate and cut in the middle, at a multiple of ``group_size``. The halves
    are then sorted and cut in the same way.

    Args:
        num_labels: ``V``.
        group_size: labels a cluster; the last may have fewer.
        coordinate: of labels ``(n,)`` int64, where each lies on the axis along which they are to be cut,
            ``(n,)``; called for the whole and for every part that is cut further.

    Returns:
        ``(V,)`` int64: the label at each rank. Within a cluster labels are in ascending order.

    Raises:
        ValueError: if ``group_size`` is below 1.
    """
    if group_size < 1:
        raise ValueError(f"group_size must be at least 1, got {group_size}")
    order: list[np.ndarray] = []
    stack = [np.arange(num_labels)]
    while stack:
        labels = stack.pop()
        groups = -(-len(labels) // group_size)
        if groups <= 1:
            order.append(np.sort(labels))
            continue
        along = labels[np.argsort(coordinate(labels), kind="stable")]
        cut = groups // 2 * group_size
        stack += [along[cut:], along[:cut]]
    return np.concatenate(order).astype(np.int64)
