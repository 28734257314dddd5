"""A document encoder with a multi-label output head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mhe_nmt.heads import MultiLabelHead
from vision_xmc.xmc.encoders import DocumentEncoder


class DocumentClassifier(nn.Module):
    """Features of documents, with dropout before the head.

    Args:
        encoder: turns the inputs of :meth:`forward` into features.
        head: the output layer, called by the trainer on the features that :meth:`forward` returns.
        dropout: share of the features that training sets to 0.
    """

    def __init__(self, encoder: DocumentEncoder, head: MultiLabelHead, dropout: float) -> None:
        super().__init__()
        self.encoder, self.dropout, self.head = encoder, nn.Dropout(dropout), head

    def forward(self, *inputs: Any) -> Tensor:
        """Features ``(N, d)``, the input of ``self.head``."""
        return self.dropout(self.encoder(*inputs))
