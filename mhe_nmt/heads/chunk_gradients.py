"""Gradients that are summed up chunk by chunk, in a precision that a long sum needs."""

from __future__ import annotations

import torch
from torch import Tensor

from mhe_nmt import waiting
from mhe_nmt.heads.precision import wide_dtype

_BLOCK = 4096
"""Rows of the weight's gradient that a CPU adds at a time where products are in half precision."""


class Gradients:
    """Gradients of features, weight and bias, summed up chunk by chunk; those that ``needs`` asks for."""

    def __init__(
        self, weight: Tensor, needs: tuple[bool, bool, bool], exact: torch.dtype, count: int
    ) -> None:
        self._needs = needs
        self._of_rows: list[Tensor] = []
        self._of_weight = torch.zeros_like(weight, dtype=exact) if needs[1] and count > 1 else None
        self._of_bias: Tensor | None = None

    def add(self, of_logits: Tensor, rows: Tensor, matrix: Tensor) -> None:
        """Adds a chunk's: gradient of its logits ``(n, V)``, features ``(n, d)``, weight ``(V, d)``."""
        if self._needs[0]:
            self._of_rows.append(torch.mm(of_logits, matrix))
        if self._needs[1] and self._of_weight is None:
            self._of_weight = torch.mm(of_logits.t(), rows)
        elif self._of_weight is not None:
            _add_product(self._of_weight, of_logits, rows)
        if self._needs[2]:
            of_bias = of_logits.sum(0, dtype=wide_dtype(of_logits.dtype))
            self._of_bias = of_bias if self._of_bias is None else self._of_bias.add_(of_bias)

    def of_inputs(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor | None]:
        """The sums, in no more than their inputs' precision; those of one chunk in that of the products."""
        sums = [joined(self._of_rows) if self._needs[0] else None, self._of_weight, self._of_bias]
        return [
            total if x is None or total is None or total.itemsize <= x.itemsize else total.to(x.dtype)
            for total, x in zip(sums, (features, weight, bias), strict=True)
        ]


def joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _add_product(total: Tensor, low: Tensor, rows: Tensor) -> None:
    """Adds ``low.T @ rows`` to ``total``, in ``total``'s precision.

    Products in half precision are rounded once for each chunk, as the plain loss's are once in all; only
    their sum has to be in float32.
    """
    if low.dtype == total.dtype:
        total.addmm_(low.t(), rows)
    elif waiting.may_wait(total):
        # Blocks that stay in the cache until they are added take less memory, and half the time.
        for start in range(0, len(total), _BLOCK):
            total[start : start + _BLOCK].add_(torch.mm(low[:, start : start + _BLOCK].t(), rows))
    else:
        total.add_(torch.mm(low.t(), rows))


def scaled(gradient: Tensor | None, factor: Tensor, dtype: torch.dtype) -> Tensor | None:
    """The product in ``dtype``; in place, which saves a copy, unless the gradient may be asked for again."""
    if gradient is None:
        return None
    factor = factor.reshape(1)  # a factor without dimensions would be rounded to the gradient's dtype
    if torch.compiler.is_compiling() or gradient.dtype != dtype or _graph_is_kept():
        return (gradient * factor).to(dtype)
    if gradient.device.type == "cpu" and gradient.dtype != factor.dtype:
        # A CPU would make a float32 copy of all.
        for start in range(0, len(gradient), _BLOCK):
            gradient[start : start + _BLOCK].mul_(factor)
        return gradient
    return gradient.mul_(factor)


def _graph_is_kept() -> bool:
    """Whether this backward pass runs with ``retain_graph``; True where torch does not tell."""
    kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return True if kept is None else bool(kept())
