"""AdamW with one step size a row: for sparse gradients, and for matrices of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


class RowAdamW(torch.optim.AdamW):
    r"""AdamW; for sparse gradients, of embeddings, and in groups with ``"row_wise"`` a row-wise variant.

    A matrix ``(R, m)`` whose gradient is sparse is changed in the rows that the gradient holds, and in no
    others; one in a group with ``row_wise=True`` in all. For these, with ``g`` the row's gradient and ``t``
    the number of updates that held the row,

    ``v ← β₂ v + (1 - β₂) mean(g²)``,  ``w ← (1 - lr·decay) w - lr · g / (sqrt(v / (1 - β₂ᵗ)) + eps)``.

    So the state is two numbers a row instead of two a weight, and an update costs what its rows cost. The
    first moment is left out: it would move rows long after their last gradient. One step size a row is
    row-wise Adagrad's (Gupta et al., 2014) with Adam's moving average.

    Row-wise steps suit the weights of rare labels: a label's gradient is tiny but for its few documents, and
    where each weight has a step size of its own these tiny gradients become whole steps.

    Args:
        params, lr, betas, eps, weight_decay: see :class:`torch.optim.AdamW`.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One update. Sparse gradients are gone after it, whatever ``zero_grad`` does."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and (gradient.is_sparse or group.get("row_wise")):
                    self._step_rows(parameter, gradient, group)
                    # AdamW's own step leaves parameters without a gradient alone.
                    parameter.grad = None
        return super().step(closure)

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            # AdamW asks the state of every parameter for a step.
            state["step"] = parameter.new_zeros(len(parameter), dtype=torch.float32)
            state["row_squares"] = parameter.new_zeros(len(parameter), dtype=torch.float32)
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, values = gradient.indices().squeeze(0), gradient.values()
        else:
            rows, values = torch.arange(len(parameter), device=parameter.device), gradient
        decay = group["betas"][1]
        steps = state["step"].index_select(0, rows) + 1
        squares = values.float().square().mean(-1)
        squares = torch.lerp(squares, state["row_squares"].index_select(0, rows), decay)
        state["step"].index_copy_(0, rows, steps)
        state["row_squares"].index_copy_(0, rows, squares)
        scale = group["lr"] / ((squares / (1 - decay**steps)).sqrt() + group["eps"])
        change = values * -scale.to(values.dtype).unsqueeze(-1)
        if group["weight_decay"]:
            change -= group["lr"] * group["weight_decay"] * parameter.index_select(0, rows)
        parameter.index_add_(0, rows, change)
