"""``--optimizer row_adam``: :class:`mhe_nmt.row_adam.RowAdam` with all that fairseq's trainer asks of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import torch
from fairseq import utils
from fairseq.distributed import utils as distributed_utils
from fairseq.optim import FairseqOptimizer, register_optimizer
from fairseq.optim.adam import FairseqAdam
from torch import Tensor, nn

from mhe_nmt.row_adam import RowAdam
from user_dir.errors import UsageError
from user_dir.optim.config import RowAdamConfig
from user_dir.optim.reduction import average_rows, without
from user_dir.optim.sparse_rows import has_sparse_rows


class _Consolidated(RowAdam):
    """A :class:`RowAdam` that is up to date in every process when one of them writes a checkpoint."""

    def consolidate_state_dict(self) -> None:
        """fairseq's trainer calls this in all processes."""
        self.catch_up()


@register_optimizer("row_adam", dataclass=RowAdamConfig)
class FairseqRowAdam(FairseqOptimizer):
    """Adam, whose step takes as long as the rows that occur in the batch, whatever the vocabulary.

    Embeddings and the output matrix of ``--mhe-head cascade`` (by table) and ``sampling`` get sparse
    gradients. Everything that fairseq does with gradients is done with their rows: accumulation, reduction
    over processes, scaling, clipping. Norms, learning rates and weights are those of ``--optimizer adam``.
    """

    def __init__(self, cfg: RowAdamConfig, params: Iterable[nn.Parameter]) -> None:
        super().__init__(cfg)
        try:
            self._optimizer = _Consolidated(params, **self.optimizer_config)
        except ValueError as error:
            raise UsageError(f"--optimizer row_adam: {error}") from error

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """The options that override those in a checkpoint."""
        rates = self.cfg.lr
        return {
            "lr": float(rates if isinstance(rates, (int, float)) else rates[0]),
            "betas": _betas(self.cfg.adam_betas),
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
        }

    def all_reduce_grads(self, module: nn.Module) -> None:
        """Averages gradients over the processes, as DDP does; rows are gathered, and nothing V-wide made."""
        sparse = [parameter for parameter in self.params if has_sparse_rows(parameter)]
        with without(sparse):
            super().all_reduce_grads(module)
        group = distributed_utils.get_data_parallel_group()
        for parameter in sparse:
            average_rows(parameter, group)
        for parameter in self.params:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()

    def multiply_grads(self, c: float | Tensor) -> None:
        """Multiplies all gradients by a number."""
        gradients = [_values(parameter.grad) for parameter in self.params if parameter.grad is not None]
        if isinstance(c, Tensor):
            for gradient in gradients:
                gradient.mul_(c.to(gradient.device))
        elif gradients:
            torch._foreach_mul_(gradients, c)

    def clip_grad_norm(
        self, max_norm: float, aggregate_norm_fn: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """The norm before clipping, a scalar; a row that occurs several times counts with its sum."""
        clipped: list[Any] = []
        for parameter in self.params:
            gradient = parameter.grad
            if gradient is not None and gradient.is_sparse:
                parameter.grad = gradient.coalesce()
                clipped.append(SimpleNamespace(grad=_values(parameter.grad)))
            else:
                clipped.append(parameter)
        return utils.clip_grad_norm_(clipped, max_norm, aggregate_norm_fn)


# A checkpoint names the class, and these two have the same state.
FairseqRowAdam.__name__ = FairseqAdam.__name__


def _values(gradient: Tensor) -> Tensor:
    """What a gradient stores; it can be changed in place."""
    return gradient._values() if gradient.is_sparse else gradient


def _betas(given: Any) -> tuple[float, float]:
    try:
        first, second = ast.literal_eval(given) if isinstance(given, str) else given
        return float(first), float(second)
    except (SyntaxError, TypeError, ValueError):
        raise UsageError(f'--adam-betas {given}: give two numbers, as in "(0.9, 0.98)"') from None
