"""Options of every subcommand."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from data_prep.commands import run_decode, run_encode, run_order, run_prepare, run_score
from data_prep.score import TOKENIZERS
from data_prep.subword import NORMALIZATIONS

Number = TypeVar("Number", int, float)


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of an option, unless it has none or its help already says it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``python -m data_prep``."""
    parser = argparse.ArgumentParser(
        prog="python -m data_prep", description="Parallel text in, scores out, around fairseq."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], does: str, more: str = ""
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=does, description=f"{does[0].upper()}{does[1:]}. {more}", formatter_class=HelpFormatter
        )
        added.set_defaults(run=run)
        return added

    _add_prepare(
        command(
            "prepare",
            run_prepare,
            "turn raw parallel text into a fairseq data folder",
            "A second run with the same inputs and options does nothing, an interrupted one is resumed.",
        )
    )
    _add_score(command("score", run_score, "score translations by detokenised sacreBLEU and chrF++"))
    for name, run, does in (
        ("encode", run_encode, "turn raw text on standard input into the subwords of a data folder"),
        ("decode", run_decode, "turn subwords on standard input back into raw text"),
    ):
        added = command(name, run, does)
        _add_data(added, required=True)
        added.add_argument("--lang", required=True, help="language of the text")
    _add_order(
        command(
            "order",
            run_order,
            "write a label order for --mhe-label-order, learned from the training text",
            "Words of like contexts become neighbours, in clusters of equal size: the first digits.",
        )
    )
    return parser


def _add_order(parser: argparse.ArgumentParser) -> None:
    _add_data(parser, required=True)
    add = parser.add_argument
    add("--output", required=True, type=Path, metavar="FILE", help="one rank a line, after comments")
    add("--lang", metavar="LANG", help="language of the dictionary (default: the target's)")
    add(
        "--cluster-size",
        type=_integer(2, 10**9),
        metavar="N",
        help="words a cluster: the last radix (default: that of two near-equal radices)",
    )
    add("--window", type=_integer(1, 100), default=2, metavar="N", help="how far neighbours may be apart")
    add("--dimensions", type=_integer(1, 10**4), default=64, metavar="N", help="of the word vectors")
    add("--seed", type=_integer(0, 2**32 - 1), default=1, metavar="N", help="seed of the decomposition")


def _add_data(parser: argparse._ActionsContainer, *, required: bool) -> None:
    parser.add_argument(
        "--data", required=required, type=Path, metavar="DESTDIR", help="folder made by prepare"
    )


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-s", "--source-lang", required=True, metavar="LANG", help="source language, for example de")
    add("-t", "--target-lang", required=True, metavar="LANG", help="target language, for example en")
    add("--destdir", required=True, type=Path, metavar="DIR", help="output folder")
    add(
        "--overwrite",
        action="store_true",
        help="start anew in a folder that holds another run or other files (default: refuse)",
    )
    add("--quiet", action="store_true", help="no progress bars, no report (default: both)")
    _add_inputs(parser.add_argument_group("input", "Either fairseq-style prefixes or two plain files."))
    _add_cleaning(
        parser.add_argument_group("cleaning", "Training pairs only; validation and test sets stay whole.")
    )
    _add_subwords(parser.add_argument_group("subwords", "Learnt from the cleaned training text only."))


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--trainpref", metavar="P", help="training files P.SOURCE and P.TARGET")
    add("--validpref", metavar="P", help="validation files (default: hold out --valid-size training pairs)")
    add("--testpref", metavar="P[,P2...]", help="test files, which become test, test1 ... (default: none)")
    add("--src", type=Path, metavar="FILE", help="source file; validation and test pairs are held out of it")
    add("--tgt", type=Path, metavar="FILE", help="target file that goes with --src")
    add(
        "--valid-size",
        type=_integer(1, 10**9),
        metavar="N",
        help="validation pairs to hold out (default: 2000, or a twentieth of a small corpus)",
    )
    add(
        "--test-size",
        type=_integer(0, 10**9),
        metavar="N",
        help="test pairs to hold out (default: as many with --src, none with --trainpref)",
    )
    add(
        "--seed",
        type=_integer(0, 2**32 - 1),
        default=1,
        metavar="N",
        help="seed of the hold-out and of SentencePiece",
    )


def _add_cleaning(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--max-words",
        type=_integer(1, 10**9),
        default=250,
        metavar="N",
        help="drop pairs with a longer side; a Han or Kana character counts as a word",
    )
    add(
        "--max-ratio",
        type=_number(1, float("inf")),
        default=3.0,
        metavar="R",
        help="drop pairs with one side more than R times as long, unless both have at most 5 words",
    )
    add("--keep-duplicates", action="store_true", help="keep repeated pairs (default: drop them)")
    add(
        "--overlap",
        choices=("pair", "sentence", "keep"),
        default="pair",
        help="drop training pairs that are in given validation or test sets: the same pair, every pair that "
        "shares a sentence with them, or none (keep); held-out pairs never share a sentence with training",
    )


def _add_subwords(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--moses",
        action="store_true",
        help="Moses punctuation normalisation and tokenisation before SentencePiece (default: off)",
    )
    add("--subword", choices=("unigram", "bpe"), default="unigram", help="kind of SentencePiece model")
    add("--vocab-size", type=_integer(5, 10**6), default=8000, metavar="N", help="pieces of a model")
    add(
        "--joined-dictionary",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="one model and one dictionary for both languages",
    )
    add(
        "--character-coverage",
        type=_number(0.98, 1),
        default=1.0,
        metavar="SHARE",
        help="share of the characters that get a piece; 0.9995 for Chinese or Japanese",
    )
    add("--byte-fallback", action="store_true", help="spell unknown characters in bytes (default: off)")
    add(
        "--normalization",
        choices=NORMALIZATIONS,
        default="nmt_nfkc",
        help="SentencePiece's normalisation; the nfkc ones turn full-width punctuation into ASCII",
    )


def _add_score(parser: argparse.ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--hypotheses", type=Path, metavar="FILE", help="translations, one a line, in pieces or in plain text"
    )
    given.add_argument(
        "--generate",
        type=Path,
        metavar="FILE",
        help="output of fairseq-generate (generate-test.txt or stdout)",
    )
    _add_data(parser, required=False)
    add = parser.add_argument
    add("--subset", default="test", help="whose reference to take from --data")
    add("--reference", type=Path, metavar="FILE", help="raw reference (default: that of --data and --subset)")
    add("--spm-model", type=Path, metavar="FILE", help="to undo the pieces (default: the model of --data)")
    add("-t", "--target-lang", metavar="LANG", help="language of the translations (default: that of --data)")
    add(
        "--moses",
        action=argparse.BooleanOptionalAction,
        help="undo Moses tokenisation (default: if --data was prepared with --moses)",
    )
    add(
        "--input-format",
        choices=("auto", "pieces", "text"),
        default="auto",
        help="whether translations are in pieces; auto takes them for pieces if most lines hold U+2581",
    )
    add("--allow-missing", action="store_true", help="score missing translations as empty (default: refuse)")
    add("--tokenize", choices=TOKENIZERS, help="sacrebleu's tokeniser (default: by language, mostly 13a)")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the scores as JSON; - is standard output (default: no)",
    )
    add("--output", type=Path, metavar="FILE", help="write the detokenised translations (default: no)")


def _integer(least: int, most: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        return _between(int(text), least, most)

    return integer


def _number(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        return _between(float(text), least, most)

    return number


def _between(value: Number, least: Number, most: Number) -> Number:
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is out of range; use {least} to {most}")
    return value
