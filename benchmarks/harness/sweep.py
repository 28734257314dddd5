"""Many experiments, a few at a time, each a row of one results file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.harness.process import CommandError, shown, stop_others
from benchmarks.harness.results import append_row, read_rows
from benchmarks.harness.runner import Experiment, run
from benchmarks.harness.train_log import parse_line


def sweep(
    experiments: Iterable[tuple[dict[str, Any], Experiment]],
    results: Path,
    *,
    key: Sequence[str],
    jobs: int,
    after_each: Callable[[], None],
) -> None:
    """Runs what is not done yet of each experiment and adds its row to `results`.

    Args:
        experiments: the fields that a row has besides the figures, and the experiment.
        results: the .jsonl file.
        key: the fields that tell rows apart.
        jobs: number of experiments that run at a time.
        after_each: called when a row has been added.

    Raises CommandError for the first that fails; the others are stopped.
    """
    lock = Lock()

    def measure(fields: dict[str, Any], experiment: Experiment) -> None:
        title = experiment.folder.name
        row = fields | run(
            experiment,
            lambda command: print(f"$ {shown(command)}", flush=True),
            lambda line: _print_epoch(title, line),
        )
        with lock:
            if row not in read_rows(results, key):
                append_row(results, row)
            after_each()
        print(f"{title}: {row['valid_nll_bits']:.3f} bits, BLEU {row['scores'][0]['bleu']:.2f}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(measure, fields, experiment) for fields, experiment in experiments]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            # The pool waits for its threads, and they for their commands.
            pool.shutdown(wait=False, cancel_futures=True)
            stop_others()
            raise


def _print_epoch(title: str, line: str) -> None:
    parsed = parse_line(line)
    if parsed and parsed[0] == "valid":
        record = parsed[1]
        bits = record.get("valid_nll_loss", record["valid_loss"])
        print(f"  {title}, epoch {record['epoch']:.0f}: {bits:.3f} bits", flush=True)


def guarded(name: str, action: Callable[[], None]) -> int:
    """Runs a benchmark's main part and returns its exit status; a failure becomes one sentence."""
    # A polite kill must not leave trainings behind, any more than Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        action()
    except CommandError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command resumes from here", file=sys.stderr)
        return 130
    return 0
