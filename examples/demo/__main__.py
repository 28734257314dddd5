"""Trains and compares output layers in minutes: `python -m examples.demo`, or `make demo`.

With no files given it makes its own German→English corpus, with nothing to download. With `--src` and `--tgt`
it does the same on any two files that hold a sentence a line. A second call goes on where the first one
stopped, or shows the finished result.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from benchmarks.harness.process import CommandError, run_logged, shown, stop_others
from benchmarks.harness.results import Row
from benchmarks.harness.runner import Experiment, run
from benchmarks.translation.heads import HEADS, ORDER, UNSUPPORTED, head_options, make_order

from .corpus import SIDES, SPLITS
from .progress import TrainingProgress, say
from .recipe import OWN_TEXT, SYNTHETIC, Recipe
from .report import table, translations

KNOWN = tuple(name for name in HEADS if name not in UNSUPPORTED)
"""Output layers that the demo's criterion trains."""


def main() -> int:
    options = _parser().parse_args()
    # A polite kill must not leave trainings behind, any more than Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        _demo(options)
    except CommandError as error:
        stop_others()
        print(f"examples.demo: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stop_others()
        print("examples.demo: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"\nTotal time: {minutes} min {seconds} s. Everything is in {shown([str(options.out)])}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__.split("\n")[0])
    add = parser.add_argument
    # fmt: off
    add("--src", type=Path, metavar="FILE",
        help="your own source text, a sentence a line (default: a made corpus)")
    add("--tgt", type=Path, metavar="FILE", help="its translation, line by line")
    add("--source-lang", default="de", metavar="LANG", help="default: %(default)s")
    add("--target-lang", default="en", metavar="LANG", help="default: %(default)s")
    add("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="default: %(default)s")
    add("--heads", default="onehot,cascade-digit", metavar="A,B,...",
        help=f"output layers to compare, of {', '.join(KNOWN)} (default: %(default)s)")
    add("--vocab-size", type=int, metavar="N",
        help=f"subword pieces (default: {SYNTHETIC.vocab_size}; {OWN_TEXT.vocab_size} with --src)")
    add("--max-update", type=int, metavar="N",
        help="updates of each training, over which the learning rate falls to 0 "
        f"(default: {SYNTHETIC.max_update}; {OWN_TEXT.max_update} with --src)")
    add("--max-epoch", type=int, metavar="N", help="stop earlier, after N epochs (default: no limit)")
    add("--threads", type=int, default=1, metavar="N",
        help="CPU threads of each training (default: %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    # fmt: on
    return parser


def _demo(options: argparse.Namespace) -> None:
    options.out = options.out.resolve()
    heads = [head.strip() for head in options.heads.split(",") if head.strip()]
    unknown = [head for head in heads if head not in KNOWN]
    if unknown or not heads or len(set(heads)) < len(heads):
        raise CommandError(f"--heads {options.heads!r}: give different names of {', '.join(KNOWN)}")
    if (options.src is None) != (options.tgt is None):
        raise CommandError("give both --src and --tgt, or neither")
    recipe = (SYNTHETIC if options.src is None else OWN_TEXT).adapted(options)
    say("The commands below are run from the repository's folder.")
    _prepare(options, recipe)
    data = options.out / "data"
    own = {head: head_options(head, data, recipe.vocab_size) for head in heads}
    if any(part.endswith(ORDER) for parts in own.values() for part in parts):
        make_order(data, options.out / "order.log")
    experiments = [
        Experiment(
            name=head,
            data=data,
            folder=options.out / head,
            train_options=(*parts, *recipe.train_options()),
            seed=options.seed,
            threads=options.threads,
        )
        for head, parts in own.items()
    ]
    rows = _run_together(experiments, recipe.max_update)
    print(f"\n{table(rows)}")
    print(f"\n{translations(experiments, options.source_lang, options.target_lang)}")


def _prepare(options: argparse.Namespace, recipe: Recipe) -> None:
    """Makes the corpus unless the user brought one, and the fairseq data folder."""
    python, corpus = sys.executable, options.out / "corpus"
    if options.src is None:
        prefixes = {split: corpus / split for split in SPLITS}
        if not all(prefix.with_suffix(f".{side}").exists() for prefix in prefixes.values() for side in SIDES):
            _step([python, "-m", "examples.demo.corpus", str(corpus)], options.out / "corpus.log")
        texts = [part for split, prefix in prefixes.items() for part in (f"--{split}pref", str(prefix))]
    else:
        texts = ["--src", str(options.src.resolve()), "--tgt", str(options.tgt.resolve())]
    _step(
        [
            python, "-m", "data_prep", "prepare", "-s", options.source_lang, "-t", options.target_lang,
            *texts, "--destdir", str(options.out / "data"), "--vocab-size", str(recipe.vocab_size),
        ],
        options.out / "prepare.log",
    )  # fmt: skip


def _step(command: list[str], log: Path) -> None:
    say(f"$ {shown(command)}")
    run_logged(command, log)


def _run_together(experiments: list[Experiment], updates: int) -> list[Row]:
    """Runs all at once, so that their speeds are measured under the same conditions."""

    def one(position: int, experiment: Experiment) -> Row:
        with TrainingProgress(experiment.name, updates, position) as progress:
            return run(experiment, lambda command: say(f"$ {shown(command)}"), progress.see)

    with ThreadPoolExecutor(len(experiments)) as pool:
        jobs = [pool.submit(one, position, experiment) for position, experiment in enumerate(experiments)]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            # Nobody should wait minutes for the other trainings before hearing what went wrong.
            stop_others()
            raise
    return [job.result() for job in jobs]


if __name__ == "__main__":
    sys.exit(main())
