"""Parameters that are spread over the processes: each holds some rows of a matrix that is too large for one.

A checkpoint holds the whole matrix, so a run may go on with another number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor, nn


def own_rows(rows: int, processes: int, rank: int) -> tuple[int, int]:
    """Where the rows of process ``rank`` start among ``rows``, and where they end: as even as can be."""
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
        # One process has whole matrices: then there is nothing to do.
        self.rows = dict(rows) if accelerator.num_processes > 1 else {}
        self._accelerator = accelerator

    def whole(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """``values`` by parameter name, sharded tensors (or dicts with such tensors) made whole, on the CPU.

        On the first process, which writes checkpoints; the others keep their own rows, for all rows are too
        many for one device and would not fit into a machine as often as it has processes. All processes must
        call this together.
        """
        return self._mapped(values, self._gather)

    def own(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The reverse: whole tensors cut to this process's rows."""
        return self._mapped(values, self._cut)

    def rescale_gradients(self, model: nn.Module) -> None:
        """Takes out the factor that the loop puts in for DDP, which leaves these parameters alone."""
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
        found = dict(values)
        for name, rows in self.rows.items():
            value = found.get(name)
            if isinstance(value, Tensor):
                found[name] = change(value, rows)
            elif isinstance(value, Mapping):
                # An optimizer keeps scalars, such as a step, beside tensors of the parameter's shape.
                found[name] = {
                    key: change(part, rows) if isinstance(part, Tensor) and part.dim() else part
                    for key, part in value.items()
                }
        return found

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
    # The values of a sparse gradient: the rest of it is 0.
    dense = [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in gradients]
    return torch.nn.utils.get_total_norm(dense)
