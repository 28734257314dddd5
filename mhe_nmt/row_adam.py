"""Adam for matrices of which a step uses few rows: the others cost nothing until they are read."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from mhe_nmt.row_clock import RowClock
from mhe_nmt.rows import set_catch_up

#: Rows are processed in parts of about this many values, which stay in a processor's cache.
_PART = 1 << 16


class RowAdam(torch.optim.Optimizer):
    r"""Adam with decoupled weight decay that takes sparse gradients and does the same as with dense ones.

    **Dense gradients** are stepped as fairseq's ``adam`` does, operation by operation: ``θ ← θ − λ·lr·θ``,
    then ``θ ← θ − c_t · m / (sqrt(v) + ε)`` with ``c_t = lr · sqrt(1 − β₂ᵗ) / (1 − β₁ᵗ)``.

    **Sparse gradients** (coordinates in one dimension) say which rows a step has used. Only these and their
    moments are visited. Adam would go on moving all others: it decays them and their moments, and lets the
    momentum of their last gradient run out. For a rare row that is most of its movement (with β = 0.9, 0.98
    about nine tenths). A row is owed all of this and gets it at once, in closed form, when it is needed::

        m ← β₁ᵏ m,   v ← β₂ᵏ v,   θ ← Q · (θ − D · m / (sqrt(v) + ε))

    for ``k`` missed steps after step ``t``, with ``Q = prod (1 − λ·lr_s)`` over the missed steps and
    ``D = sum_j c_{t+j} · (β₁ / sqrt(β₂))ʲ / Q_j``, where ``Q_j`` is the decay up to the j-th missed step.
    ``D`` is kept for every ``t``, so learning-rate schedules are followed exactly.

    A row is brought up to date when it has a gradient, when :func:`mhe_nmt.rows.before_reading` names it
    (an embedding does after :func:`mhe_nmt.rows.follow`), and, all rows together, by :meth:`catch_up` and
    :meth:`state_dict`.

    Where it differs from Adam:

    * by rounding alone if the rows that a forward pass reads are announced and ``sqrt(v)`` is large compared
      with ``ε``. While a row waits, ``ε`` decays along with ``sqrt(v)``, so that a row whose ``sqrt(v)`` is
      near ``ε`` moves further than with Adam;
    * once a row has missed ``log(1e-10) / log(β₁ / sqrt(β₂))`` steps (242 for 0.9 and 0.98), the rest of its
      momentum no longer moves it;
    * a row that is read without being announced has the value that it had after its last gradient or
      announcement, and its gradient is taken there. Its updates follow as they should. So call
      :meth:`catch_up` before a model is evaluated or saved.

    The state of a parameter is Adam's (``step``, ``exp_avg``, ``exp_avg_sq``), and :meth:`state_dict` first
    brings all rows up to date, in the parameters too: states of fairseq's ``adam`` can be loaded here and the
    other way round. A parameter may have sparse gradients in some steps and dense ones in others.

    Args:
        params: parameters or groups of them, as for every optimizer.
        lr: learning rate, per group.
        betas: decay of the first and the second moment; ``β₁ < sqrt(β₂)``, or a row without gradients would
            never stop.
        eps: added to ``sqrt(v)``.
        weight_decay: ``λ``, decoupled.

    Raises:
        ValueError: for an option out of range, or (by :meth:`step`) a sparse gradient that is not of whole
            rows or belongs to a parameter in half precision.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        _check(lr, betas, eps, weight_decay)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        self._clocks: dict[Tensor, RowClock] = {}
        self._forget_clocks()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of all parameters that have a gradient; returns what ``closure`` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                grad = parameter.grad
                if grad is None:
                    continue
                if grad.is_sparse:
                    self._sparse_step(parameter, grad.coalesce(), group)
                else:
                    if parameter in self._clocks:
                        self.catch_up(parameter)
                        self._drop_clock(parameter)
                    self._dense_step(parameter, grad, group)
        return loss

    @torch.no_grad()
    def catch_up(self, parameter: Tensor | None = None, rows: Tensor | None = None) -> None:
        """Brings rows of parameters up to date with the last step.

        Args:
            parameter: one of the optimizer's; all of them if ``None``.
            rows: integer row numbers of any shape, repetitions allowed; all rows, and their moments, if
                ``None``.
        """
        for one in list(self._clocks) if parameter is None else [parameter]:
            clock = self._clocks.get(one)
            if clock is None:
                continue
            if rows is None:
                self._advance_all(one, clock)
            elif rows.numel() < len(one) or rows.device.type == "cpu":
                self._advance(one, clock, rows.flatten())
            else:
                self._advance(one, clock, torch.arange(len(one), device=one.device))

    def state_dict(self) -> dict[str, Any]:
        """Adam's state; all rows are brought up to date first, in the parameters too."""
        self.catch_up()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes a state of this optimizer or of Adam; parameters must be loaded by their own way."""
        super().load_state_dict(state_dict)
        self._forget_clocks()

    def __getstate__(self) -> dict[str, Any]:
        self.catch_up()
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._clocks = {}

    def _dense_step(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        half = parameter.dtype in (torch.float16, torch.bfloat16)
        value = parameter.data.float() if half else parameter.data
        grad = grad.float() if half else grad
        state = self._state(parameter, value)
        state["step"] += 1
        _update(value, state["exp_avg"], state["exp_avg_sq"], grad, group, _step_size(group, state["step"]))
        if half:
            parameter.data.copy_(value)

    def _sparse_step(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if grad.sparse_dim() != 1:
            raise ValueError(
                f"sparse gradients must be of whole rows, got one with {grad.sparse_dim()} sparse dimensions"
            )
        if parameter.dtype in (torch.float16, torch.bfloat16):
            raise ValueError(
                f"parameters with sparse gradients must be float32 or float64, got {parameter.dtype}; "
                "compute in half precision under autocast instead"
            )
        clock = self._clock(parameter, group)
        state = self._state(parameter, parameter.data)
        rows = grad._indices()[0]
        self._advance(parameter, clock, rows)
        state["step"] += 1
        step_size = _step_size(group, state["step"])
        value, mean, square = _as_rows(parameter.data, state)
        values = grad._values().reshape(len(rows), value.size(1)).to(value.dtype)
        for part in _parts(len(rows), value.size(1), value.device):
            index = rows[part]
            theta, m, v = (matrix.index_select(0, index) for matrix in (value, mean, square))
            _update(theta, m, v, values[part], group, step_size, clock.decays(index, value.dtype, 1))
            value.index_copy_(0, index, theta)
            mean.index_copy_(0, index, m)
            square.index_copy_(0, index, v)
        clock.tick(step_size, group["lr"] * group["weight_decay"])
        for done in (clock.moments, clock.values):
            done.index_fill_(0, rows, clock.now)

    def _advance(self, parameter: Tensor, clock: RowClock, rows: Tensor) -> None:
        """Gives rows of the parameter what they are owed; their moments wait for a gradient."""
        if rows.device.type == "cpu":
            # Elsewhere the host would have to wait for their number.
            rows = rows[clock.values.index_select(0, rows) < clock.now]
        if not rows.numel():
            return
        value, mean, square = _as_rows(parameter.data, self.state[parameter])
        for part in _parts(len(rows), value.size(1), value.device):
            index = rows[part]
            drift, decay = clock.owed(index, value.dtype)
            theta, m, v = (matrix.index_select(0, index) for matrix in (value, mean, square))
            theta.addcdiv_(m.mul_(drift), v.sqrt_().add_(clock.eps), value=-1)
            # A row may occur twice, and then the same values are written twice.
            value.index_copy_(0, index, theta.mul_(decay))
            clock.values.index_fill_(0, index, clock.now)

    def _advance_all(self, parameter: Tensor, clock: RowClock) -> None:
        """Brings all rows, and their moments, up to date."""
        rows = torch.arange(len(parameter), device=parameter.device)
        self._advance(parameter, clock, rows)
        _, mean, square = _as_rows(parameter.data, self.state[parameter])
        for part in _parts(len(mean), mean.size(1), mean.device):
            beta1, beta2 = clock.decays(rows[part], mean.dtype)
            mean[part].mul_(beta1)
            square[part].mul_(beta2)
        clock.restart()

    def _state(self, parameter: Tensor, like: Tensor) -> dict[str, Any]:
        state = self.state[parameter]
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(like), exp_avg_sq=torch.zeros_like(like))
        elif state["exp_avg"].dtype != like.dtype:
            # Loading a state casts it to the parameter's type.
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = state[name].to(like)
        return state

    def _clock(self, parameter: Tensor, group: dict[str, Any]) -> RowClock:
        clock, betas = self._clocks.get(parameter), tuple(group["betas"])
        if clock is not None and (clock.betas, clock.eps) != (betas, group["eps"]):
            self.catch_up(parameter)
            clock = None
        if clock is None:
            _check(group["lr"], betas, group["eps"], group["weight_decay"])
            clock = self._clocks[parameter] = RowClock(len(parameter), betas, group["eps"], parameter.device)
            # Weakly, so that an optimizer that is thrown away no longer moves the parameters.
            optimizer, weak_parameter = weakref.ref(self), weakref.ref(parameter)

            def catch_up(rows: Tensor | None) -> None:
                owner, mine = optimizer(), weak_parameter()
                if owner is not None and mine is not None:
                    owner.catch_up(mine, rows)

            set_catch_up(parameter, catch_up)
        return clock

    def _drop_clock(self, parameter: Tensor) -> None:
        self._clocks.pop(parameter, None)
        set_catch_up(parameter, None)

    def _forget_clocks(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                self._drop_clock(parameter)


def _update(
    value: Tensor,
    mean: Tensor,
    square: Tensor,
    grad: Tensor,
    group: dict[str, Any],
    step_size: float,
    decays: tuple[Any, Any] | None = None,
) -> None:
    """Adam in place, in fairseq's order of operations; ``decays`` are those of moments that have waited."""
    beta1, beta2 = group["betas"]
    decay1, decay2 = decays or (beta1, beta2)
    mean.mul_(decay1).add_(grad, alpha=1 - beta1)
    square.mul_(decay2).addcmul_(grad, grad, value=1 - beta2)
    decay = group["weight_decay"] * group["lr"]
    if decay != 0:
        value.add_(value, alpha=-decay)
    value.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-step_size)


def _step_size(group: dict[str, Any], step: int) -> float:
    beta1, beta2 = group["betas"]
    return group["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step)


def _as_rows(value: Tensor, state: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Parameter and moments, ``(V, …)``, as matrices; a vector has rows of one value."""
    value, mean, square = (
        matrix.view(len(matrix), -1) for matrix in (value, state["exp_avg"], state["exp_avg_sq"])
    )
    return value, mean, square


def _parts(rows: int, width: int, device: torch.device) -> list[slice]:
    size = max(1, _PART // width) if device.type == "cpu" else max(1, rows)
    return [slice(start, start + size) for start in range(0, rows, size)]


def _check(lr: float, betas: tuple[float, ...], eps: float, weight_decay: float) -> None:
    beta1, beta2 = betas
    if not (0 <= beta1 < 1 and 0 < beta2 < 1 and beta1**2 < beta2):
        raise ValueError(
            f"betas must be in [0, 1) with the first below the root of the second, got {beta1} and {beta2}"
        )
    if eps <= 0:
        raise ValueError(f"eps must be above 0, got {eps}")
    if lr < 0 or weight_decay < 0 or lr * weight_decay >= 1:
        raise ValueError(
            f"lr and weight_decay must be at least 0 with a product below 1, got {lr} and {weight_decay}"
        )
