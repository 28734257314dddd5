"""The grouped product and its two gradients by Triton kernels: no transfer to the host, few launches.

For CUDA devices on which ``torch.nn.functional.grouped_mm`` is slow or refuses: float32, float16, cards older
than SM90, widths that are no multiples of 8, float32 weights under autocast. Three kernels are behind it:

- One program cuts each branch into tiles of rows. Counts are known to the device only, so the launch that
  follows has as many programs as there could be tiles (:func:`tile_bound`); those without one stop at once.
- A tile of rows times a block of its branch's weight gives logits or, transposed, gradients of rows. Operands
  are cast block by block in registers, so a float32 weight is never copied in another type.
- A block of the weight's gradient sums over the rows of its branch, in order and without atomic additions.
  Every block is written, zeros too, so no memory is cleared first, and results are the same in each run.

Block sizes follow from the shapes and types, never from the counts: a training step compiles nothing that
an earlier step with these shapes had. Triton is imported by the first call.

What has been checked: values against float64 in Triton's interpreter on a CPU; that the kernels compile for
SM80, SM86, SM90 and SM100 within the shared memory of each (Triton 3.7 and 3.9). They have not run on a GPU
yet, so block sizes are estimates.
"""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .grouped_triton_kernels import kernels

#: The types in which products can be computed.
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

_HAS_TRITON = importlib.util.find_spec("triton") is not None
#: V100 and T4 are older: Triton compiles for them, but to code that keeps half-precision blocks in memory.
_CAPABILITY = (8, 0)


def is_available(device: torch.device) -> bool:
    """Whether the kernels can run on this device: Triton is installed, and the card is SM80 or later."""
    if device.type != "cuda" or not torch.cuda.is_available() or torch.version.hip or not _HAS_TRITON:
        return False
    return torch.cuda.get_device_capability(device) >= _CAPABILITY


# What torch.compiler.assume_constant_result does, which would import the whole compiler with this module.
is_available._dynamo_marked_constant = True  # type: ignore[attr-defined]


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
        ValueError: if ``P`` branches of this width cannot own ``R`` rows.
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
        TypeError, ValueError: as :func:`grouped_forward`.
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
        TypeError, ValueError: as :func:`grouped_forward`.
    """
    if torch.compiler.is_compiling():
        return torch.ops.mhe_nmt.grouped_grad_weight(grad, ends, sorted_rows, width, R, dtype)
    return _grad_weight(grad, ends, sorted_rows, width, R, dtype)


def tile_bound(num_rows: int, num_branches: int, tile: int) -> int:
    """The most tiles of ``tile`` rows that ``num_rows`` rows can need, whatever the counts of the branches.

    A branch with ``c`` rows needs ``ceil(c / tile)``, at most ``(c + tile - 1) / tile``, if it has any. Rows
    behind the last branch count as one more branch.
    """
    return (num_rows + min(num_branches + 1, num_rows) * (tile - 1)) // tile


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
    _check_branches(ends, width, len(weight))
    tl_dtype, precision = _arithmetic(out.dtype, rows, weight)
    blocks = _row_blocks(rows, len(ends), weight, out)
    bound = tile_bound(len(rows), len(ends), blocks.rows)
    tiles = ends.new_empty(1 + 3 * bound)
    with torch.cuda.device_of(rows):
        kernels().tiles[(1,)](ends, tiles, len(ends), len(rows), ROWS=blocks.rows, BRANCHES=1024)
        kernels().rows[(bound * -(-out.size(1) // blocks.columns),)](
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
    _check_branches(ends, width, R)
    tl_dtype, precision = _arithmetic(grad.dtype, sorted_rows, out)
    blocks = _weight_blocks(grad, len(ends), sorted_rows)
    per_branch = -(-width // blocks.rows) * -(-d // blocks.columns)
    with torch.cuda.device_of(grad):
        kernels().weight[(len(ends) * per_branch,)](
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


def _check_branches(ends: Tensor, width: int, R: int) -> None:
    # Kernels trust these numbers with memory.
    if ends.dtype != torch.int32 or not ends.is_contiguous():
        raise TypeError(f"ends must be contiguous int32, not {ends.dtype}")
    if len(ends) * width < R:
        raise ValueError(f"{len(ends)} branches of width {width} cannot own {R} weight rows")


def _arithmetic(dtype: torch.dtype, *others: Tensor) -> tuple[Any, str]:
    """Triton's name of the type of the products, and how float32 ones are computed."""
    for one in (dtype, *(other.dtype for other in others)):
        if one not in DTYPES:
            raise TypeError(f"the Triton grouped product takes float32, float16 and bfloat16, not {one}")
    matmul = torch.backends.cuda.matmul
    # Since torch 2.9 the old name refuses to answer where the new one has been set.
    tf32 = matmul.fp32_precision == "tf32" if hasattr(matmul, "fp32_precision") else matmul.allow_tf32
    return getattr(kernels().language, str(dtype).removeprefix("torch.")), "tf32" if tf32 else "ieee"


def _row_blocks(rows: Tensor, branches: int, weight: Tensor, out: Tensor) -> _Blocks:
    """Blocks of a product ``(N, inner) × (inner, columns)``: small ones where branches have few rows."""
    half = out.dtype != torch.float32
    narrow = half and rows.dtype == weight.dtype == out.dtype
    tile = _fit(-(-len(rows) // min(branches, len(rows))), 128 if half else 64)
    # Twice the width only where it wastes no more columns, and where aligned addresses save registers.
    wide = half and weight.size(1) % 16 == 0 and -(-out.size(1) // 64) % 2 == 0
    columns = _fit(out.size(1), 128 if wide else 64)
    step = _fit(rows.size(1), 64 if narrow else 32)
    return _Blocks(tile, columns, step, warps=8 if tile * columns > 64 * 128 else 4, stages=3)


def _weight_blocks(grad: Tensor, branches: int, rows: Tensor) -> _Blocks:
    """Blocks of a gradient ``(width, N) × (N, d)``."""
    half = grad.dtype != torch.float32
    narrow = half and rows.dtype == grad.dtype
    step = _fit(-(-len(rows) // min(branches, len(rows))) if len(rows) else 1, 64 if narrow else 32)
    columns = _fit(rows.size(1), 128 if half and rows.size(1) % 16 == 0 else 64)
    return _Blocks(_fit(grad.size(1), 64), columns, step, warps=4, stages=3)


def _fit(size: int, largest: int) -> int:
    """The power of two that holds ``size``, at least the 16 that a matrix instruction needs."""
    return min(max(16, 1 << (size - 1).bit_length()), largest)
