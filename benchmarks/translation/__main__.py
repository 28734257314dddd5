"""German→English with every output layer: `python -m benchmarks.translation CORPUS DATA_FOLDER`.

CORPUS is multi30k, tatoeba or tatoeba-64k, DATA_FOLDER holds its raw text. Each output layer is trained with
each seed, its test set translated and scored, and its row added to the results file (.jsonl); tables with the
exact commands are written beside it (.md). What is finished is not done again, and an interrupted training is
resumed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.process import CommandError, run_logged, shown
from benchmarks.harness.results import read_rows
from benchmarks.harness.runner import Experiment, write_json
from benchmarks.harness.sweep import guarded, sweep
from benchmarks.translation.heads import (
    EQUAL_TIME,
    HEADS,
    ORDER,
    UNSUPPORTED,
    decoding_options,
    head_options,
    make_order,
)
from benchmarks.translation.report import step_times_file, tests_file, write_report
from benchmarks.translation.significance import BASELINE, folder_name, paired_tests

LENGTH_PENALTIES = (1.0, 1.6)


@dataclass(frozen=True)
class Corpus:
    """`splits`: fairseq's name of each split, and the name its files have in the data folder.

    Without a validation split, pairs are held out of the training text. `options` overrule DEFAULTS.
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
"""Than transformer_mhe_small, which has the next."""

SMALL = {
    "--encoder-layers": "3", "--decoder-layers": "3",
    "--encoder-embed-dim": "256", "--decoder-embed-dim": "256",
    "--encoder-ffn-embed-dim": "1024", "--decoder-ffn-embed-dim": "1024",
    "--encoder-attention-heads": "4", "--decoder-attention-heads": "4",
}  # fmt: skip

TATOEBA_SPLITS = {"train": "train", "test": "valid"}

CORPORA = {
    # Not quite six passes over 29,000 pairs in batches of at most 1200 subwords.
    "multi30k": Corpus(
        "Multi30k",
        {"train": "train", "valid": "val", "test": "test_2016_flickr"},
        updates=2600,
    ),
    # A good two passes over 160,496 pairs.
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
"""What all trainings have in common; a flag has no value. The learning rate falls to 0 over all updates."""


def main() -> int:
    options = _parser().parse_args()
    return guarded("benchmarks.translation", lambda: _benchmark(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[1],
    )
    # fmt: off
    add = parser.add_argument
    add("corpus", choices=CORPORA, metavar="CORPUS", help=", ".join(CORPORA))
    add("data_folder", type=Path, metavar="DATA_FOLDER")
    add("--only", nargs="+", metavar="NAME", choices=HEADS, default=HEADS,
        help=f"some of {', '.join(HEADS)} (default: all)")
    add("--updates", type=int, default=None, metavar="N", help="default: the corpus's")
    add("--equal-time", action="store_true",
        help="as many updates as fit into the tied full softmax's processor time, by the step times that "
        "`python -m benchmarks.translation.step_time CORPUS --autocast-bf16` measured")
    add("--seeds", type=int, nargs="+", default=[1], metavar="N", help="default: 1")
    add("--jobs", type=int, default=1, metavar="N", help="trainings at a time (default: %(default)s)")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads of each (default: %(default)s)")
    add("--prepared", type=Path, default=None, metavar="DIR",
        help="fairseq data folder to make or use (default: data/CORPUS.de-en)")
    add("--runs", type=Path, default=None, metavar="DIR",
        help="folder of the trainings (default: runs/CORPUS)")
    add("--results", type=Path, default=None, metavar="FILE", help="default: docs/results/CORPUS.jsonl")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    corpus = CORPORA[options.corpus]
    data = (options.prepared or Path(f"data/{options.corpus}.de-en")).resolve()
    runs = (options.runs or Path(f"runs/{options.corpus}")).resolve()
    results = options.results or results_of(options.corpus)
    prepare = prepare_command(corpus, options.data_folder.resolve(), data)
    print(f"$ {shown(prepare)}", flush=True)
    run_logged(prepare, runs / "prepare.log", threads=options.threads)
    make_order(data, runs / "order.log")
    updates = dict.fromkeys(options.only, options.updates or corpus.updates)
    if options.equal_time:
        updates = equal_time_updates(updates, step_times_file(results_of(options.corpus), bf16=True))
    suffix = EQUAL_TIME if options.equal_time else ""
    experiments = [
        Experiment(
            name=name + suffix,
            data=data,
            folder=runs / folder_name(name + suffix, seed),
            train_options=train_options(corpus, name, data, updates[name]),
            generate_options=(*Experiment.generate_options, *decoding_options(name)),
            length_penalties=LENGTH_PENALTIES,
            seed=seed,
            threads=options.threads,
        )
        for seed in options.seeds
        for name in options.only
    ]
    order = ["data_prep", "order", "--data", str(data), "--output", str(data / ORDER)]
    preparation = [shown(prepare), shown(["python", "-m", *order])]

    def write() -> None:
        write_report(results, corpus.title, preparation)

    sweep([({}, e) for e in experiments], results, key=("name", "seed"), jobs=options.jobs, after_each=write)
    write_json(tests_file(results), paired_tests(read_rows(results), runs, data))
    write()


def results_of(corpus: str) -> Path:
    """Where a corpus's rows are kept unless told."""
    return Path(f"docs/results/{corpus}.jsonl")


def equal_time_updates(updates: dict[str, int], times: Path) -> dict[str, int]:
    """More updates for output layers whose steps are shorter than the tied full softmax's."""
    if not times.exists():
        raise CommandError(
            f"{times}: no such file; --equal-time needs what "
            "`python -m benchmarks.translation.step_time CORPUS --autocast-bf16` measures"
        )
    steps = {row["name"]: row["step_ms"] for row in json.loads(times.read_text(encoding="utf-8"))}
    if unmeasured := [name for name in (BASELINE, *updates) if name not in steps]:
        raise CommandError(
            f"{times} has no step time of {', '.join(unmeasured)}; measure it, or leave it out"
        )
    return {name: int(number * steps[BASELINE] / steps[name]) for name, number in updates.items()}


def prepare_command(corpus: Corpus, source: Path, destination: Path) -> list[str]:
    texts = [part for split, name in corpus.splits.items() for part in (f"--{split}pref", str(source / name))]
    return [
        sys.executable, "-m", "data_prep", "prepare", "-s", "de", "-t", "en", *texts,
        "--destdir", str(destination), "--subword", corpus.subword, "--vocab-size", str(corpus.vocab_size),
    ]  # fmt: skip


def add_prepared_corpus(parser: argparse.ArgumentParser) -> None:
    """CORPUS, --data and --only of the benchmarks that measure on what this one has prepared."""
    # fmt: off
    add = parser.add_argument
    add("corpus", choices=CORPORA, metavar="CORPUS", help=", ".join(CORPORA))
    add("--data", type=Path, default=None, metavar="DIR",
        help="fairseq data folder (default: data/CORPUS.de-en)")
    add("--only", nargs="+", metavar="NAME", choices=HEADS, default=HEADS, help=f"some of {', '.join(HEADS)}")
    # fmt: on


def train_options(corpus: Corpus, name: str, data: Path, updates: int, bf16: bool = True) -> tuple[str, ...]:
    """fairseq-train's options for one output layer, in bfloat16 where it can be."""
    own = head_options(name, data, corpus.vocab_size)
    left_out = (*own, *UNSUPPORTED.get(name, ()), *(() if bf16 else ("--autocast-bf16",)))
    # fairseq's own transformer is larger unless told.
    common = {**DEFAULTS, **(SMALL if "transformer" in own else {}), **corpus.options}
    kept = [
        part for option, value in common.items() if option not in left_out for part in (option, value) if part
    ]
    return (*own, *kept, "--total-num-update", str(updates), "--max-update", str(updates))


if __name__ == "__main__":
    sys.exit(main())
