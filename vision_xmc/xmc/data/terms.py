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
    """TF-IDF as scikit-learn has it, with sublinear term frequencies, unit rows and lower-case terms.

    Args:
        terms: ``T`` of them.
        idf: ``(T,)`` float32.
        characters: terms are runs of so many characters within words (and shorter words), which tell
            inflected and compound words alike; 0: terms are words.
    """

    def __init__(self, terms: Sequence[str], idf: np.ndarray, characters: int = 0) -> None:
        self.terms, self.idf, self.characters = list(terms), idf, characters
        self._vectoriser = _vectoriser(characters, vocabulary=self.terms)
        self._vectoriser.idf_ = idf

    @classmethod
    def fitted(
        cls, texts: Sequence[str], min_documents: int, cache: Path | None = None, characters: int = 0
    ) -> TermWeights:
        """The terms of at least ``min_documents`` training texts, from ``cache`` if they were found before.

        Raises:
            UsageError: if there are none.
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
                f"no term stands in {min_documents} training texts; give a smaller --min-documents"
            ) from error
        terms = vectoriser.get_feature_names_out().tolist()
        return cls(terms, vectoriser.idf_.astype(np.float32), characters)

    def rows(self, texts: Sequence[str], cache: Path | None = None) -> sparse.csr_array:
        """Weights of texts, ``(N, T)`` float32, from ``cache`` if they were made before."""
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
        """What :meth:`save` wrote."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        return cls(read_lines(folder / _TERMS), np.load(folder / _IDF), about["characters"])


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows of length 1, empty ones left empty."""
    return sparse.csr_array(normalize(matrix, copy=True), dtype=np.float32)


def _vectoriser(characters: int, **options: object) -> TfidfVectorizer:
    if characters:
        options |= {"analyzer": "char_wb", "ngram_range": (characters, characters)}
    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options)
