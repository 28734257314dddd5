"""The corpora, and how a model with each output layer is trained on them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.pages import RESULTS
from benchmarks.translation.heads import MEASURED, ORDER, UNSUPPORTED, head_options


@dataclass(frozen=True)
class Corpus:
    """A parallel corpus and its recipe.

    splits: fairseq's name of each split, and the name of its files in the data folder. Without a validation
        split, pairs are held out of the training text.
    options: of fairseq-train; they overrule DEFAULTS.
    """

    title: str
    splits: dict[str, str]
    updates: int
    vocab_size: int = 8000
    subword: str = "unigram"
    options: dict[str, str] = field(default_factory=dict)


SMALLER = {
    "--encoder-layers": "2", "--decoder-layers": "2",
    "--encoder-embed-dim": "192", "--decoder-embed-dim": "192",
    "--encoder-ffn-embed-dim": "768", "--decoder-ffn-embed-dim": "768",
}  # fmt: skip
"""A model smaller than transformer_mhe_small."""

SMALL = {
    "--encoder-layers": "3", "--decoder-layers": "3",
    "--encoder-embed-dim": "256", "--decoder-embed-dim": "256",
    "--encoder-ffn-embed-dim": "1024", "--decoder-ffn-embed-dim": "1024",
    "--encoder-attention-heads": "4", "--decoder-attention-heads": "4",
}  # fmt: skip
"""The size of transformer_mhe_small."""

TATOEBA_SPLITS = {"train": "train", "test": "valid"}

CORPORA = {
    # Not quite six passes over 29,000 pairs in batches of at most 1200 subwords.
    "multi30k": Corpus(
        "Multi30k",
        {"train": "train", "valid": "val", "test": "test_2016_flickr"},
        updates=2600,
    ),
    # A little more than two passes over 160,496 pairs.
    "tatoeba": Corpus("Tatoeba", TATOEBA_SPLITS, updates=3000, options=SMALLER),
    "tatoeba-64k": Corpus(
        "Tatoeba with 64,000 subwords",
        TATOEBA_SPLITS,
        updates=1200,
        vocab_size=64000,
        subword="bpe",
        options=SMALLER,
    ),
}

DEFAULTS: dict[str, str] = {
    "--arch": "transformer_mhe_small",
    "--criterion": "mhe_ce",
    "--label-smoothing": "0.1",
    "--dropout": "0.1",
    "--optimizer": "adam",
    "--adam-betas": "(0.9, 0.98)",
    "--clip-norm": "1.0",
    "--weight-decay": "0.0001",
    "--lr": "0.001",
    "--lr-scheduler": "polynomial_decay",
    "--warmup-updates": "400",
    "--max-tokens": "1200",
    "--num-workers": "0",
    "--log-interval": "50",
    "--autocast-bf16": "",
}
"""The options of all trainings; a flag has no value. The learning rate falls to 0 over all updates."""


def results_of(corpus: str) -> Path:
    """The default file for a corpus's rows."""
    return RESULTS / f"{corpus}.jsonl"


def step_times_file(results: Path, bf16: bool = False) -> Path:
    """Where benchmarks.translation.step_time keeps its figures for a results file."""
    return results.with_name(f"{results.stem}-step-time{'-bf16' if bf16 else ''}.json")


def memory_file(results: Path) -> Path:
    """Where benchmarks.translation.train_memory keeps its figures for a results file."""
    return results.with_name(f"{results.stem}-memory.json")


def prepared_folder(corpus: str) -> Path:
    """The default fairseq data folder of a corpus."""
    return Path(f"data/{corpus}.de-en")


def prepare_command(corpus: Corpus, source: Path, destination: Path) -> list[str]:
    """Makes the fairseq data folder `destination` from raw text in `source`."""
    texts = [part for split, name in corpus.splits.items() for part in (f"--{split}pref", str(source / name))]
    return [
        sys.executable, "-m", "data_prep", "prepare", "-s", "de", "-t", "en", *texts,
        "--destdir", str(destination), "--subword", corpus.subword, "--vocab-size", str(corpus.vocab_size),
    ]  # fmt: skip


def order_command(destination: Path) -> list[str]:
    """Learns the label order of a data folder."""
    order = str(destination / ORDER)
    return [sys.executable, "-m", "data_prep", "order", "--data", str(destination), "--output", order]


def add_prepared_corpus(parser: argparse.ArgumentParser) -> None:
    """CORPUS, --data and --only: the options of benchmarks that measure on a prepared corpus."""
    # fmt: off
    add = parser.add_argument
    add("corpus", choices=CORPORA, metavar="CORPUS", help=", ".join(CORPORA))
    add("--data", type=Path, default=None, metavar="DIR",
        help="fairseq data folder (default: data/CORPUS.de-en)")
    add("--only", nargs="+", metavar="NAME", choices=MEASURED, default=MEASURED,
        help=f"some of {', '.join(MEASURED)}")
    # fmt: on


def train_options(corpus: Corpus, name: str, data: Path, updates: int, bf16: bool = True) -> tuple[str, ...]:
    """fairseq-train's options for one output layer; it trains in bfloat16 where its criterion can."""
    of_head = head_options(name, data, corpus.vocab_size)
    left_out = (*of_head, *UNSUPPORTED.get(name, ()), *(() if bf16 else ("--autocast-bf16",)))
    # fairseq's own transformer is larger by default.
    common = {**DEFAULTS, **(SMALL if "transformer" in of_head else {}), **corpus.options}
    kept = [
        part for option, value in common.items() if option not in left_out for part in (option, value) if part
    ]
    return (*of_head, *kept, "--total-num-update", str(updates), "--max-update", str(updates))
