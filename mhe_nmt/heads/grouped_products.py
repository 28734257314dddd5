"""The three matrix products of rows that are sorted by branch, each by the fastest way that a device has.

* A CPU multiplies the rows of one branch after the other; there the host may read where a branch ends.
* CUDA takes ``torch.nn.functional.grouped_mm`` where its kernel is fast, and else a Triton kernel. Both read
  on the device where branches end, so that nothing waits and launches do not grow with their number. Only
  where neither is at hand the branches take their turn, as on a CPU.

In all of them ``ends`` ``(P,)`` int32 holds the number of rows up to and including each branch, and branch
``b`` owns the rows ``b·width … (b + 1)·width - 1`` of the weight ``(R, d)``; the last may have fewer.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from mhe_nmt.heads import grouped_triton


def product(rows: Tensor, ends: Tensor, weight: Tensor, width: int, row_index: Tensor | None) -> Tensor:
    """``out[n] = weight_block[branch of n] @ rows[n]``, in the dtype of the rows.

    Args:
        rows: ``(N, d)``, sorted by branch.
        ends, weight, width: see the module.
        row_index: ``(R,)`` int64 or ``None``; if given, row ``r`` is ``weight[row_index[r]]``.

    Returns:
        ``(N, width)``; 0 beyond a short last branch.
    """
    way = _way(rows, weight, width)
    if way == "loop":
        return _looped_product(rows, ends, weight, width, row_index)
    weight = _in_rank_order(weight, row_index)
    if way == "triton":
        return grouped_triton.grouped_forward(rows, ends, weight, width, rows.dtype)
    return grouped_mm_product(rows, ends, weight.to(rows.dtype), width)


def grad_of_rows(grad: Tensor, ends: Tensor, weight: Tensor, width: int, row_index: Tensor | None) -> Tensor:
    """The gradient ``(N, d)`` of :func:`product`'s rows from the output's ``(N, width)``."""
    way = _way(grad, weight, width)
    if way == "loop":
        return _looped_grad_of_rows(grad, ends, weight, width, row_index)
    weight = _in_rank_order(weight, row_index)
    if way == "triton":
        return grouped_triton.grouped_grad_rows(grad, ends, weight, width)
    return grouped_mm_grad_of_rows(grad, ends, weight.to(grad.dtype), width)


def grad_of_weight(
    grad: Tensor, ends: Tensor, rows: Tensor, width: int, like: Tensor, row_index: Tensor | None
) -> Tensor:
    """The gradient of :func:`product`'s weight, of the shape and dtype of ``like``; 0 for unused branches."""
    way = _way(grad, like, width)
    if way == "loop":
        return _looped_grad_of_weight(grad, ends, rows, width, like, row_index)
    if way == "triton":
        by_rank = grouped_triton.grouped_grad_weight(grad, ends, rows, width, len(like), like.dtype)
    else:
        by_rank = grouped_mm_grad_of_weight(grad, ends, rows, width)[: len(like)].to(like.dtype)
    return by_rank if row_index is None else torch.empty_like(by_rank).index_copy_(0, row_index, by_rank)


def _in_rank_order(weight: Tensor, row_index: Tensor | None) -> Tensor:
    return weight if row_index is None else weight.index_select(0, row_index)


def _way(rows: Tensor, weight: Tensor, width: int) -> str:
    """``"loop"``, ``"triton"`` or ``"grouped_mm"``, for rows in the dtype of the products."""
    if rows.device.type == "cpu":
        return "loop"
    accepted = grouped_mm_accepts(rows, weight.size(1), width)
    if grouped_triton.is_available(rows.device):
        fast = rows.dtype == torch.bfloat16 and torch.cuda.get_device_capability(rows.device)[0] in (9, 10)
        # A weight of another dtype would be cast as a whole; a kernel of ours casts what it has loaded.
        return "grouped_mm" if fast and accepted and weight.dtype == rows.dtype else "triton"
    return "grouped_mm" if accepted else "loop"


# torch.nn.functional.grouped_mm, public from torch 2.10 on. Its fast kernel takes bfloat16 on compute
# capabilities 9 and 10; elsewhere torch copies the ends to the host and multiplies branch by branch.


def grouped_mm_accepts(rows: Tensor, features: int, width: int) -> bool:
    """Whether ``grouped_mm`` takes them: rows of blocks and of features start at multiples of 16 bytes."""
    unit = 16 // rows.element_size()
    return hasattr(F, "grouped_mm") and rows.element_size() < 8 and not (features % unit or width % unit)


def grouped_mm_product(rows: Tensor, ends: Tensor, weight: Tensor, width: int) -> Tensor:
    """:func:`product` by ``grouped_mm``."""
    return F.grouped_mm(rows, _blocks(weight, len(ends), width).mT, offs=ends)


def grouped_mm_grad_of_rows(grad: Tensor, ends: Tensor, weight: Tensor, width: int) -> Tensor:
    """:func:`grad_of_rows` by ``grouped_mm``."""
    return F.grouped_mm(grad, _blocks(weight, len(ends), width), offs=ends)


def grouped_mm_grad_of_weight(grad: Tensor, ends: Tensor, rows: Tensor, width: int) -> Tensor:
    """:func:`grad_of_weight` by ``grouped_mm``, ``(P·width, d)``."""
    blocks = F.grouped_mm(grad.t(), rows, offs=ends)
    # On some devices the product over no rows is not written (pytorch/pytorch#172439).
    unused = ends == F.pad(ends[:-1], (1, 0))
    return blocks.masked_fill_(unused.view(-1, 1, 1), 0.0).flatten(0, 1)


def _blocks(weight: Tensor, count: int, width: int) -> Tensor:
    """``weight`` ``(R, d)`` as ``(P, width, d)``; a view where its storage goes on to the end of a block."""
    missing = count * width - len(weight)
    if missing and not storage_is_padded(weight, missing):
        weight = F.pad(weight, (0, 0, 0, missing))
        missing = 0
    d = weight.size(1)
    if missing:
        return weight.as_strided((count, width, d), (width * d, d, 1))
    return weight.view(count, width, d)


def padded_storage(weight: Tensor, missing: int) -> Tensor:
    """A copy of ``weight`` ``(R, d)`` with ``missing`` rows of zeros behind it in its storage, unseen."""
    storage = weight.new_zeros(len(weight) + missing, weight.size(1))
    storage[: len(weight)] = weight
    return storage[: len(weight)]


def storage_is_padded(weight: Tensor, missing: int) -> bool:
    """Whether :func:`padded_storage` has made ``weight``, or something else with room for so many rows."""
    if not weight.is_contiguous() or type(weight) not in (Tensor, torch.nn.Parameter):
        return False
    needed = weight.storage_offset() + (len(weight) + missing) * weight.size(1)
    return weight.untyped_storage().nbytes() >= needed * weight.element_size()


# One branch after the other.


def _segments(ends: Tensor) -> Iterator[tuple[int, int, int]]:
    """(branch, first row, first row behind) of each branch with rows."""
    start = 0
    for branch, end in enumerate(ends.tolist()):
        if end > start:
            yield branch, start, end
            start = end


def _block(branch: int, width: int, size: int, row_index: Tensor | None) -> slice | Tensor:
    rows = slice(branch * width, min((branch + 1) * width, size))
    return rows if row_index is None else row_index[rows]


def _looped_product(
    rows: Tensor, ends: Tensor, weight: Tensor, width: int, row_index: Tensor | None
) -> Tensor:
    out = rows.new_empty(len(rows), width)
    for branch, start, stop in _segments(ends):
        block = weight[_block(branch, width, len(weight), row_index)].to(rows.dtype)
        torch.mm(rows[start:stop], block.t(), out=out[start:stop, : len(block)])
        if len(block) < width:
            out[start:stop, len(block) :] = 0.0
    return out


def _looped_grad_of_rows(
    grad: Tensor, ends: Tensor, weight: Tensor, width: int, row_index: Tensor | None
) -> Tensor:
    out = grad.new_empty(len(grad), weight.size(1))
    for branch, start, stop in _segments(ends):
        block = weight[_block(branch, width, len(weight), row_index)].to(grad.dtype)
        torch.mm(grad[start:stop, : len(block)], block, out=out[start:stop])
    return out


def _looped_grad_of_weight(
    grad: Tensor, ends: Tensor, rows: Tensor, width: int, like: Tensor, row_index: Tensor | None
) -> Tensor:
    if row_index is not None:
        out = torch.zeros_like(like)
        for branch, start, stop in _segments(ends):
            index = row_index[branch * width : (branch + 1) * width]
            part = grad[start:stop, : len(index)].t()
            out[index] = (part @ rows[start:stop]).to(out.dtype)
        return out
    out = torch.empty_like(like, memory_format=torch.contiguous_format)
    written = 0
    for branch, start, stop in _segments(ends):
        # Memory is touched once: nothing is cleared that will be written.
        out[written : branch * width] = 0.0
        block = out[branch * width : (branch + 1) * width]
        part = grad[start:stop, : len(block)].t()
        if out.dtype == grad.dtype:
            torch.mm(part, rows[start:stop], out=block)
        else:
            block.copy_(part @ rows[start:stop])
        written = branch * width + len(block)
    out[written:] = 0.0
    return out
