"""Which parameters of a model get sparse gradients, and what of fairseq cannot be had with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor, nn

from mhe_nmt.config import HeadConfig
from mhe_nmt.heads.label_matrix import LabelMatrix
from mhe_nmt.rows import before_reading, follow
from user_dir.errors import UsageError

_MARK = "_mhe_sparse_rows"

#: Options, as attributes, with the sentence's end for each.
_REFUSED = {
    "fp16": "use --autocast-bf16 in place of --fp16 and --memory-efficient-fp16",
    "bf16": "use --autocast-bf16 in place of --bf16 and --memory-efficient-bf16",
    "amp": "use --autocast-bf16 in place of --amp",
    # fairseq sets it itself for --bf16 without CUDA.
    "tpu": "leave --tpu out",
    "use_bmuf": "leave --use-bmuf out",
}


def wants_sparse_rows(cfg: Any) -> bool:
    """Whether the training's optimizer takes sparse gradients."""
    return getattr(cfg, "optimizer", None) == "row_adam"


def has_label_matrix(config: HeadConfig) -> bool:
    """Whether the head reads some rows of a matrix with a row per label in a training step."""
    return config.head == "sampling" or (config.head == "cascade" and config.conditioning == "table")


def check_options(cfg: Any) -> None:
    """Refuses what does not go together with sparse gradients.

    Raises:
        UsageError: if the training keeps weights in half precision, or spreads them or the optimizer's state.
    """
    for name, way_out in _REFUSED.items():
        if getattr(cfg, name, False):
            raise UsageError(f"--optimizer row_adam steps float32 weights row by row; {way_out}")
    if getattr(cfg, "zero_sharding", "none") not in (None, "none"):
        raise UsageError("--optimizer row_adam keeps its state in every process; leave --zero-sharding out")
    if getattr(cfg, "ddp_backend", None) == "slowmo":
        raise UsageError("--optimizer row_adam does not know --ddp-backend slowmo; use c10d or legacy_ddp")


def make_rows_sparse(model: nn.Module, head: nn.Module, embeddings: list[nn.Module]) -> None:
    """Makes the gradients of embeddings sparse, and marks these and the head's as such.

    An embedding whose table a head reads that makes dense gradients stays dense.
    """
    of_head = {id(parameter) for parameter in head.parameters()}
    sparse = {id(parameter): parameter for parameter in head_rows(head)}
    for embedding in embeddings:
        if not isinstance(embedding, nn.Embedding) or embedding.sparse:
            continue
        table = cast(nn.Parameter, embedding.weight)
        if id(table) not in of_head or id(table) in sparse:
            embedding.sparse = True
            follow(embedding)
            sparse[id(table)] = table
    for parameter in sparse.values():
        setattr(parameter, _MARK, True)
    # torch's DDP expects sparse gradients of embeddings only, and NCCL reduces none: the optimizer does it.
    # There is no public way to say so.
    model._ddp_params_and_buffers_to_ignore = [  # type: ignore[assignment]
        f"{path}.{name}"
        for path, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if has_sparse_rows(parameter)
    ]


def head_rows(head: nn.Module) -> Iterator[nn.Parameter]:
    """The head's parameters that get sparse gradients: matrices with a row per label."""
    for module in head.modules():
        if isinstance(module, LabelMatrix) and module.sparse:
            yield module.weight


def has_sparse_rows(parameter: Tensor) -> bool:
    return getattr(parameter, _MARK, False)


def bring_up_to_date(model: nn.Module) -> None:
    """Brings all rows of all parameters up to date, see :mod:`mhe_nmt.rows`."""
    for parameter in model.parameters():
        before_reading(parameter)
