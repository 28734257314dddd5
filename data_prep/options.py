"""Every option of every command, written once; its flag, help, default and check come from here."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU

from data_prep.clean import RATIO_FREE_WORDS
from data_prep.errors import PrepError
from data_prep.flags import about, flag_of, option
from data_prep.split import DEFAULT_SHARE, DEFAULT_SIZE

GROUPS = {
    "input": "Either fairseq-style prefixes or two plain files.",
    "cleaning": "For training pairs only; validation and test sets stay whole.",
    "subwords": "Learned from the cleaned training text only.",
}
"""Titles and descriptions of the groups in the help of ``prepare``."""

TOKENIZERS = tuple(sorted(name for name in BLEU.TOKENIZERS if name != "none"))
"""sacrebleu's own tokenisers, which it applies to plain text; "none" would be for tokenised BLEU."""

MAX_SEED = 2**32 - 1
_LANGUAGE = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where ``prepare`` writes, and what it may do there."""

    destdir: Path = option("output folder", metavar="DIR")
    overwrite: bool = option(
        "start anew in a folder that holds another run or other files (default: refuse)", default=False
    )
    quiet: bool = option("show no progress bars and no report (default: both)", default=False)


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """The text that ``prepare`` reads."""

    trainpref: str | None = option(
        "training files P.SOURCE and P.TARGET", default=None, metavar="P", group="input"
    )
    validpref: str | None = option(
        "validation files (default: hold out --valid-size training pairs)",
        default=None,
        metavar="P",
        group="input",
    )
    testpref: str | None = option(
        "test files, which become test, test1 ... (default: none)",
        default=None,
        metavar="P[,P2...]",
        group="input",
    )
    src: Path | None = option(
        "source file; validation and test pairs are held out of it",
        default=None,
        metavar="FILE",
        group="input",
    )
    tgt: Path | None = option("target file that goes with --src", default=None, metavar="FILE", group="input")


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """Everything that shapes the output of ``prepare``, apart from the input files themselves.

    The manifest records all of these, in this order.
    """

    source_lang: str = option("source language, for example de", short="-s", metavar="LANG", stage="clean")
    target_lang: str = option("target language, for example en", short="-t", metavar="LANG", stage="clean")
    max_words: int = option(
        "drop pairs with a longer side; a Han or Kana character counts as a word",
        default=250,
        metavar="N",
        least=1,
        most=10**9,
        group="cleaning",
        stage="clean",
    )
    max_ratio: float = option(
        "drop pairs with one side more than R times as long as the other, unless both have at most "
        f"{RATIO_FREE_WORDS} words",
        default=3.0,
        metavar="R",
        least=1,
        group="cleaning",
        stage="clean",
    )
    keep_duplicates: bool = option(
        "keep repeated pairs (default: drop them)", default=False, group="cleaning", stage="clean"
    )
    overlap: str = option(
        "which training pairs to drop because of the validation and test sets that are given: the same pairs "
        "(pair), all pairs that share a sentence with them (sentence), or none (keep); held-out pairs never "
        "share a sentence with training",
        default="pair",
        choices=("pair", "sentence", "keep"),
        group="cleaning",
        stage="clean",
    )
    valid_size: int | None = option(
        "number of validation pairs to hold out (default: one pair in "
        f"{DEFAULT_SHARE}, at most {DEFAULT_SIZE:,})",
        default=None,
        metavar="N",
        least=1,
        most=10**9,
        group="input",
        stage="clean",
    )
    test_size: int | None = option(
        "number of test pairs to hold out (default: as for validation with --src, none with --trainpref)",
        default=None,
        metavar="N",
        least=0,
        most=10**9,
        group="input",
        stage="clean",
    )
    seed: int = option(
        "seed of the hold-out and of SentencePiece",
        default=1,
        metavar="N",
        least=0,
        most=MAX_SEED,
        group="input",
        stage="clean",
    )
    subword: str = option(
        "kind of SentencePiece model",
        default="unigram",
        choices=("unigram", "bpe"),
        group="subwords",
        stage="subword",
    )
    vocab_size: int = option(
        "number of pieces per model",
        default=8000,
        metavar="N",
        least=5,
        most=10**6,
        group="subwords",
        stage="subword",
    )
    joined_dictionary: bool = option(
        "one model and one dictionary for both languages", default=True, group="subwords", stage="subword"
    )
    character_coverage: float = option(
        "share of the characters that get a piece; 0.9995 for Chinese or Japanese",
        default=1.0,
        metavar="SHARE",
        least=0.98,
        most=1,
        group="subwords",
        stage="subword",
    )
    byte_fallback: bool = option(
        "spell unknown characters in bytes (default: off)", default=False, group="subwords", stage="subword"
    )
    normalization: str = option(
        "SentencePiece's normalisation; the nfkc ones turn full-width punctuation into ASCII",
        default="nmt_nfkc",
        choices=("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"),
        group="subwords",
        stage="subword",
    )
    moses: bool = option(
        "normalise punctuation and tokenise with Moses before SentencePiece (default: off)",
        default=False,
        group="subwords",
        stage="subword",
    )

    def __post_init__(self) -> None:
        for name in ("source_lang", "target_lang"):
            lang = getattr(self, name)
            if not _LANGUAGE.fullmatch(lang):
                raise PrepError(
                    f"{flag_of(name)} {lang!r} would break fairseq's file names, train.SRC-TGT.LANG.bin; "
                    "use letters, digits and underscores, for example zh_Hans"
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


FIRST_STAGE = {of.name: about(of).stage for of in fields(PrepareOptions)}
"""The first stage that uses each option of :class:`PrepareOptions`."""


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """Of ``encode`` and ``decode``."""

    data: Path = option("folder made by prepare", metavar="DESTDIR")
    lang: str = option("language of the text", metavar="LANG")


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """Of ``order``."""

    data: Path = option("folder made by prepare", metavar="DESTDIR")
    output: Path = option("file to write: comments, then one rank per line", metavar="FILE")
    lang: str | None = option(
        "language of the dictionary (default: the target language)", default=None, metavar="LANG"
    )
    cluster_size: int | None = option(
        "words per cluster, which is the last radix (default: that of two near-equal radices)",
        default=None,
        metavar="N",
        least=2,
        most=10**9,
    )
    window: int = option(
        "how many words apart two neighbours may be", default=2, metavar="N", least=1, most=100
    )
    dimensions: int = option("dimensions of the word vectors", default=64, metavar="N", least=1, most=10**4)
    seed: int = option("seed of the decomposition", default=1, metavar="N", least=0, most=MAX_SEED)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Of ``score``."""

    hypotheses: Path | None = option(
        "translations, one per line, in pieces or in plain text",
        default=None,
        metavar="FILE",
        one_of="translations",
    )
    generate: Path | None = option(
        "output of fairseq-generate (generate-test.txt or stdout)",
        default=None,
        metavar="FILE",
        one_of="translations",
    )
    data: Path | None = option("folder made by prepare", default=None, metavar="DESTDIR")
    subset: str = option("split of --data whose reference to use", default="test")
    reference: Path | None = option(
        "raw reference (default: that of --data and --subset)", default=None, metavar="FILE"
    )
    spm_model: Path | None = option(
        "SentencePiece model that joins the pieces (default: the model of --data)",
        default=None,
        metavar="FILE",
    )
    target_lang: str | None = option(
        "language of the translations (default: that of --data)", default=None, short="-t", metavar="LANG"
    )
    moses: bool | None = option(
        "undo Moses tokenisation (default: if --data was prepared with --moses)", default=None
    )
    input_format: str = option(
        "whether translations are in pieces; auto takes them for pieces if most lines hold U+2581",
        default="auto",
        choices=("auto", "pieces", "text"),
    )
    allow_missing: bool = option("score missing translations as empty lines (default: refuse)", default=False)
    tokenize: str | None = option(
        "sacrebleu's tokeniser (default: by language, mostly 13a)", default=None, choices=TOKENIZERS
    )
    json: Path | None = option(
        "write the scores as JSON; - is standard output (default: no)", default=None, metavar="FILE"
    )
    output: Path | None = option(
        "write the detokenised translations (default: no)", default=None, metavar="FILE"
    )
