"""Texts as TF-IDF weights of terms, for encoders of sparse input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from vision_xmc.common.cache import digest, made_once
from vision_xmc.common.errors import UsageError
from vision_xmc.common.files import write_json
from vision_xmc.xmc.data.files import read_lines

_TERMS, _IDF, _ABOUT = "terms.txt", "idf.npy", "terms.json"


class TermWeights:
    """scikit-learn's TF-IDF with sublinear term frequencies, rows of length 1 and lower-case terms.

    Args:
        terms: the ``T`` terms.
        idf: inverse document frequencies, ``(T,)`` float32.
        characters: 0 if terms are words. Otherwise terms are runs of that many characters within words, and
            shorter words; inflected and compound words have such runs in common.
    """

    def __init__(self, terms: Sequence[str], idf: np.ndarray, characters: int = 0) -> None:
        self.terms, self.idf, self.characters = list(terms), idf, characters
        self._vectoriser = _vectoriser(characters, vocabulary=self.terms)
        self._vectoriser.idf_ = idf

    @classmethod
    def fitted(
        cls, texts: Sequence[str], min_documents: int, cache: Path | None = None, characters: int = 0
    ) -> TermWeights:
        """The terms that occur in at least ``min_documents`` training texts.

        Args:
            texts: the training texts.
            min_documents: see above.
            cache: folder of terms that were fitted before.
            characters: see :class:`TermWeights`.

        Raises:
            UsageError: if there is no such term.
        """
        if cache is not None:
            name = digest([digest(texts), f"{min_documents} {characters}"])
            made = made_once(
                cache / f"vocabulary-{name}",
                lambda path: cls.fitted(texts, min_documents, characters=characters).save(path),
            )
            return cls.load(made)
        try:
            vectoriser = _vectoriser(characters, min_df=min_documents).fit(texts)
        except ValueError as error:
            raise UsageError(
                f"no term occurs in {min_documents} training texts; give a smaller --min-documents"
            ) from error
        terms = vectoriser.get_feature_names_out().tolist()
        return cls(terms, vectoriser.idf_.astype(np.float32), characters)

    def rows(self, texts: Sequence[str], cache: Path | None = None) -> sparse.csr_array:
        """Weights of texts, ``(N, T)`` float32, from ``cache`` if they were computed before."""
        if cache is None:
            return sparse.csr_array(self._vectoriser.transform(texts))
        name = digest([digest(texts), digest(self.terms), self.idf.tobytes(), str(self.characters)])
        folder = made_once(
            cache / f"terms-{name}", lambda path: sparse.save_npz(path / "rows.npz", self.rows(texts), False)
        )
        return sparse.csr_array(sparse.load_npz(folder / "rows.npz"))

    def save(self, folder: Path) -> None:
        """Writes ``terms.txt``, ``idf.npy`` and ``terms.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _TERMS).write_text("".join(f"{term}\n" for term in self.terms), encoding="utf-8")
        np.save(folder / _IDF, self.idf)
        write_json(folder / _ABOUT, {"characters": self.characters})

    @classmethod
    def load(cls, folder: Path) -> TermWeights:
        """Reads what :meth:`save` wrote."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        return cls(read_lines(folder / _TERMS), np.load(folder / _IDF), about["characters"])


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """The rows scaled to length 1; empty rows stay empty."""
    return sparse.csr_array(normalize(matrix, copy=True), dtype=np.float32)


def _vectoriser(characters: int, **options: object) -> TfidfVectorizer:
    if characters:
        options |= {"analyzer": "char_wb", "ngram_range": (characters, characters)}
    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options)
