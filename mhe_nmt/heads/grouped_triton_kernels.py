"""The Triton kernels of the grouped product; :mod:`mhe_nmt.heads.grouped_triton` launches them.

Triton is optional, and slow to import: the kernels are plain functions until :func:`kernels` is called.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import triton.language as tl


class Kernels(NamedTuple):
    """The kernels, to be launched, and the module with the names of their types."""

    tiles: Any
    rows: Any
    weight: Any
    language: Any


@functools.cache
def kernels() -> Kernels:
    """Imports Triton at the first call.

    Raises:
        ImportError: where Triton is not installed.
    """
    # The compiler looks up the names that a kernel uses among the globals of the kernel's module.
    global tl
    import triton
    import triton.language as tl

    return Kernels(
        triton.jit(_tiles_kernel, do_not_specialize=["num_branches", "num_rows"]),
        triton.jit(_rows_kernel),
        triton.jit(_weight_kernel),
        tl,
    )


def _tiles_kernel(  # type: ignore[no-untyped-def]
    ends, tiles, num_branches, num_rows, ROWS: tl.constexpr, BRANCHES: tl.constexpr
):
    """``tiles``: their number, then branch, first row and end of each tile.

    One program. Rows from ``ends[-1]`` on are those of a branch behind the last, which has no weight.
    """
    total = 0
    for first in range(0, num_branches + 1, BRANCHES):
        branch = first + tl.arange(0, BRANCHES)
        real = branch < num_branches
        start = tl.load(ends + branch - 1, mask=(branch > 0) & (branch <= num_branches), other=0)
        stop = tl.load(ends + branch, mask=real, other=0)
        stop = tl.where(real, stop, tl.where(branch == num_branches, num_rows, start))
        count = (stop - start + ROWS - 1) // ROWS
        place = total + tl.cumsum(count, 0) - count
        for number in range(0, tl.max(count, 0)):
            entry = tiles + 1 + 3 * (place + number)
            inside = number < count
            tl.store(entry, branch, mask=inside)
            tl.store(entry + 1, start + number * ROWS, mask=inside)
            tl.store(entry + 2, stop, mask=inside)
        total += tl.sum(count, 0)
    tl.store(tiles, total)


def _rows_kernel(  # type: ignore[no-untyped-def]
    rows,
    tiles,
    weight,
    out,
    num_weight_rows,
    width,
    d,
    LOGITS: tl.constexpr,
    DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
):
    """One block of ``rows @ weight.T`` (``LOGITS``: sums run over features) or ``rows @ weight`` (labels)."""
    num_columns = width if LOGITS else d
    blocks = tl.cdiv(num_columns, COLUMNS)
    tile = tl.program_id(0) // blocks
    if tile >= tl.load(tiles):
        return
    branch = tl.load(tiles + 1 + 3 * tile)
    first = tl.load(tiles + 2 + 3 * tile)
    stop = tl.load(tiles + 3 + 3 * tile)

    # Blocks start at 64-bit addresses, because R * d may exceed 32 bits; within a block 32 bits will do.
    first_column = tl.program_id(0) % blocks * COLUMNS
    column = tl.arange(0, COLUMNS)
    row = tl.arange(0, ROWS)
    inner = tl.arange(0, STEP)
    is_row = row < stop - first
    is_column = column < num_columns - first_column
    first_row = first.to(tl.int64)
    first_label = (branch * width).to(tl.int64)
    num_labels = tl.minimum(num_weight_rows - branch * width, width)
    if LOGITS:
        depth = tl.where(first_column < num_labels, d, 0)
        left_block = rows + first_row * d
        left_entry = row[:, None] * d + inner[None, :]
        right_block = weight + (first_label + first_column) * d
        right_entry = column[None, :] * d + inner[:, None]
        right_step = STEP
        has_weight = column < num_labels - first_column
    else:
        depth = tl.maximum(num_labels, 0)
        left_block = rows + first_row * width
        left_entry = row[:, None] * width + inner[None, :]
        right_block = weight + first_label * d + first_column
        right_entry = inner[:, None] * d + column[None, :]
        right_step = STEP * d
        has_weight = is_column
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, depth, STEP):
        inside = inner < depth - start
        left = tl.load(left_block + left_entry, mask=is_row[:, None] & inside[None, :], other=0)
        right = tl.load(right_block + right_entry, mask=inside[:, None] & has_weight[None, :], other=0)
        total = tl.dot(left.to(DTYPE), right.to(DTYPE), total, input_precision=PRECISION)
        left_block += STEP
        right_block += right_step
    out_entry = out + first_row * num_columns + first_column + (row[:, None] * num_columns + column[None, :])
    tl.store(out_entry, total.to(out.dtype.element_ty), mask=is_row[:, None] & is_column[None, :])


def _weight_kernel(  # type: ignore[no-untyped-def]
    grad,
    ends,
    rows,
    out,
    num_weight_rows,
    width,
    d,
    DTYPE: tl.constexpr,
    PRECISION: tl.constexpr,
    LABELS: tl.constexpr,
    FEATURES: tl.constexpr,
    STEP: tl.constexpr,
):
    """One block of a branch's ``grad.T @ rows``: the sum runs over the rows of the branch."""
    feature_blocks = tl.cdiv(d, FEATURES)
    label_blocks = tl.cdiv(width, LABELS)
    block = tl.program_id(0) // feature_blocks
    branch = block // label_blocks
    first_label = block % label_blocks * LABELS
    first_feature = tl.program_id(0) % feature_blocks * FEATURES
    label = tl.arange(0, LABELS)
    feature = tl.arange(0, FEATURES)
    inner = tl.arange(0, STEP)
    is_label = label < tl.minimum(num_weight_rows - branch * width, width) - first_label
    is_feature = feature < d - first_feature

    first = tl.load(ends + branch - 1, mask=branch > 0, other=0)
    stop = tl.load(ends + branch)
    grad_block = grad + first.to(tl.int64) * width + first_label
    grad_entry = inner[None, :] * width + label[:, None]
    row_block = rows + first.to(tl.int64) * d + first_feature
    row_entry = inner[:, None] * d + feature[None, :]
    total = tl.zeros((LABELS, FEATURES), dtype=tl.float32)
    for start in range(first, stop, STEP):
        inside = inner < stop - start
        left = tl.load(grad_block + grad_entry, mask=is_label[:, None] & inside[None, :], other=0)
        right = tl.load(row_block + row_entry, mask=inside[:, None] & is_feature[None, :], other=0)
        total = tl.dot(left.to(DTYPE), right.to(DTYPE), total, input_precision=PRECISION)
        grad_block += STEP * width
        row_block += STEP * d
    out_block = out + (branch * width + first_label).to(tl.int64) * d + first_feature
    out_entry = label[:, None] * d + feature[None, :]
    tl.store(
        out_block + out_entry, total.to(out.dtype.element_ty), mask=is_label[:, None] & is_feature[None, :]
    )
