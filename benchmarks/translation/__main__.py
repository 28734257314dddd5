"""German→English with every output layer: `python -m benchmarks.translation CORPUS DATA_FOLDER`.

CORPUS is multi30k, tatoeba or tatoeba-64k; DATA_FOLDER holds its raw text. Each output layer is trained with
each seed. Its test set is translated and scored, and a row is added to the results file (.jsonl), from which
tables, commands and a plot are made. Finished work is not repeated, and an interrupted training is resumed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.harness.names import EQUAL_TIME, TIED_SOFTMAX
from benchmarks.harness.process import CommandError, run_logged, shown
from benchmarks.harness.results import read_json, read_rows, write_json
from benchmarks.harness.runner import Experiment
from benchmarks.harness.sweep import guarded, sweep
from benchmarks.translation.corpora import (
    CORPORA,
    prepare_command,
    prepared_folder,
    results_of,
    step_times_file,
    train_options,
)
from benchmarks.translation.heads import HEADS, data_of, decoding_options, make_order, make_ordered_folder
from benchmarks.translation.report import tests_file, write_report
from benchmarks.translation.significance import folder_name, paired_tests

LENGTH_PENALTIES = (1.0, 1.6)


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
    data = (options.prepared or prepared_folder(options.corpus)).resolve()
    runs = (options.runs or Path(f"runs/{options.corpus}")).resolve()
    results = options.results or results_of(options.corpus)
    prepare = prepare_command(corpus, options.data_folder.resolve(), data)
    print(f"$ {shown(prepare)}", flush=True)
    run_logged(prepare, runs / "prepare.log", threads=options.threads)
    make_order(data, runs / "order.log")
    make_ordered_folder(data, runs / "order.log")
    updates = dict.fromkeys(options.only, options.updates or corpus.updates)
    if options.equal_time:
        updates = equal_time_updates(updates, step_times_file(results_of(options.corpus), bf16=True))
    suffix = EQUAL_TIME if options.equal_time else ""
    experiments = [
        Experiment(
            name=name + suffix,
            data=data_of(name, data),
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

    def write() -> None:
        write_report(results, options.corpus)

    sweep([({}, e) for e in experiments], results, key=("name", "seed"), jobs=options.jobs, after_each=write)
    write_json(tests_file(results), paired_tests(read_rows(results), runs, data))
    write()


def equal_time_updates(updates: dict[str, int], times: Path) -> dict[str, int]:
    """More updates for output layers whose steps are shorter than the tied full softmax's."""
    if not times.exists():
        raise CommandError(
            f"{times}: no such file; --equal-time needs what "
            "`python -m benchmarks.translation.step_time CORPUS --autocast-bf16` measures"
        )
    steps = {row["name"]: row["step_ms"] for row in read_json(times)}
    if unmeasured := [name for name in (TIED_SOFTMAX, *updates) if name not in steps]:
        raise CommandError(
            f"{times} has no step time of {', '.join(unmeasured)}; measure it, or leave it out"
        )
    return {name: int(number * steps[TIED_SOFTMAX] / steps[name]) for name, number in updates.items()}


if __name__ == "__main__":
    sys.exit(main())
