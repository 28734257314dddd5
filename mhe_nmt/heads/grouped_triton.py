"""The grouped product and its two gradients as Triton kernels: no transfer to the host, few launches.

For CUDA devices on which ``torch.nn.functional.grouped_mm`` is slow or refuses: float32, float16, cards older
than SM90, widths that are no multiples of 8, float32 weights under autocast. Three kernels are behind it:

- One program cuts each branch into tiles of rows. Counts are known to the device only, so the launch that
  follows has as many programs as there could be tiles; those without a tile stop at once.
- A tile of rows times a block of its branch's weight gives logits or, transposed, gradients of rows. Operands
  are cast block by block in registers, so a float32 weight is never copied in another type.
- A block of the weight's gradient sums over the rows of its branch, in order and without atomic additions.
  Every block is written, zeros too, so no memory is cleared first, and results are the same in each run.

Block sizes follow from the shapes and types, never from the counts: a training step compiles nothing that
an earlier step with these shapes had. Triton is imported by the first call.

What has been checked: values against float64 in Triton's interpreter on a CPU; that the kernels compile for
SM80, SM86, SM90 and SM100 within the shared memory of each. They have not run on a GPU yet, so block sizes are
estimates.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    import triton.language as tl

#: The types in which products can be computed.
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

_HAS_TRITON = importlib.util.find_spec("triton") is not None
#: The oldest cards that Triton supports; V100 and T4 are older.
_CAPABILITY = (8, 0)


def is_available(device: torch.device) -> bool:
    """Whether the kernels can run on this device: Triton is installed, and the card is SM80 or later."""
    if device.type != "cuda" or torch.version.hip is not None or not _HAS_TRITON:
        return False
    return torch.cuda.get_device_capability(device) >= _CAPABILITY


def grouped_forward(
    sorted_rows: Tensor, ends: Tensor, weight: Tensor, width: int, dtype: torch.dtype
) -> Tensor:
    """``out[n] = weight[b·width … (b + 1)·width - 1] @ sorted_rows[n]`` for the branch ``b`` of row ``n``.

    Args:
        sorted_rows: ``(N, d)``, sorted by branch.
        ends: ``(P,)`` int32; branch ``b`` has the rows ``ends[b - 1] … ends[b] - 1``.
        weight: ``(R, d)``; the last branch may have fewer than ``width`` rows. Rows and weight may have
            any of :data:`DTYPES`.
        width: weight rows per branch.
        dtype: one of :data:`DTYPES`; rows and weight are rounded to it. Sums are float32. A float32 product
            uses TF32 only where ``torch.backends.cuda.matmul`` allows it.

    Returns:
        ``(N, width)`` of type ``dtype``. Rows from ``ends[-1]`` on, and entries beyond a short last branch,
        are zero.

    Raises:
        TypeError: for another type.
    """
    if torch.compiler.is_compiling():
        return torch.ops.mhe_nmt.grouped_forward(sorted_rows, ends, weight, width, dtype)
    return _forward(sorted_rows, ends, weight, width, dtype)


def grouped_grad_rows(grad: Tensor, ends: Tensor, weight: Tensor, width: int) -> Tensor:
    """The gradient of the rows: ``grad[n] @ weight[b·width … (b + 1)·width - 1]``.

    Args:
        grad: ``(N, width)``, the gradient of :func:`grouped_forward`'s result, in the type of the products.
        ends, weight, width: as in :func:`grouped_forward`.

    Returns:
        ``(N, d)`` in ``grad``'s type; rows from ``ends[-1]`` on are zero.

    Raises:
        TypeError: for a type that is not in :data:`DTYPES`.
    """
    if torch.compiler.is_compiling():
        return torch.ops.mhe_nmt.grouped_grad_rows(grad, ends, weight, width)
    return _grad_rows(grad, ends, weight, width)


def grouped_grad_weight(
    grad: Tensor, ends: Tensor, sorted_rows: Tensor, width: int, R: int, dtype: torch.dtype
) -> Tensor:
    """The gradient of the weight: ``grad[rows of b].T @ sorted_rows[rows of b]`` for each branch ``b``.

    Args:
        grad: ``(N, width)``, in the type of the products.
        ends, sorted_rows, width: as in :func:`grouped_forward`.
        R: rows of the weight.
        dtype: type of the weight, one of :data:`DTYPES`.

    Returns:
        ``(R, d)`` of type ``dtype``, rounded once from float32 sums; exact zeros for branches without rows.

    Raises:
        TypeError: for a type that is not in :data:`DTYPES`.
    """
    if torch.compiler.is_compiling():
        return torch.ops.mhe_nmt.grouped_grad_weight(grad, ends, sorted_rows, width, R, dtype)
    return _grad_weight(grad, ends, sorted_rows, width, R, dtype)


class _Blocks(NamedTuple):
    """Block sizes of one launch: (rows, columns) of the result and the length of a step of the sum."""

    rows: int
    columns: int
    step: int
    warps: int
    stages: int


def _forward(sorted_rows: Tensor, ends: Tensor, weight: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    out = sorted_rows.new_empty((len(sorted_rows), width), dtype=dtype)
    return _multiply_rows(sorted_rows, ends, weight, width, out, logits=True)


def _grad_rows(grad: Tensor, ends: Tensor, weight: Tensor, width: int) -> Tensor:
    out = grad.new_empty((len(grad), weight.size(1)))
    return _multiply_rows(grad, ends, weight, width, out, logits=False)


def _multiply_rows(
    rows: Tensor, ends: Tensor, weight: Tensor, width: int, out: Tensor, logits: bool
) -> Tensor:
    if not out.numel():
        return out
    rows, weight = rows.contiguous(), weight.contiguous()
    tl_dtype, precision = _arithmetic(out.dtype, rows, weight)
    blocks = _row_blocks(rows, len(ends), weight, out)
    # No branch, the rest behind the last one included, fills more than one tile partly.
    parts = min(len(ends) + 1, len(rows))
    bound = (len(rows) + parts * (blocks.rows - 1)) // blocks.rows
    tiles = ends.new_empty(1 + 3 * bound)
    kernels = _kernels()
    with torch.cuda.device_of(rows):
        kernels.tiles[(1,)](ends, tiles, len(ends), len(rows), ROWS=blocks.rows, BRANCHES=1024)
        kernels.rows[(bound * -(-out.size(1) // blocks.columns),)](
            rows,
            tiles,
            weight,
            out,
            len(weight),
            width,
            weight.size(1),
            LOGITS=logits,
            DTYPE=tl_dtype,
            PRECISION=precision,
            ROWS=blocks.rows,
            COLUMNS=blocks.columns,
            STEP=blocks.step,
            num_warps=blocks.warps,
            num_stages=blocks.stages,
        )
    return out


def _grad_weight(
    grad: Tensor, ends: Tensor, sorted_rows: Tensor, width: int, R: int, dtype: torch.dtype
) -> Tensor:
    d = sorted_rows.size(1)
    out = grad.new_empty((R, d), dtype=dtype)
    if not out.numel():
        return out
    grad, sorted_rows = grad.contiguous(), sorted_rows.contiguous()
    tl_dtype, precision = _arithmetic(grad.dtype, sorted_rows, out)
    blocks = _weight_blocks(grad, len(ends), sorted_rows)
    per_branch = -(-width // blocks.rows) * -(-d // blocks.columns)
    with torch.cuda.device_of(grad):
        _kernels().weight[(len(ends) * per_branch,)](
            grad,
            ends,
            sorted_rows,
            out,
            R,
            width,
            d,
            DTYPE=tl_dtype,
            PRECISION=precision,
            LABELS=blocks.rows,
            FEATURES=blocks.columns,
            STEP=blocks.step,
            num_warps=blocks.warps,
            num_stages=blocks.stages,
        )
    return out


# Kernels launched inside a compiled graph would be traced; as operators they are calls like any other.
def _operator(name: str, schema: str, function: Any) -> Any:
    return torch.library.custom_op(f"mhe_nmt::{name}", function, mutates_args=(), schema=schema)


_forward_op = _operator(
    "grouped_forward",
    "(Tensor sorted_rows, Tensor ends, Tensor weight, SymInt width, ScalarType dtype) -> Tensor",
    _forward,
)
_grad_rows_op = _operator(
    "grouped_grad_rows", "(Tensor grad, Tensor ends, Tensor weight, SymInt width) -> Tensor", _grad_rows
)
_grad_weight_op = _operator(
    "grouped_grad_weight",
    "(Tensor grad, Tensor ends, Tensor sorted_rows, SymInt width, SymInt R, ScalarType dtype) -> Tensor",
    _grad_weight,
)


@_forward_op.register_fake
def _(sorted_rows: Tensor, ends: Tensor, weight: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    return sorted_rows.new_empty((sorted_rows.size(0), width), dtype=dtype)


@_grad_rows_op.register_fake
def _(grad: Tensor, ends: Tensor, weight: Tensor, width: int) -> Tensor:
    return grad.new_empty((grad.size(0), weight.size(1)))


@_grad_weight_op.register_fake
def _(grad: Tensor, ends: Tensor, sorted_rows: Tensor, width: int, R: int, dtype: torch.dtype) -> Tensor:
    return grad.new_empty((R, sorted_rows.size(1)), dtype=dtype)


def _arithmetic(dtype: torch.dtype, *others: Tensor) -> tuple[Any, str]:
    """Triton's name of the type of the products, and how float32 ones are computed."""
    for one in (dtype, *(other.dtype for other in others)):
        if one not in DTYPES:
            raise TypeError(f"the Triton grouped product takes float32, float16 and bfloat16, not {one}")
    _kernels()  # imports Triton
    matmul = torch.backends.cuda.matmul
    # Since torch 2.9 the old name refuses to answer where the new one has been set.
    tf32 = matmul.fp32_precision == "tf32" if hasattr(matmul, "fp32_precision") else matmul.allow_tf32
    return getattr(tl, str(dtype).removeprefix("torch.")), "tf32" if tf32 else "ieee"


def _row_blocks(rows: Tensor, branches: int, weight: Tensor, out: Tensor) -> _Blocks:
    """Blocks of a product ``(N, inner) × (inner, columns)``: small ones where branches have few rows."""
    half = out.dtype != torch.float32
    narrow = half and rows.dtype == weight.dtype == out.dtype
    tile = _fit(-(-len(rows) // min(branches, len(rows))), 128 if half else 64)
    # Twice the width only where it wastes no more columns.
    wide = half and -(-out.size(1) // 64) % 2 == 0
    columns = _fit(out.size(1), 128 if wide else 64)
    step = _fit(rows.size(1), 64 if narrow else 32)
    return _Blocks(tile, columns, step, warps=8 if tile * columns > 64 * 128 else 4, stages=3)


def _weight_blocks(grad: Tensor, branches: int, rows: Tensor) -> _Blocks:
    """Blocks of a gradient ``(width, N) × (N, d)``."""
    half = grad.dtype != torch.float32
    narrow = half and rows.dtype == grad.dtype
    step = _fit(-(-len(rows) // min(branches, len(rows))) if len(rows) else 1, 64 if narrow else 32)
    columns = _fit(rows.size(1), 128 if half else 64)
    return _Blocks(_fit(grad.size(1), 64), columns, step, warps=4, stages=3)


def _fit(size: int, largest: int) -> int:
    """The power of two that holds ``size``, at least the 16 that a matrix instruction needs."""
    return min(max(16, 1 << (size - 1).bit_length()), largest)


class _Kernels(NamedTuple):
    tiles: Any
    rows: Any
    weight: Any


@functools.cache
def _kernels() -> _Kernels:
    # The compiler looks up the names that a kernel uses among the globals of the kernel's module.
    global tl
    import triton
    import triton.language as tl

    return _Kernels(
        triton.jit(_tiles_kernel, do_not_specialize=["num_branches", "num_rows"]),
        triton.jit(_rows_kernel),
        triton.jit(_weight_kernel),
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
    """One block of ``rows @ block.T`` (``LOGITS``: the sum runs over features) or ``rows @ block`` (labels)."""
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
