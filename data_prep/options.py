"""The options of ``prepare`` that shape its output."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from data_prep.errors import PrepError

CLEAN_OPTIONS = (
    "source_lang",
    "target_lang",
    "max_words",
    "max_ratio",
    "keep_duplicates",
    "overlap",
    "valid_size",
    "test_size",
    "seed",
)
SUBWORD_OPTIONS = (
    "subword",
    "vocab_size",
    "joined_dictionary",
    "character_coverage",
    "byte_fallback",
    "normalization",
    "moses",
)
STAGE_OPTIONS = {"clean": CLEAN_OPTIONS, "subword": SUBWORD_OPTIONS}
"""Each option under the first stage that uses it."""

_LANGUAGE = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class PrepareOptions:
    """Everything that shapes the output, apart from the input files themselves."""

    source_lang: str
    target_lang: str
    max_words: int
    max_ratio: float
    keep_duplicates: bool
    overlap: str
    valid_size: int | None
    test_size: int | None
    seed: int
    subword: str
    vocab_size: int
    joined_dictionary: bool
    character_coverage: float
    byte_fallback: bool
    normalization: str
    moses: bool

    def __post_init__(self) -> None:
        for option, lang in (("--source-lang", self.source_lang), ("--target-lang", self.target_lang)):
            if not _LANGUAGE.fullmatch(lang):
                raise PrepError(
                    f"{option} {lang!r} would break fairseq's file names (train.SRC-TGT.LANG.bin); use "
                    "letters, digits and underscores, for example zh_Hans"
                )
        if self.source_lang == self.target_lang:
            raise PrepError(
                f"--source-lang and --target-lang are both {self.source_lang}; give two different languages"
            )

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target."""
        return self.source_lang, self.target_lang

    @property
    def models(self) -> dict[str, str]:
        """Name of the SentencePiece model of each language."""
        if self.joined_dictionary:
            return dict.fromkeys(self.languages, "spm.model")
        return {lang: f"spm.{lang}.model" for lang in self.languages}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return asdict(self)
