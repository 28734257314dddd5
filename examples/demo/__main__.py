"""Shows why one would want a multi-head output layer: `python -m examples.demo`, or `make demo`.

It trains the same small Transformer with several output layers, each for the same processor time, and
compares them. With no files given it makes its own German→English corpus, with nothing to download. With
`--src` and `--tgt` it does the same on any two files that hold one sentence per line. A second call resumes
where the first one stopped, or shows the finished result.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from benchmarks.harness.process import CommandError, shown, stop_others

from .compare import compare, experiments_of, measured_steps
from .data import prepared_data
from .heads import DEFAULT, HEADS
from .recipe import OWN_TEXT, SYNTHETIC
from .report import write_report


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
        print("examples.demo: interrupted; the same command resumes from here", file=sys.stderr)
        return 130
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    print(f"\nTotal time: {minutes} min {seconds} s. Everything is in {shown([str(options.out)])}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__.split("\n")[0])
    add = parser.add_argument
    # fmt: off
    add("--src", type=Path, metavar="FILE",
        help="your own source text, one sentence per line (default: a made corpus)")
    add("--tgt", type=Path, metavar="FILE", help="its translation, line by line")
    add("--source-lang", default="de", metavar="LANG", help="default: %(default)s")
    add("--target-lang", default="en", metavar="LANG", help="default: %(default)s")
    add("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="default: %(default)s")
    add("--heads", default=",".join(DEFAULT), metavar="A,B,...",
        help=f"output layers to compare, of {', '.join(HEADS)} (default: %(default)s)")
    add("--vocab-size", type=int, metavar="N",
        help=f"subwords of the joined vocabulary (default: {SYNTHETIC.vocab_size}; with --src at most "
        f"{OWN_TEXT.vocab_size}); a text that does not support as many gets as many as it supports")
    add("--seconds", type=float, metavar="T",
        help="processor time of each training, at the step times that are measured first "
        f"(default: {SYNTHETIC.seconds:g}; {OWN_TEXT.seconds:g} with --src)")
    add("--max-update", type=int, metavar="N",
        help="give every training N updates instead of the same processor time")
    add("--max-epoch", type=int, metavar="N", help="stop earlier, after N epochs (default: no limit)")
    add("--threads", type=int, default=1, metavar="N",
        help="CPU threads of each training (default: %(default)s)")
    add("--jobs", type=int, default=2, metavar="N",
        help="trainings that run at the same time (default: %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="of the trainings (default: %(default)s)")
    # fmt: on
    return parser


def _demo(options: argparse.Namespace) -> None:
    options.out = options.out.resolve()
    names = [name.strip() for name in options.heads.split(",") if name.strip()]
    unknown = [name for name in names if name not in HEADS]
    if unknown or not names or len(set(names)) < len(names):
        raise CommandError(f"--heads {options.heads!r}: give different names of {', '.join(HEADS)}")
    if (options.src is None) != (options.tgt is None):
        raise CommandError("give both --src and --tgt, or neither")
    for flag in ("vocab_size", "seconds", "max_update", "max_epoch", "threads", "jobs"):
        value = getattr(options, flag)
        if value is not None and value <= 0:
            raise CommandError(f"--{flag.replace('_', '-')} {value:g}: give a number above 0")
    recipe = (SYNTHETIC if options.src is None else OWN_TEXT).adapted(options)
    ordered = any(HEADS[name].ordered for name in names)
    data = prepared_data(options, recipe, ordered=ordered)
    steps = measured_steps(names, data, recipe, options)
    experiments = experiments_of(names, steps, data, recipe, options)
    rows = compare(experiments, steps, options.jobs)
    print("\n" + write_report(rows, experiments, recipe, options))


if __name__ == "__main__":
    sys.exit(main())
