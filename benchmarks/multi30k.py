"""Multi30k German→English with every output layer: `python -m benchmarks.multi30k DATA_FOLDER`.

DATA_FOLDER holds {train,val,test_2016_flickr}.{de,en}. Each output layer is trained, its test set translated
and scored, and its row added to the results file (.jsonl); a table of all rows with the exact commands is
written beside it (.md). What is finished is not done again, and an interrupted training is resumed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from .heads import HEAD_OPTIONS
from .process import CommandError, run_logged, shown
from .results import Column, Row, append_row, columns, markdown_table, read_rows, signatures
from .runner import Experiment, run
from .train_log import parse_line

SPLITS = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
"""fairseq's name of each split, and the name its files have in DATA_FOLDER."""

VOCAB_SIZE = 8000
LENGTH_PENALTIES = (1.0, 1.6)
STEP_TIMES = Path("docs/results/multi30k-step-time.json")
STEP_TIME_DATA = "data/multi30k.de-en"

# Not quite six passes over the 29,000 pairs in batches of at most 1200 subwords.
UPDATES = 2600

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
}
"""What all trainings have in common; the learning rate falls to 0 over all updates."""


def main() -> int:
    options = _parser().parse_args()
    # A polite kill must not leave trainings behind, any more than Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _benchmark(options)
    except CommandError as error:
        print(f"benchmarks.multi30k: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks.multi30k: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.multi30k",
        description=__doc__.split("\n")[0],
        epilog=__doc__.split("\n\n")[1],
    )
    # fmt: off
    add = parser.add_argument
    add("data_folder", type=Path, metavar="DATA_FOLDER")
    add("--only", nargs="+", metavar="NAME", choices=[*HEAD_OPTIONS], default=[*HEAD_OPTIONS],
        help=f"some of {', '.join(HEAD_OPTIONS)} (default: all)")
    add("--updates", type=int, default=UPDATES, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads (default: %(default)s)")
    add("--prepared", type=Path, default=Path("data/multi30k.de-en"), metavar="DIR",
        help="fairseq data folder to make or use (default: %(default)s)")
    add("--runs", type=Path, default=Path("runs/multi30k"), metavar="DIR",
        help="folder of the trainings (default: %(default)s)")
    add("--results", type=Path, default=Path("docs/results/multi30k.jsonl"), metavar="FILE",
        help="default: %(default)s")
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace) -> None:
    data = options.prepared.resolve()
    prepare = _prepare_command(options.data_folder.resolve(), data)
    print(f"$ {shown(prepare)}", flush=True)
    run_logged(prepare, options.runs.resolve() / "prepare.log", threads=options.threads)
    for name in options.only:
        experiment = Experiment(
            name=name,
            data=data,
            folder=options.runs.resolve() / name,
            train_options=train_options(name, options.updates),
            length_penalties=LENGTH_PENALTIES,
            seed=options.seed,
            threads=options.threads,
        )
        row = run(experiment, lambda command: print(f"$ {shown(command)}", flush=True), _print_epoch)
        if row not in read_rows(options.results):
            append_row(options.results, row)
        write_report(options.results, shown(prepare))
        print(f"{name}: BLEU {row['scores'][0]['bleu']:.2f}, {row['valid_nll_bits']:.3f} bits", flush=True)


def _prepare_command(source: Path, destination: Path) -> list[str]:
    texts = [part for split, name in SPLITS.items() for part in (f"--{split}pref", str(source / name))]
    return [
        sys.executable, "-m", "data_prep", "prepare", "-s", "de", "-t", "en", *texts,
        "--destdir", str(destination), "--subword", "unigram", "--vocab-size", str(VOCAB_SIZE),
    ]  # fmt: skip


def train_options(name: str, updates: int) -> tuple[str, ...]:
    """fairseq-train's options for one output layer."""
    common = [part for option in DEFAULTS.items() for part in option]
    return (*HEAD_OPTIONS[name], *common, "--total-num-update", str(updates), "--max-update", str(updates))


def step_time_columns() -> list[Column]:
    """Columns from the results of benchmarks.step_time, or none if it has not been run."""
    if not STEP_TIMES.exists():
        return []
    times = {row["name"]: row for row in json.loads(STEP_TIMES.read_text(encoding="utf-8"))}

    def milliseconds(key: str, digits: int) -> Callable[[Row], str]:
        return lambda row: f"{times[row['name']][key]:.{digits}f}" if row["name"] in times else "–"

    return [("step, ms", milliseconds("step_ms", 0)), ("of it output layer, ms", milliseconds("head_ms", 1))]


def _print_epoch(line: str) -> None:
    parsed = parse_line(line)
    if parsed and parsed[0] == "valid":
        record = parsed[1]
        print(f"  epoch {record['epoch']:.0f}: validation {record['valid_nll_loss']:.3f} bits", flush=True)


def write_report(results: Path, prepare: str) -> None:
    """The .md file beside the .jsonl file: the table of all its rows and how they were made."""
    rows = read_rows(results)
    target = results.with_suffix(".md")
    partial = target.with_name(f".{target.name}.part")
    partial.write_text(report(rows, prepare), encoding="utf-8")
    os.replace(partial, target)


def report(rows: list[Row], prepare: str) -> str:
    """The text of that file."""
    versions = ", ".join(f"{name} {number}" for name, number in rows[-1]["versions"].items())
    machines = "; ".join(dict.fromkeys(f"{row['processor']}, {row['threads']} thread(s)" for row in rows))
    commands = "\n\n".join("\n".join([f"# {row['name']}", *row["commands"]]) for row in rows)
    signed = "\n".join(f"`{signature}`" for signature in signatures(rows))
    return f"""# Multi30k, German to English

{markdown_table(rows, columns(LENGTH_PENALTIES) + step_time_columns())}

Parameters are the output layer's own; "shared" ones are the embedding's. The likelihood is that of the target
subwords of val, by the checkpoint with the best validation loss; BLEU and chrF++ (lenpen 1) are those of
test_2016_flickr, beam 5, detokenised. One seed each ({rows[0]["seed"]}). Step times are not those of the
trainings, which shared their machine with other work, but of

    python -m benchmarks.step_time {STEP_TIME_DATA}

where all models take turns on the same batches in one process: milliseconds of processor time, one thread,
for a whole update, and for the output layer's forward and backward passes alone.

{signed}

Measured with {versions}, on {machines}.

## Commands

From the repository's folder; `python -m benchmarks.multi30k DATA_FOLDER` runs them all.

```sh
{prepare}

{commands}
```
"""


if __name__ == "__main__":
    sys.exit(main())
