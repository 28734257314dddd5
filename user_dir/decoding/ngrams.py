"""fairseq's n-gram blocking on candidates."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from user_dir.decoding.state import CurrentStep


class CandidateNGramBlock(nn.Module):
    """Strikes out labels that would repeat an n-gram: fixed columns here, found labels in the search.

    Args:
        size: ``n``.
        current: where the step's state is.
    """

    def __init__(self, size: int, current: CurrentStep) -> None:
        super().__init__()
        self.size = size
        self.current = current

    def forward(self, tokens: Tensor, lprobs: Tensor, bsz: int, beam_size: int, step: int) -> Tensor:
        """Changes ``lprobs`` in place and returns it.

        Args:
            tokens: ``(rows, ≥ step + 1)``.
            lprobs: ``(rows, width)``.
            bsz: the number of sentences; not used.
            beam_size: rows per sentence; not used.
            step: how many tokens a hypothesis has.
        """
        # With n = 1 fairseq compares an empty history with the whole one, and so blocks nothing.
        if self.size == 1 or step + 1 < self.size:
            return lprobs
        windows = tokens[:, : step + 1].unfold(1, self.size, 1)
        history = tokens[:, step + 2 - self.size : step + 1]
        same_history = (windows[..., :-1] == history.unsqueeze(1)).all(-1)
        banned = windows[..., -1].masked_fill(~same_history, -1)
        state = self.current.state
        state.banned = banned
        columns = torch.arange(state.layout.own, device=tokens.device)
        struck = (columns.view(1, -1, 1) == banned.unsqueeze(1)).any(-1)
        lprobs[:, : len(columns)].masked_fill_(struck, -math.inf)
        return lprobs
