"""Moses punctuation normalisation, tokenisation and detokenisation."""

from collections.abc import Callable

from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer


def _language(lang: str) -> str:
    return lang.split("_")[0].lower()


def moses_tokenizer(lang: str) -> Callable[[str], str]:
    """A function that normalises the punctuation of a line and tokenises it, without XML escapes."""
    normalizer = MosesPunctNormalizer(lang=_language(lang))
    tokenizer = MosesTokenizer(lang=_language(lang))
    return lambda line: tokenizer.tokenize(normalizer.normalize(line), return_str=True, escape=False)


def moses_detokenizer(lang: str) -> Callable[[str], str]:
    """A function that undoes the tokenisation of :func:`moses_tokenizer`."""
    detokenizer = MosesDetokenizer(lang=_language(lang))
    # Nothing was escaped, so a literal "&amp;" in the text must stay one.
    return lambda line: detokenizer.detokenize(line.split(), unescape=False)
