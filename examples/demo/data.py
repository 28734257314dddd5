"""The demo's data folders: the made corpus or the user's text, and a copy in a learned order."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from benchmarks.harness.ordered import reorder_command
from benchmarks.harness.process import CommandError, run_logged, shown
from benchmarks.harness.results import write_whole

from .corpus import SIDES, SPLITS
from .progress import say
from .recipe import Recipe

_SUPPORTED = re.compile(r"use --vocab-size (\d+) or less")


def prepared_data(options: argparse.Namespace, recipe: Recipe, *, ordered: bool) -> Path:
    """Does what is not done yet and returns the fairseq data folder; `ordered`: and makes its ordered copy.

    Raises CommandError with a sentence for the user.
    """
    say("The commands below are run from the repository's folder.")
    texts = _texts(options)
    data = options.out / "data"
    log = options.out / "prepare.log"
    known = options.out / "vocab-size.json"
    asked = recipe.vocab_size
    # What an earlier call has learned about this text.
    sizes = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    size = sizes.get(str(asked), asked)
    try:
        _prepare(options, recipe, texts, data, size, log)
    except CommandError as error:
        supported = _SUPPORTED.search(str(error))
        if not supported:
            raise
        say(f"The text supports no more than {int(supported[1]):,} subwords, so it gets as many.")
        _prepare(options, recipe, texts, data, int(supported[1]), log)
        write_whole(known, json.dumps(sizes | {str(asked): int(supported[1])}) + "\n")
    if ordered:
        _step(reorder_command(data), options.out / "order.log")
    return data


def _texts(options: argparse.Namespace) -> list[str]:
    """The input options of `data_prep prepare`, after the corpus is made if the user brought none."""
    if options.src is not None:
        return ["--src", str(options.src.resolve()), "--tgt", str(options.tgt.resolve())]
    corpus = options.out / "corpus"
    prefixes = {split: corpus / split for split in SPLITS}
    if not all(prefix.with_suffix(f".{side}").exists() for prefix in prefixes.values() for side in SIDES):
        _step([sys.executable, "-m", "examples.demo.corpus", str(corpus)], options.out / "corpus.log")
    return [part for split, prefix in prefixes.items() for part in (f"--{split}pref", str(prefix))]


def _prepare(
    options: argparse.Namespace, recipe: Recipe, texts: list[str], data: Path, size: int, log: Path
) -> None:
    _step(
        [
            sys.executable, "-m", "data_prep", "prepare",
            "-s", options.source_lang, "-t", options.target_lang, *texts,
            "--destdir", str(data), "--subword", recipe.subword, "--vocab-size", str(size),
        ],
        log,
    )  # fmt: skip


def _step(command: list[str], log: Path) -> None:
    say(f"$ {shown(command)}")
    run_logged(command, log)
