"""Each row times the matrix of its branch: the grouped product of cascade and sampling heads."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def grouped_linear(
    rows: Tensor,
    branches: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    width: int,
    row_index: Tensor | None = None,
) -> Tensor:
    """``out[n] = weight[branches[n]] @ rows[n] + bias[branches[n]]``; only branches that occur are computed.

    Rows are sorted by branch, and the rows of a branch are multiplied by its block of the weight in one
    matrix product: on CUDA by ``torch.nn.functional.grouped_mm`` where its alignment rules allow it,
    elsewhere with one product per branch. Follows autocast.

    Args:
        rows: ``(N, d)``.
        branches: ``(N,)`` int64.
        weight: ``(R, d)``; branch ``b`` has rows ``b·width … (b + 1)·width - 1``; the last may have fewer.
        bias: ``(R,)`` or ``None``.
        width: rows per branch.
        row_index: ``(R,)`` int64 or ``None``. If given, row ``r`` is ``weight[row_index[r]]``, with the bias
            ``bias[row_index[r]]``.

    Returns:
        ``(N, width)``; entries beyond a short last branch mean nothing.
    """
    device = rows.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        rows, weight = rows.to(dtype), weight.to(dtype)
    order = branches.argsort(stable=True)
    sorted_rows = rows.index_select(0, order)
    num_rows = len(weight)
    counts = torch.bincount(branches, minlength=-(-num_rows // width))
    with torch.autocast(device, enabled=False):
        if device == "cuda" and _grouped_mm_accepts(rows, width):
            ranked = weight if row_index is None else weight.index_select(0, row_index)
            out = grouped_mm_linear(sorted_rows, counts, ranked, width)
        else:
            out = _SegmentLinear.apply(sorted_rows, weight, width, _segments(counts), row_index)
    out = out.index_select(0, order.argsort())
    if bias is None:
        return out
    if row_index is None:
        blocks = F.pad(bias, (0, -num_rows % width)).view(-1, width)
        return out + blocks.index_select(0, branches)
    ranks = branches.unsqueeze(-1) * width + torch.arange(width, device=out.device)
    return out + bias[row_index[ranks.clamp(max=num_rows - 1)]]


def _grouped_mm_accepts(rows: Tensor, width: int) -> bool:
    # Rows and columns must start at multiples of 16 bytes.
    return rows.dtype in (torch.bfloat16, torch.float16) and rows.size(-1) % 8 == 0 and width % 8 == 0


def grouped_mm_linear(sorted_rows: Tensor, counts: Tensor, weight: Tensor, width: int) -> Tensor:
    """:func:`grouped_linear` on sorted rows by ``grouped_mm``: no transfer of the counts to the host."""
    padded = F.pad(weight, (0, 0, 0, len(counts) * width - len(weight)))
    blocks = padded.view(len(counts), width, -1).transpose(-2, -1)
    return F.grouped_mm(sorted_rows, blocks, offs=counts.cumsum(0).to(torch.int32))


def _segments(counts: Tensor) -> list[tuple[int, int, int]]:
    segments = []
    start = 0
    for branch, count in enumerate(counts.tolist()):
        if count:
            segments.append((branch, start, start + count))
            start += count
    return segments


class _SegmentLinear(torch.autograd.Function):
    """One product per branch that occurs, on rows sorted by branch. Segments are (branch, start, stop)."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        weight: Tensor,
        width: int,
        segments: list[tuple[int, int, int]],
        row_index: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.width, ctx.segments, ctx.row_index = width, segments, row_index
        out = rows.new_empty(len(rows), width)
        for branch, start, stop in segments:
            block = weight[_block(branch, width, row_index)]
            product = _product(rows, start, stop, block)
            if product.size(1) == width:
                out[start:stop] = product
            else:
                out[start:stop] = F.pad(product, (0, width - product.size(1)))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        rows, weight = ctx.saved_tensors
        grad_rows = torch.zeros_like(rows) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for branch, start, stop in ctx.segments:
            index = _block(branch, ctx.width, ctx.row_index)
            block = weight[index]
            part = grads[0][start:stop, : len(block)]
            if grad_rows is not None:
                grad_rows[start:stop] = part @ block
            if grad_weight is not None:
                grad_weight[index] = part.t() @ rows[start:stop]
        return grad_rows, grad_weight, None, None, None


def _product(rows: Tensor, start: int, stop: int, block: Tensor) -> Tensor:
    """``rows[start:stop] @ block.t()``; beam search has one or two rows per branch.

    For a few rows ``block @ rows.t()`` takes half the time. A single row would become a matrix-vector
    product, which is slow, so it is multiplied together with a neighbour.
    """
    if stop - start >= 16 or rows.size(0) == 1:
        return rows[start:stop].mm(block.t())
    if stop - start > 1:
        return block.mm(rows[start:stop].t()).t()
    first = start if start else 1
    return block.mm(rows[first - 1 : first + 1].t())[:, start - first + 1].unsqueeze(0)


def _block(branch: int, width: int, row_index: Tensor | None) -> slice | Tensor:
    rows = slice(branch * width, (branch + 1) * width)
    return rows if row_index is None else row_index[rows]
