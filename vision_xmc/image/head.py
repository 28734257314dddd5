"""The options that choose an output head, shared by the trainers, and the head they describe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from mhe_nmt import OutputHead, build_head
from mhe_nmt.heads import MultiHead
from mhe_nmt.order import parse_ranks
from vision_xmc.common.errors import UsageError
from vision_xmc.common.options import option, require

ORDERS_BY_NAME = ("identity", "random")


@dataclass(frozen=True)
class HeadOptions:
    """Output head."""

    # fmt: off
    head: Literal["onehot", "product", "cascade", "sampling"] = option("cascade",
        "the full softmax (onehot), MHP (product), MHC (cascade) or MHS (sampling)")
    radices: tuple[int, ...] | None = option(None, "sizes of the heads, two or more; their product must be "
        "at least the number of classes (default: near-equal)", aliases=["--num-classes"], metavar="B")
    num_heads: int = option(2, "number of heads where --radices is not given", metavar="H")
    groups: int | None = option(None, "product: number of groups (default: 1, the plain product)",
        metavar="G")
    group_form: Literal["mixture", "joint"] | None = option(None,
        "product with groups: a mixture, or the paper's joint softmax (default: mixture)")
    conditioning: Literal["table", "digit"] | None = option(None, "cascade: weights of its own for each "
        "prefix, or shared ones that see the earlier digits through embeddings (default: table)")
    hidden_features: int | None = option(None, "cascade with digit conditioning: size of its hidden layers "
        "(default: as the features)", metavar="M")
    prototypes: int | None = option(None, "cascade: weight vectors of each first digit, joined by "
        "log-sum-exp (default: 1)", metavar="J")
    projection: bool | None = option(None, "onehot, sampling, cascade with tables: the matrix with a row a "
        "class reads the features through a d x d matrix of its own")
    sample_fraction: float | None = option(None, "sampling: share of the blocks drawn an update "
        "(default: 0.25)", metavar="F")
    sample_by: Literal["counts", "uniform"] | None = option(None, "sampling: draw blocks by how often their "
        "classes were targets so far, or all alike as in the paper (default: counts)")
    sample_beside: Literal["block", "targets"] | None = option(None, "sampling: what an update has beside "
        "the draw, the block of each target as in the paper, or the targets alone (default: block)")
    label_order: str = option("identity", "ranks of the classes: identity, random, or a file with one rank a "
        "line", metavar="identity|random|PATH")
    order_seed: int = option(1, "of --label-order random", metavar="N")
    label_smoothing: float = option(0.0, "label smoothing", metavar="EPS")
    # fmt: on


#: Options that only some heads read: field, the heads, their keyword.
_OPTIONS_OF_SOME_HEADS = (
    ("groups", ("product",), "groups"),
    ("group_form", ("product",), "form"),
    ("conditioning", ("cascade",), "conditioning"),
    ("hidden_features", ("cascade",), "hidden_features"),
    ("prototypes", ("cascade",), "prototypes"),
    ("projection", ("onehot", "sampling", "cascade"), "projection"),
    ("sample_fraction", ("sampling",), "sample_fraction"),
    ("sample_by", ("sampling",), "draw"),
    ("sample_beside", ("sampling",), "exact"),
)


def head_from_options(
    options: HeadOptions, in_features: int, num_labels: int, order: Tensor | None = None
) -> OutputHead:
    """The head that ``options`` describe.

    Args:
        options: of the command line.
        in_features: ``d``.
        num_labels: ``V``.
        order: ranks from a checkpoint, instead of those that ``options.label_order`` names.

    Raises:
        UsageError: for options that are out of range or do not belong to this head.
    """
    keywords: dict[str, Any] = {"label_smoothing": options.label_smoothing}
    for field, heads, keyword in _OPTIONS_OF_SOME_HEADS:
        value = getattr(options, field)
        if value is not None:
            require(
                options.head in heads,
                f"--{field.replace('_', '-')} belongs to --head {' or '.join(heads)}, not to --head "
                f"{options.head}; leave it out",
            )
            keywords[keyword] = value
    if options.head == "onehot":
        require(
            options.radices in (None, (num_labels,)) and options.label_order == "identity",
            "--head onehot is one softmax over all classes and has no digits; leave out --radices and "
            "--label-order",
        )
    else:
        keywords |= {"radices": options.radices, "num_heads": options.num_heads}
        keywords["order"] = _order(options, num_labels) if order is None else order
    try:
        return build_head(options.head, in_features, num_labels, **keywords)
    except ValueError as error:
        raise UsageError(f"--head {options.head}: {error}") from error


def described(head: OutputHead) -> str:
    """What the head is, its code included."""
    code = f", radices={list(head.codec.radix_list)}" if isinstance(head, MultiHead) else ""
    return f"{type(head).__name__}({head.extra_repr()}{code})"


def _order(options: HeadOptions, num_labels: int) -> Tensor | None:
    if options.label_order == "identity":
        return None
    if options.label_order == "random":
        return torch.randperm(num_labels, generator=torch.Generator().manual_seed(options.order_seed))
    path = Path(options.label_order)
    require(
        path.is_file(), f"--label-order {path}: no such file; give 'identity', 'random' or a file of ranks"
    )
    with path.open(encoding="utf-8", errors="replace") as lines:
        try:
            ranks = parse_ranks(lines, num_labels, "the classes")
        except ValueError as error:
            raise UsageError(f"{path}, {error}") from None
    require(
        len(ranks) == num_labels,
        f"{path} holds {len(ranks)} ranks but there are {num_labels} classes; write one rank a class",
    )
    return torch.tensor(ranks)
