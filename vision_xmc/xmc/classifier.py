"""An encoder of documents with an output head for several labels."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mhe_nmt.heads import MultiLabelHead


class DocumentClassifier(nn.Module):
    """Features of documents, with dropout before the head.

    Args:
        encoder: has ``out_features``; its inputs are those of :meth:`forward`.
        head: reads the features.
        dropout: share of features set to 0 in training.
    """

    def __init__(self, encoder: nn.Module, head: MultiLabelHead, dropout: float) -> None:
        super().__init__()
        self.encoder, self.dropout, self.head = encoder, nn.Dropout(dropout), head

    def forward(self, *inputs: Any) -> Tensor:
        """``(N, d)``, the input of ``self.head``."""
        return self.dropout(self.encoder(*inputs))
