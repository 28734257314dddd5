"""What a classifier is made of, without its weights: the content of ``model.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from mhe_nmt import MultiLabelCascade, OneVsAllHead
from mhe_nmt.heads import MultiLabelHead
from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.classifier import DocumentClassifier
from vision_xmc.xmc.data.inputs import Preparation, RowPreparation, TermPreparation, TokenPreparation
from vision_xmc.xmc.data.tokens import load_tokeniser
from vision_xmc.xmc.encoders import (
    BagOfWordsEncoder,
    DocumentEncoder,
    TransformerEncoder,
    build_transformer,
)

FORMAT = 2


class EncoderBlueprint(Protocol):
    """The encoder's part of a :class:`Blueprint`."""

    def build(self) -> DocumentEncoder:
        """The encoder with random weights."""

    def load_preparation(self, folder: Path) -> Preparation:
        """How documents become this encoder's inputs, from what :meth:`Preparation.save` wrote."""

    def as_plain(self) -> dict[str, Any]:
        """The encoder's entries in ``model.json``."""


class HeadBlueprint(Protocol):
    """The output head's part of a :class:`Blueprint`."""

    def build(self, in_features: int, num_labels: int, order: Tensor | None) -> MultiLabelHead:
        """The head with random weights.

        Raises:
            ValueError: if an option is out of range.
        """

    def as_plain(self) -> dict[str, Any]:
        """The head's entries in ``model.json``."""


@dataclass(frozen=True)
class BagOfWordsBlueprint:
    """A :class:`BagOfWordsEncoder`.

    Attributes:
        num_terms: columns of a document's row.
        features: size of the projection.
        term_dropout: share of a document's terms that training leaves out.
        given_rows: the documents are rows of numbers, not texts whose terms are counted.
    """

    num_terms: int
    features: int
    term_dropout: float
    given_rows: bool

    def build(self) -> BagOfWordsEncoder:
        return BagOfWordsEncoder(self.num_terms, self.features, self.term_dropout)

    def load_preparation(self, folder: Path) -> RowPreparation | TermPreparation:
        return RowPreparation(self.num_terms) if self.given_rows else TermPreparation.load(folder)

    def as_plain(self) -> dict[str, Any]:
        return {
            "encoder": "bow",
            "layers": 1,
            "pooling": "sum",
            "features": self.features,
            "config": None,
            "max_len": None,
            "num_terms": self.num_terms,
            "given_rows": self.given_rows,
            "term_dropout": self.term_dropout,
        }


@dataclass(frozen=True)
class TransformerBlueprint:
    """A :class:`TransformerEncoder`.

    Attributes:
        config: the transformer's ``config.json``, with ``model_type``.
        layers: how many of the last layers give features.
        pooling: ``"first"``, ``"last"`` or ``"mean"``, as for :class:`TransformerEncoder`.
        features: size of one layer's states.
        max_len: tokens of a text that are read.
    """

    config: dict[str, Any]
    layers: int
    pooling: str
    features: int
    max_len: int

    def build(self) -> TransformerEncoder:
        return TransformerEncoder(build_transformer(self.config), self.pooling, self.layers)

    def load_preparation(self, folder: Path) -> TokenPreparation:
        return TokenPreparation(load_tokeniser(folder), self.max_len)

    def as_plain(self) -> dict[str, Any]:
        return {
            "encoder": "transformer",
            "layers": self.layers,
            "pooling": self.pooling,
            "features": self.features,
            "config": self.config,
            "max_len": self.max_len,
            "num_terms": None,
            "given_rows": False,
            "term_dropout": 0.0,
        }


@dataclass(frozen=True)
class OneVsAllBlueprint:
    """A :class:`OneVsAllHead`.

    Attributes:
        hidden_dim: size of the bottleneck, or ``None`` for none.
    """

    hidden_dim: int | None

    def build(self, in_features: int, num_labels: int, order: Tensor | None) -> OneVsAllHead:
        return OneVsAllHead(in_features, num_labels, hidden_features=self.hidden_dim)

    def as_plain(self) -> dict[str, Any]:
        return {"radices": None, "candidates": 0, "hidden_dim": self.hidden_dim, "sparse_labels": False}


@dataclass(frozen=True)
class CascadeBlueprint:
    """A :class:`MultiLabelCascade`.

    Attributes:
        radices: number of groups, and labels per group.
        candidates: groups that training scores in addition to a document's own.
        hidden_dim: size of the bottleneck, or ``None`` for none.
        sparse_labels: gradients hold the rows of candidate groups only.
    """

    radices: tuple[int, int]
    candidates: int
    hidden_dim: int | None
    sparse_labels: bool

    def build(self, in_features: int, num_labels: int, order: Tensor | None) -> MultiLabelCascade:
        return MultiLabelCascade(
            in_features,
            num_labels,
            radices=self.radices,
            order=order,
            hidden_features=self.hidden_dim,
            candidates=self.candidates,
            sparse=self.sparse_labels,
        )

    def as_plain(self) -> dict[str, Any]:
        return {
            "radices": list(self.radices),
            "candidates": self.candidates,
            "hidden_dim": self.hidden_dim,
            "sparse_labels": self.sparse_labels,
        }


@dataclass(frozen=True)
class Blueprint:
    """A classifier without its weights, label order and files.

    Attributes:
        num_labels: ``V``.
        dropout: share of the features that training sets to 0.
        encoder: one of :class:`BagOfWordsBlueprint` and :class:`TransformerBlueprint`.
        head: one of :class:`OneVsAllBlueprint` and :class:`CascadeBlueprint`.
    """

    num_labels: int
    dropout: float
    encoder: EncoderBlueprint
    head: HeadBlueprint

    def build(
        self, order: Tensor | None = None, encoder: DocumentEncoder | None = None
    ) -> DocumentClassifier:
        """The classifier, with random weights except those of ``encoder``.

        Args:
            order: ``(V,)`` int64, rank of each label; ``None`` for the identity.
            encoder: a pretrained one in place of :attr:`encoder`.

        Raises:
            UsageError: if an option of the head is out of range.
        """
        encoder = encoder or self.encoder.build()
        try:
            head = self.head.build(encoder.out_features, self.num_labels, order)
        except ValueError as error:
            raise UsageError(f"the output head: {error}") from error
        return DocumentClassifier(encoder, head, self.dropout)

    def as_plain(self) -> dict[str, Any]:
        """The content of ``model.json``: JSON types, and every entry for every kind of model."""
        parts = {**self.encoder.as_plain(), **self.head.as_plain()}
        return {"num_labels": self.num_labels, "dropout": self.dropout, **parts, "format": FORMAT}


def read_blueprint(stored: dict[str, Any]) -> Blueprint:
    """What :meth:`Blueprint.as_plain` wrote.

    Raises:
        KeyError: if an entry is missing.
    """
    encoder: EncoderBlueprint
    if stored["encoder"] == "bow":
        encoder = BagOfWordsBlueprint(
            stored["num_terms"], stored["features"], stored["term_dropout"], stored["given_rows"]
        )
    else:
        encoder = TransformerBlueprint(
            stored["config"], stored["layers"], stored["pooling"], stored["features"], stored["max_len"]
        )
    head: HeadBlueprint
    if stored["radices"] is None:
        head = OneVsAllBlueprint(stored["hidden_dim"])
    else:
        groups, group_size = stored["radices"]
        head = CascadeBlueprint(
            (groups, group_size), stored["candidates"], stored["hidden_dim"], stored["sparse_labels"]
        )
    return Blueprint(stored["num_labels"], stored["dropout"], encoder, head)
