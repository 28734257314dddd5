"""The negative log-likelihood of a softmax whose classes are distributed over the processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vision_xmc.engine.collectives import max_, sum_


class ShardedNll(torch.autograd.Function):
    r"""``log Σ exp(logits) - target logit`` of the same ``N`` examples on every process.

    The sum runs over the classes of all processes. The largest logits are exchanged by a MAX all-reduce and
    the sums by a SUM all-reduce: ``2 N`` numbers instead of ``N · V``. Gradients are those of the whole
    softmax, whatever weights the processes give to the losses. Incoming gradients are summed over the
    processes, so only one process should use the loss of an example.

    Shape:
        cosines ``(N, C)`` to this process's classes, ``C >= 0``; target_logits ``(T,)`` of the examples
        whose target it holds, at ``rows`` and ``columns`` ``(T,)`` int64 of the cosines; scale, a float;
        shift ``(C,)`` or ``None``, added to the scaled cosines (log-Q). Returns ``(N,)``, the same on every
        process.
    """

    @staticmethod
    def forward(
        ctx: Any,
        cosines: Tensor,
        target_logits: Tensor,
        rows: Tensor,
        columns: Tensor,
        scale: float,
        shift: Tensor | None,
    ) -> Tensor:
        logits = cosines * scale
        if shift is not None:
            logits += shift
        logits[rows, columns] = target_logits
        top = logits.new_full((len(logits),), -torch.inf)
        if logits.size(1):
            top = logits.amax(-1)
        max_(top)
        # The largest buffer is used three times: for logits, exponentials and probabilities.
        sums = sum_(logits.sub_(top.unsqueeze(-1)).exp_().sum(-1))
        probabilities = logits.div_(sums.unsqueeze(-1))
        all_target_logits = sum_(sums.new_zeros(len(sums)).index_copy_(0, rows, target_logits))
        ctx.save_for_backward(probabilities, rows, columns)
        ctx.scale = scale
        return top + sums.log() - all_target_logits

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        probabilities, rows, columns = ctx.saved_tensors
        gradient = sum_(gradient.contiguous().clone())
        of_targets = gradient[rows] * (probabilities[rows, columns] - 1)
        of_cosines = probabilities * (ctx.scale * gradient).unsqueeze(-1)
        of_cosines[rows, columns] = 0
        return of_cosines, of_targets, None, None, None, None
