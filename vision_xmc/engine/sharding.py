"""Parameters that are spread over the processes: each holds some rows of a matrix too large for one process.

A checkpoint holds the whole matrix, so that a run can be resumed with another number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor, nn


def own_rows(rows: int, processes: int, rank: int) -> tuple[int, int]:
    """First row of process ``rank``, and the end of its rows. All ``rows`` are cut as evenly as possible."""
    share, larger = divmod(rows, processes)
    start = rank * share + min(rank, larger)
    return start, start + share + (rank < larger)


class Shards:
    """The sharded parameters of a task's model.

    Args:
        rows: their names in the model, and how many rows they have over all processes; this process holds
            those of :func:`own_rows`.
        accelerator: of this process.
    """

    def __init__(self, rows: Mapping[str, int], accelerator: Accelerator) -> None:
        # A single process has whole matrices, so that nothing is to be done.
        self.rows = dict(rows) if accelerator.num_processes > 1 else {}
        self._accelerator = accelerator

    def whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` by parameter name, sharded tensors (or dicts with such tensors) made whole, on the CPU.

        Only the first process, which writes checkpoints, gets whole tensors; the others keep their own rows.
        All rows are too many for one device, and a machine cannot hold them once per process. All processes
        must call this together.
        """
        return self._mapped(values, self._gather)

    def own(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The reverse of :meth:`whole`: cuts whole tensors to the rows of this process."""
        return self._mapped(values, self._cut)

    def rescale_gradients(self, model: nn.Module) -> None:
        """Removes the factor that the loop applies for DDP, because DDP does not touch these parameters."""
        for name, parameter in model.named_parameters():
            if name in self.rows and parameter.grad is not None:
                parameter.grad /= self._accelerator.num_processes

    def clip_gradients(self, model: nn.Module, max_norm: float) -> Tensor:
        """Scales the gradients to a norm of at most ``max_norm`` over the whole model; returns the norm."""
        self._accelerator.unscale_gradients()
        named = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
        norm = _norm(gradient for name, gradient in named if name not in self.rows)
        if self.rows:
            sharded = _norm(gradient for name, gradient in named if name in self.rows)
            squares = self._accelerator.reduce(sharded.to(self._accelerator.device) ** 2, "sum")
            norm = (norm**2 + squares).sqrt()
        scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
        for _, gradient in named:
            gradient.mul_(scale)
        return norm

    def _mapped(self, values: Mapping[str, Any], change: Any) -> dict[str, Any]:
        changed = dict(values)
        for name, rows in self.rows.items():
            value = changed.get(name)
            if isinstance(value, Tensor):
                changed[name] = change(value, rows)
            elif isinstance(value, Mapping):
                # An optimizer keeps scalars, such as a step, next to tensors of the parameter's shape.
                changed[name] = {
                    key: change(part, rows) if isinstance(part, Tensor) and part.dim() else part
                    for key, part in value.items()
                }
        return changed

    def _gather(self, own: Tensor, rows: int) -> Tensor:
        processes = self._accelerator.num_processes
        if not self._accelerator.is_main_process:
            if len(own):
                dist.send(own.detach().contiguous(), 0)
            return own
        whole = torch.empty(rows, *own.shape[1:], dtype=own.dtype)
        whole[: len(own)] = own.detach()
        for rank in range(1, processes):
            start, end = own_rows(rows, processes, rank)
            if end > start:
                part = own.new_empty(end - start, *own.shape[1:])
                dist.recv(part, rank)
                whole[start:end] = part
        return whole

    def _cut(self, whole: Tensor, rows: int) -> Tensor:
        start, end = own_rows(rows, self._accelerator.num_processes, self._accelerator.process_index)
        # A view would keep the rows of the others in memory.
        return whole[start:end].clone()


def _norm(gradients: Iterable[Tensor]) -> Tensor:
    # All other elements of a sparse gradient are 0.
    dense = [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in gradients]
    return torch.nn.utils.get_total_norm(dense)
