"""Rows times the matrix of their own branch: the grouped product of cascade and sampling heads."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def grouped_linear(rows: Tensor, branches: Tensor, weight: Tensor, width: int) -> Tensor:
    """``out[n] = weight[branches[n]] @ rows[n]``, with only the branches that occur computed.

    Rows are sorted by branch and each branch's rows meet its block of the weight in one matrix product: on
    CUDA by ``torch.nn.functional.grouped_mm`` where its alignment rules allow it, elsewhere one product a
    branch. Follows autocast.

    Args:
        rows: ``(N, d)``.
        branches: ``(N,)`` int64.
        weight: ``(R, d)``; branch ``b`` owns rows ``b·width … (b + 1)·width - 1``; the last may own fewer.
        width: rows a branch.

    Returns:
        ``(N, width)``; entries beyond a short last branch are 0.
    """
    device = rows.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        rows, weight = rows.to(dtype), weight.to(dtype)
    order = branches.argsort(stable=True)
    sorted_rows = rows.index_select(0, order)
    counts = torch.bincount(branches, minlength=-(-len(weight) // width))
    with torch.autocast(device, enabled=False):
        if device == "cuda" and _grouped_mm_accepts(rows, width):
            out = grouped_mm_linear(sorted_rows, counts, weight, width)
        else:
            out = _SegmentLinear.apply(sorted_rows, weight, width, _segments(counts))
    return out.index_select(0, order.argsort())


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
    """One product a branch that occurs, on rows sorted by branch. Segments are (branch, start, stop)."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, width: int, segments: list[tuple[int, int, int]]
    ) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.width, ctx.segments = width, segments
        out = rows.new_zeros(len(rows), width)
        for branch, start, stop in segments:
            block = weight[branch * width : (branch + 1) * width]
            out[start:stop, : len(block)] = rows[start:stop] @ block.t()
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        rows, weight = ctx.saved_tensors
        grad_rows = torch.zeros_like(rows) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for branch, start, stop in ctx.segments:
            first, last = branch * ctx.width, min((branch + 1) * ctx.width, len(weight))
            part = grads[0][start:stop, : last - first]
            if grad_rows is not None:
                torch.mm(part, weight[first:last], out=grad_rows[start:stop])
            if grad_weight is not None:
                torch.mm(part.t(), rows[start:stop], out=grad_weight[first:last])
        return grad_rows, grad_weight, None, None
