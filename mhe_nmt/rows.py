"""Rows of a matrix that its optimizer may owe updates: they are brought up to date before they are read.

:class:`mhe_nmt.row_adam.RowAdam` leaves rows alone while they have no gradient. What reads rows of such a
matrix during training says so here first; without such an optimizer that costs one attribute look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

CatchUp = Callable[[Tensor | None], None]

_ATTRIBUTE = "_mhe_catch_up"


def set_catch_up(parameter: Tensor, catch_up: CatchUp | None) -> None:
    """Makes :func:`before_reading` call ``catch_up(rows)`` for this parameter, or nothing any more."""
    if catch_up is not None:
        setattr(parameter, _ATTRIBUTE, catch_up)
    elif hasattr(parameter, _ATTRIBUTE):
        delattr(parameter, _ATTRIBUTE)


def before_reading(parameter: Tensor, rows: Tensor | None = None) -> None:
    """Brings rows of ``parameter`` ``(V, …)`` up to date, in place, if its optimizer owes them updates.

    Autograd does not notice: values that it has saved already must not depend on these rows.

    Args:
        parameter: the matrix or vector that is going to be read.
        rows: integer row numbers of any shape, repetitions allowed; all rows if ``None``.
    """
    catch_up = cast("CatchUp | None", getattr(parameter, _ATTRIBUTE, None))
    if catch_up is not None:
        catch_up(rows)


def look_up(parameter: Tensor, rows: Tensor) -> Tensor:
    """Rows ``(…)`` of ``parameter`` ``(V, d)`` as ``(…, d)``, up to date, with a sparse gradient."""
    before_reading(parameter, rows)
    return F.embedding(rows, parameter, sparse=True)


def follow(embedding: nn.Embedding) -> RemovableHandle:
    """Makes ``embedding`` bring the rows that it looks up to date first; the handle undoes that."""
    return embedding.register_forward_pre_hook(_before_looking_up)


# Not inside the function above, because a model must be picklable.
def _before_looking_up(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    before_reading(cast(nn.Embedding, module).weight, inputs[0])
