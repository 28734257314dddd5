"""AdamW with one step size per row: for sparse gradients, and for matrices of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


class RowAdamW(torch.optim.AdamW):
    r"""AdamW, with a row-wise variant for sparse gradients and for groups with ``"row_wise"``.

    If the gradient of a matrix ``(R, m)`` is sparse, only the rows in the gradient change; in a group with
    ``row_wise=True`` all rows do. With ``g`` the gradient of a row and ``t`` the number of updates whose
    gradients held the row, the update is

    ``v ← β₂ v + (1 - β₂) mean(g²)``,  ``w ← (1 - lr·decay) w - lr · g / (sqrt(v / (1 - β₂ᵗ)) + eps)``.

    The state is two numbers per row instead of two per weight, and the cost of an update depends only on the
    number of rows in the gradient. There is no first moment, because it would move rows long after their last
    gradient. One step size per row is row-wise Adagrad (Gupta et al., 2014) with Adam's moving average.

    Row-wise steps suit the weights of rare labels. Most gradients of such a label are tiny, because few
    documents have the label. With one step size per weight, these tiny gradients become full steps.

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
        """One update. It removes the gradients that it has used row by row."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and (gradient.is_sparse or group.get("row_wise")):
                    self._step_rows(parameter, gradient, group)
                    # AdamW's own step skips parameters without a gradient.
                    parameter.grad = None
        return super().step(closure)

    def _step_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            # AdamW expects "step" in the state of every parameter.
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
