"""Each row times the matrix of its branch: the grouped product of cascade and sampling heads."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mhe_nmt.constants import Constants
from mhe_nmt.heads import grouped_products
from mhe_nmt.heads.precision import autocast_dtype, without_autocast
from mhe_nmt.rows import look_up


class Grouping:
    """Rows sorted by the branch that they belong to.

    Args:
        branches: ``(N,)`` int64, below ``num_branches``.
        num_branches: ``P``.
        constants: where what depends on sizes alone is kept between calls.

    Attributes:
        branches: ``(N,)`` int64, sorted.
        order: ``(N,)`` int64, the rows in this order.
        ends: ``(P,)`` int32, how many rows belong to branches up to this one.
    """

    def __init__(self, branches: Tensor, num_branches: int, constants: Constants | None = None) -> None:
        self.branches, self.order = branches.sort(stable=True)
        every = (constants or Constants()).arange(num_branches, branches.device)
        self.ends = torch.searchsorted(self.branches, every, right=True, out_int32=True)

    def sort(self, rows: Tensor) -> Tensor:
        """``(N, …)`` in the order of the branches."""
        return rows.index_select(0, self.order)

    def unsort(self, sorted_rows: Tensor) -> Tensor:
        """What :meth:`sort` has sorted, as it was."""
        return torch.empty_like(sorted_rows).index_copy_(0, self.order, sorted_rows)

    def linear(
        self,
        sorted_rows: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        width: int,
        row_index: Tensor | None = None,
        sparse: bool = False,
    ) -> Tensor:
        """``out[n] = weight_block[branches[n]] @ sorted_rows[n] + bias_block[branches[n]]``.

        Follows autocast.

        Args:
            sorted_rows: ``(N, d)``.
            weight: ``(R, d)``; branch ``b`` has rows ``b·width … (b + 1)·width - 1``; the last may have
                fewer.
            bias: ``(R,)`` or ``None``.
            width: rows per branch.
            row_index: ``(R,)`` int64 or ``None``. If given, row ``r`` is ``weight[row_index[r]]``, with the
                bias ``bias[row_index[r]]``.
            sparse: the weight's gradient holds only the branches that occur, whose number the host waits for.

        Returns:
            ``(N, width)``; entries beyond a short last branch mean nothing.
        """
        ends, bias_index = self.ends, row_index
        size = len(weight)
        if sparse and torch.is_grad_enabled() and weight.requires_grad:
            used, counts = self.branches.unique_consecutive(return_counts=True)
            ends = counts.cumsum(0).to(torch.int32)
            rows = used.unsqueeze(-1) * width + torch.arange(width, device=used.device)
            # Behind the last row of all stands the last row again; nothing depends on its logits there.
            rows = rows.flatten().clamp(max=size - 1)
            weight = look_up(weight, rows if row_index is None else row_index[rows])
            row_index = None
        sorted_rows = sorted_rows.to(autocast_dtype(sorted_rows))
        with without_autocast(sorted_rows.device):
            out = _GroupedProduct.apply(sorted_rows, weight, ends, width, row_index)
        if bias is None:
            return out
        ranked = bias if bias_index is None else bias.index_select(0, bias_index)
        blocks = F.pad(ranked, (0, -len(bias) % width)).view(-1, width)
        return out + blocks.index_select(0, self.branches)


def grouped_linear(
    rows: Tensor,
    branches: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    width: int,
    row_index: Tensor | None = None,
) -> Tensor:
    """:meth:`Grouping.linear` of rows ``(N, d)`` in any order: ``(N, width)``, in the same order."""
    grouping = Grouping(branches, -(-len(weight) // width))
    return grouping.unsort(grouping.linear(grouping.sort(rows), weight, bias, width, row_index))


class _GroupedProduct(torch.autograd.Function):
    """See :mod:`mhe_nmt.heads.grouped_products`; a compiled graph sees the products as three operators."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, ends: Tensor, width: int, row_index: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(rows, weight, ends, row_index)
        ctx.width = width
        return _of(grouped_products.product, rows)(rows, ends, weight, width, row_index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        rows, weight, ends, row_index = ctx.saved_tensors
        grad = grads[0].contiguous()
        grad_rows = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_rows = _of(grouped_products.grad_of_rows, rows)(grad, ends, weight, ctx.width, row_index)
        if ctx.needs_input_grad[1]:
            grad_weight = _of(grouped_products.grad_of_weight, rows)(
                grad, ends, rows, ctx.width, weight, row_index
            )
        return grad_rows, grad_weight, None, None, None


def _of(product: Any, rows: Tensor) -> Any:
    """The product itself, or its operator where only shapes are asked for."""
    shapes = torch.compiler.is_compiling() or rows.device.type == "meta"
    return _OPERATORS[product.__name__] if shapes else product


def _operators() -> dict[str, Any]:
    """The products as operators that a compiler takes as they are."""
    found = {}
    for function, shape in (
        (grouped_products.product, lambda rows, ends, weight, width, index: rows.new_empty(len(rows), width)),
        (
            grouped_products.grad_of_rows,
            lambda grad, ends, weight, width, index: grad.new_empty(len(grad), weight.size(1)),
        ),
        (
            grouped_products.grad_of_weight,
            lambda grad, ends, rows, width, like, index: torch.empty_like(like),
        ),
    ):
        operator = torch.library.custom_op(f"mhe_nmt::{function.__name__}", function, mutates_args=())
        operator.register_fake(shape)
        found[function.__name__] = operator
    return found


_OPERATORS = _operators()
