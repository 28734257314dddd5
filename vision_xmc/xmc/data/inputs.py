"""The inputs of encoders: how documents become inputs, and inputs become batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.utils.data import Dataset

from vision_xmc.common.errors import UsageError
from vision_xmc.xmc.data.files import Documents
from vision_xmc.xmc.data.label_sets import LabelSets
from vision_xmc.xmc.data.terms import TermWeights, unit_rows
from vision_xmc.xmc.data.tokens import Tokens, token_lists, tokenise


class Inputs(Protocol):
    """The encoder inputs of many documents."""

    @property
    def lengths(self) -> np.ndarray | None:
        """The length of each document, ``(N,)``; ``None`` if long documents cost no more than short ones."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Any: ...

    def collate(self, items: Sequence[Any]) -> tuple[Tensor, ...]:
        """The encoder's arguments for a batch of documents."""


class TokenInputs:
    """Token numbers, padded to the longest of a batch.

    Args:
        tokens: of all documents.
        padding: the tokeniser's padding token.
    """

    def __init__(self, tokens: Tokens, padding: int) -> None:
        self.tokens, self.padding = tokens, padding
        self.lengths = tokens.lengths

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, number: int) -> np.ndarray:
        return self.tokens[number]

    def collate(self, items: Sequence[np.ndarray]) -> tuple[Tensor, ...]:
        """``(N, S)`` tokens and mask, int64."""
        # Tensor cores prefer multiples of 8. A tokeniser without special tokens may leave a text empty.
        longest = -(-max(1, *(len(item) for item in items)) // 8) * 8 if len(items) else 8
        tokens = np.full((len(items), longest), self.padding, dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, item in enumerate(items):
            tokens[row, : len(item)], mask[row, : max(1, len(item))] = item, 1
        return torch.from_numpy(tokens), torch.from_numpy(mask)


class RowInputs:
    """Rows of term weights.

    Args:
        rows: ``(N, T)`` float32.
    """

    lengths = None

    def __init__(self, rows: sparse.csr_array) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows.shape[0]

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        start, end = self.rows.indptr[number : number + 2]
        return self.rows.indices[start:end], self.rows.data[start:end]

    def collate(self, items: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, ...]:
        """``(M,)`` terms int64, ``(N,)`` starts, ``(M,)`` weights."""
        starts = np.zeros(len(items), dtype=np.int64)
        np.cumsum([len(terms) for terms, _ in items[:-1]], out=starts[1:])
        terms = np.concatenate([terms for terms, _ in items]).astype(np.int64)
        weights = np.concatenate([weights for _, weights in items])
        return torch.from_numpy(terms), torch.from_numpy(starts), torch.from_numpy(weights)


class DocumentView(Dataset[Any]):
    """Documents with their label sets, by ``index`` or, as the training loop asks, by ``(epoch, index)``.

    Args:
        inputs: encoder inputs of the documents.
        sets: their label sets.
        by_length: sort the documents by length, so that those of an evaluation batch have similar lengths.
    """

    def __init__(self, inputs: Inputs, sets: LabelSets, *, by_length: bool = False) -> None:
        self.inputs, self.sets = inputs, sets
        self._order = None
        if by_length and inputs.lengths is not None:
            self._order = inputs.lengths.argsort(kind="stable")

    def __len__(self) -> int:
        return len(self.sets)

    def __getitem__(self, key: Any) -> tuple[Any, np.ndarray]:
        index = key[1] if isinstance(key, tuple) else key
        if self._order is not None:
            index = int(self._order[index])
        return self.inputs[index], self.sets[index]


Batch = tuple[tuple[Tensor, ...], Tensor, Tensor]


def collate_documents(inputs: Inputs, items: Sequence[tuple[Any, np.ndarray]]) -> Batch:
    """Encoder inputs, labels ``(M,)`` and offsets ``(N + 1,)`` of a batch of :class:`DocumentView` items."""
    sets = LabelSets.of([labels for _, labels in items])
    batch = inputs.collate([item for item, _ in items])
    return batch, torch.from_numpy(sets.labels), torch.from_numpy(sets.offsets)


class Preparation(Protocol):
    """How documents become inputs; stored with the weights."""

    def inputs(self, documents: Documents, cache: Path | None = None) -> Inputs:
        """The inputs of documents, from ``cache`` if they were computed before.

        Raises:
            UsageError: for texts in place of rows, or rows in place of texts.
        """

    def save(self, folder: Path) -> None:
        """Writes the state that the preparation needs, if any, to ``folder``."""


class TokenPreparation:
    """Turns texts into tokens.

    Args:
        tokeniser: from :func:`vision_xmc.xmc.data.tokens.load_tokeniser`.
        max_len: how many tokens of a text are kept.
    """

    def __init__(self, tokeniser: Any, max_len: int) -> None:
        self.tokeniser, self.max_len = tokeniser, max_len

    def inputs(self, documents: Documents, cache: Path | None = None) -> TokenInputs:
        if not isinstance(documents, list):
            raise UsageError(
                "this encoder reads texts, but the documents are bags of words; give --encoder bow"
            )
        padding = self.tokeniser.pad_token_id
        if cache is None:
            tokens: Any = _InMemory(self.tokeniser, documents, self.max_len)
        else:
            tokens = tokenise(self.tokeniser, documents, self.max_len, cache)
        # Without a padding token any number will do, because the model ignores what the mask leaves out.
        return TokenInputs(tokens, 0 if padding is None else padding)

    def save(self, folder: Path) -> None:
        self.tokeniser.save_pretrained(folder)


class _InMemory:
    def __init__(self, tokeniser: Any, texts: Sequence[str], max_len: int) -> None:
        lists = token_lists(tokeniser, texts, max_len) if texts else []
        self._lists = [np.asarray(tokens) for tokens in lists]
        self.lengths = np.array([len(tokens) for tokens in self._lists], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._lists)

    def __getitem__(self, number: int) -> np.ndarray:
        return self._lists[number]


class TermPreparation:
    """Turns texts into TF-IDF rows of length 1.

    Args:
        kinds: kinds of terms, each fitted to the training texts. Their columns are concatenated, and each
            kind has the same share in a row's squared length.
    """

    def __init__(self, *kinds: TermWeights) -> None:
        self.kinds = kinds
        self.num_terms = sum(len(kind.terms) for kind in kinds)

    def inputs(self, documents: Documents, cache: Path | None = None) -> RowInputs:
        if not isinstance(documents, list):
            raise UsageError("this model was trained on texts; give it texts, not a matrix")
        parts = [kind.rows(documents, cache) for kind in self.kinds]
        if len(parts) == 1:
            return RowInputs(parts[0])
        share = np.float32(len(parts) ** -0.5)
        return RowInputs(sparse.csr_array(sparse.hstack([share * part for part in parts], format="csr")))

    def save(self, folder: Path) -> None:
        for number, kind in enumerate(self.kinds):
            kind.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path) -> TermPreparation:
        """Reads what :meth:`save` wrote."""
        return cls(*(TermWeights.load(path) for path in sorted(folder.iterdir()) if path.is_dir()))


class RowPreparation:
    """Scales given rows to length 1.

    Args:
        num_terms: number of columns.
    """

    def __init__(self, num_terms: int) -> None:
        self.num_terms = num_terms

    def inputs(self, documents: Documents, cache: Path | None = None) -> RowInputs:
        if isinstance(documents, list):
            raise UsageError("this model was trained on bags of words; give it an .npz matrix, not texts")
        if documents.shape[1] != self.num_terms:
            raise UsageError(
                f"this model was trained with {self.num_terms:,} terms, but the matrix has "
                f"{documents.shape[1]:,} columns; give it the columns of the training matrix"
            )
        return RowInputs(unit_rows(documents))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
