"""Detokenised sacreBLEU and chrF++ of hypotheses against raw references."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sacrebleu.metrics import BLEU, CHRF

from data_prep.errors import PrepError
from data_prep.generate_output import read_generate
from data_prep.lines import plain_spaces
from data_prep.moses import moses_detokenizer
from data_prep.subword import META_SPACE, join_pieces, load_model

__all__ = ["detokenize", "looks_like_pieces", "read_generate", "score_corpus"]


def score_corpus(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    tokenize: str | None = None,
    target_lang: str = "",
) -> dict[str, Any]:
    """BLEU and chrF++ with their signatures; both sides are plain (detokenised) text.

    ``tokenize`` names a tokeniser of sacrebleu, which by default chooses one for ``target_lang``, mostly 13a.
    """
    if len(hypotheses) != len(references):
        raise PrepError(
            f"there are {len(hypotheses)} hypotheses but {len(references)} references; they must go together "
            "line by line, so check that both belong to the same test set"
        )
    if not references:
        raise PrepError("there is nothing to score; give at least one hypothesis and its reference")
    try:
        bleu = BLEU(tokenize=tokenize, trg_lang=target_lang.split("_")[0])
    except (RuntimeError, ImportError, OSError) as error:
        first = str(error).strip().split("\n")[0]
        raise PrepError(
            f"sacrebleu's tokeniser for {tokenize or target_lang} is not usable here ({first}); "
            "use --tokenize char or another one"
        ) from None
    chrf = CHRF(word_order=2)
    bleu_score = bleu.corpus_score(list(hypotheses), [list(references)])
    chrf_score = chrf.corpus_score(list(hypotheses), [list(references)])
    return {
        "sentences": len(references),
        "empty_hypotheses": sum(not line.strip() for line in hypotheses),
        "bleu": {
            "score": bleu_score.score,
            "signature": str(bleu.get_signature()),
            "text": str(bleu_score),
            "precisions": bleu_score.precisions,
            "brevity_penalty": bleu_score.bp,
            "hypothesis_length": bleu_score.sys_len,
            "reference_length": bleu_score.ref_len,
        },
        "chrf++": {
            "score": chrf_score.score,
            "signature": str(chrf.get_signature()),
            "text": str(chrf_score),
        },
    }


def looks_like_pieces(hypotheses: Sequence[str]) -> bool:
    """True when most of the lines contain SentencePiece's word mark.

    Decoded text may contain a stray mark, and some lines of a poor model's pieces may lack it.
    """
    lines = [line for line in hypotheses if line.strip()]
    return sum(META_SPACE in line for line in lines) * 2 > len(lines)


def detokenize(
    hypotheses: Sequence[str],
    *,
    model: Path | None,
    moses_lang: str | None = None,
    pieces: bool | None = None,
) -> list[str]:
    """Plain text of hypotheses: pieces joined, then Moses tokenisation undone if ``moses_lang`` is given.

    ``pieces`` says whether there are pieces to join. None looks at the text, so that what fairseq-generate
    decoded already (``--remove-bpe sentencepiece``) is left as it is.
    """
    if looks_like_pieces(hypotheses) if pieces is None else pieces:
        if model is None:
            raise PrepError(
                "the hypotheses are in SentencePiece pieces (most lines hold U+2581); give --data DESTDIR or "
                "--spm-model FILE to undo them"
            )
        processor = load_model(model)
        hypotheses = [join_pieces(processor, line) for line in hypotheses]
    if moses_lang:
        hypotheses = list(map(moses_detokenizer(moses_lang), hypotheses))
    return list(map(plain_spaces, hypotheses)) if moses_lang else list(hypotheses)
