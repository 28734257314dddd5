"""Every option of every command, written once; its flag, help, default and check come from here."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU

from data_prep.clean import RATIO_FREE_WORDS
from data_prep.errors import PrepError
from data_prep.split import DEFAULT_SHARE, DEFAULT_SIZE
from mhe_nmt.options import REQUIRED, flag_of, option

GROUPS = {
    "input": "Either fairseq-style prefixes or two plain files.",
    "cleaning": "For training pairs only; validation and test sets stay whole.",
    "subwords": "Learned from the cleaned training text only.",
    "dictionary": "The order of the target dictionary, or of the joined one.",
}
"""Titles and descriptions of the groups in the help of ``prepare`` and ``reorder``."""

TOKENIZERS = tuple(sorted(name for name in BLEU.TOKENIZERS if name != "none"))
"""sacrebleu's own tokenisers, which it applies to plain text; "none" would be for tokenised BLEU."""

MAX_SEED = 2**32 - 1
_LANGUAGE = re.compile(r"[A-Za-z0-9_]+")


def _cluster_size(**more: Any) -> Any:
    return option(
        None,
        "words per cluster of a learned order, which is the last radix (default: that of two near-equal "
        "radices)",
        metavar="N",
        least=2,
        most=10**9,
        **more,
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where ``prepare`` and ``reorder`` write, and what they may do there."""

    destdir: Path = option(REQUIRED, "output folder", metavar="DIR")
    overwrite: bool = option(
        False, "start over in a folder that holds another run or other files (default: refuse)"
    )
    quiet: bool = option(False, "show no progress bars and no report (default: both)")


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """The text that ``prepare`` reads."""

    trainpref: str | None = option(None, "training files P.SOURCE and P.TARGET", metavar="P", group="input")
    validpref: str | None = option(
        None, "validation files (default: hold out --valid-size training pairs)", metavar="P", group="input"
    )
    testpref: str | None = option(
        None, "test files, which become test, test1 ... (default: none)", metavar="P[,P2...]", group="input"
    )
    src: Path | None = option(
        None, "source file; validation and test pairs are held out of it", metavar="FILE", group="input"
    )
    tgt: Path | None = option(None, "target file that goes with --src", metavar="FILE", group="input")


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """Everything that shapes the output of ``prepare``, apart from the input files themselves.

    The manifest records all of these, in this order.
    """

    source_lang: str = option(
        REQUIRED, "source language, for example de", aliases=("-s",), metavar="LANG", stage="clean"
    )
    target_lang: str = option(
        REQUIRED, "target language, for example en", aliases=("-t",), metavar="LANG", stage="clean"
    )
    max_words: int = option(
        250,
        "drop pairs with a longer side; a Han or Kana character counts as a word",
        metavar="N",
        least=1,
        most=10**9,
        group="cleaning",
        stage="clean",
    )
    max_ratio: float = option(
        3.0,
        "drop pairs with one side more than R times as long as the other, unless both have at most "
        f"{RATIO_FREE_WORDS} words",
        metavar="R",
        least=1,
        group="cleaning",
        stage="clean",
    )
    keep_duplicates: bool = option(
        False, "keep repeated pairs (default: drop them)", group="cleaning", stage="clean"
    )
    overlap: str = option(
        "pair",
        "which training pairs to drop because of the validation and test sets that are given: the same pairs "
        "(pair), all pairs that share a sentence with them (sentence), or none (keep); held-out pairs never "
        "share a sentence with training",
        choices=("pair", "sentence", "keep"),
        group="cleaning",
        stage="clean",
    )
    valid_size: int | None = option(
        None,
        "number of validation pairs to hold out (default: one pair in "
        f"{DEFAULT_SHARE}, at most {DEFAULT_SIZE:,})",
        metavar="N",
        least=1,
        most=10**9,
        group="input",
        stage="clean",
    )
    test_size: int | None = option(
        None,
        "number of test pairs to hold out (default: as for validation with --src, none with --trainpref)",
        metavar="N",
        least=0,
        most=10**9,
        group="input",
        stage="clean",
    )
    seed: int = option(
        1,
        "seed of the hold-out and of SentencePiece",
        metavar="N",
        least=0,
        most=MAX_SEED,
        group="input",
        stage="clean",
    )
    subword: str = option(
        "unigram",
        "kind of SentencePiece model",
        choices=("unigram", "bpe"),
        group="subwords",
        stage="subword",
    )
    vocab_size: int = option(
        8000,
        "number of pieces per model",
        metavar="N",
        least=5,
        most=10**6,
        group="subwords",
        stage="subword",
    )
    joined_dictionary: bool = option(
        True, "one model and one dictionary for both languages", group="subwords", stage="subword"
    )
    character_coverage: float = option(
        1.0,
        "share of the characters that get a piece; 0.9995 for Chinese or Japanese",
        metavar="SHARE",
        least=0.98,
        most=1,
        group="subwords",
        stage="subword",
    )
    byte_fallback: bool = option(
        False, "spell unknown characters in bytes (default: off)", group="subwords", stage="subword"
    )
    normalization: str = option(
        "nmt_nfkc",
        "SentencePiece's normalisation; the nfkc ones turn full-width punctuation into ASCII",
        choices=("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"),
        group="subwords",
        stage="subword",
    )
    moses: bool = option(
        False,
        "normalise punctuation and tokenise with Moses before SentencePiece (default: off)",
        group="subwords",
        stage="subword",
    )
    dictionary_order: str = option(
        "frequency",
        "the most frequent pieces first, or learned from the training text as by the command order: cascades "
        "and products then need no --mhe-label-order",
        choices=("frequency", "learned"),
        group="dictionary",
        stage="encode",
    )
    cluster_size: int | None = _cluster_size(group="dictionary", stage="encode")

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
        if self.cluster_size is not None and self.dictionary_order != "learned":
            raise PrepError("--cluster-size is for a learned order; add --dictionary-order learned")

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


FIRST_STAGE = {field.name: field.metadata["stage"] for field in fields(PrepareOptions)}
"""The first stage that uses each option of :class:`PrepareOptions`."""

DEFAULTS = {
    field.name: None if field.default is REQUIRED else field.default for field in fields(PrepareOptions)
}
"""The default of each option of :class:`PrepareOptions`; ``None`` where it must be given."""


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """The options of ``encode`` and ``decode``."""

    data: Path = option(REQUIRED, "folder made by prepare", metavar="DESTDIR")
    lang: str = option(REQUIRED, "language of the text", metavar="LANG")


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The options of ``order``."""

    data: Path = option(REQUIRED, "folder made by prepare", metavar="DESTDIR")
    output: Path = option(REQUIRED, "file to write: comments, then one rank per line", metavar="FILE")
    lang: str | None = option(
        None, "language of the dictionary (default: the target language)", metavar="LANG"
    )
    cluster_size: int | None = _cluster_size()
    window: int = option(2, "how many words apart two neighbours may be", metavar="N", least=1, most=100)
    dimensions: int = option(64, "dimensions of the word vectors", metavar="N", least=1, most=10**4)
    seed: int = option(1, "seed of the decomposition", metavar="N", least=0, most=MAX_SEED)


@dataclass(frozen=True, kw_only=True)
class ReorderOptions:
    """The options of ``reorder``."""

    data: Path = option(REQUIRED, "folder made by prepare, which stays as it is", metavar="DESTDIR")
    order: Path | None = option(
        None,
        "file of ranks, made from --data by the command order (default: learn the order)",
        metavar="FILE",
        group="dictionary",
    )
    cluster_size: int | None = _cluster_size(group="dictionary")


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """The options of ``score``."""

    hypotheses: Path | None = option(
        None, "translations, one per line, in pieces or in plain text", metavar="FILE", one_of="translations"
    )
    generate: Path | None = option(
        None,
        "output of fairseq-generate (generate-test.txt or stdout)",
        metavar="FILE",
        one_of="translations",
    )
    data: Path | None = option(None, "folder made by prepare", metavar="DESTDIR")
    subset: str = option("test", "split of --data whose reference to use")
    reference: Path | None = option(
        None, "raw reference (default: that of --data and --subset)", metavar="FILE"
    )
    spm_model: Path | None = option(
        None, "SentencePiece model that joins the pieces (default: the model of --data)", metavar="FILE"
    )
    target_lang: str | None = option(
        None, "language of the translations (default: that of --data)", aliases=("-t",), metavar="LANG"
    )
    moses: bool | None = option(
        None, "undo Moses tokenisation (default: if --data was prepared with --moses)"
    )
    input_format: str = option(
        "auto",
        "whether translations are in pieces; auto takes them for pieces if most lines hold U+2581",
        choices=("auto", "pieces", "text"),
    )
    allow_missing: bool = option(False, "score missing translations as empty lines (default: refuse)")
    tokenize: str | None = option(
        None, "sacrebleu's tokeniser (default: by language, mostly 13a)", choices=TOKENIZERS
    )
    json: Path | None = option(
        None, "write the scores as JSON; - is standard output (default: no)", metavar="FILE"
    )
    output: Path | None = option(None, "write the detokenised translations (default: no)", metavar="FILE")
