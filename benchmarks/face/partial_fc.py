"""Time and memory of the class layer by the number of people: `python -m benchmarks.face.partial_fc`.

It compares sampling by blocks of classes, single random classes at the same budget (Partial FC), and all
classes, on the same embeddings: forward, backward and a step of SGD with momentum. They take turns in one
process, and times are medians of processor time. Each peak of memory comes from a process of its own (its
growth beyond a training of 1,000 classes). Rows go to the results file (.jsonl), from which tables are made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.face.memory import growth, new_optimizer, shown_bytes
from benchmarks.harness.names import FULL_SOFTMAX, in_words
from benchmarks.harness.pages import publish
from benchmarks.harness.process import ROOT, CommandError, shown
from benchmarks.harness.recipe import recipe, script
from benchmarks.harness.results import Column, Row, markdown_table, measured_with, read_rows, write_rows
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import surroundings
from mhe_nmt.margin import ArcFace, Margin
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.class_shards import ClassifierOutput, ClassShards, initial_rows
from vision_xmc.face.head.sharded_nll import ShardedNll

FULL, PEER, BLOCKS = FULL_SOFTMAX, "partial-fc", "sampling"
NAMES = (FULL, PEER, BLOCKS)
WARM_UP = 2
"""Number of updates of each that are not counted, because the first ones allocate."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.worker:
        print(_grown(options, options.worker, options.classes[0]), flush=True)
        return 0
    return guarded("benchmarks.face.partial_fc", lambda: _benchmark(options, list(arguments or sys.argv[1:])))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.face.partial_fc", description=__doc__)
    # fmt: off
    add = parser.add_argument
    add("--classes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="V",
        help="numbers of people (default: 10000 100000 1000000)")
    add("--fraction", type=float, default=0.1, metavar="F",
        help="budget of both samplers (default: %(default)s)")
    add("--embedding", type=int, default=128, metavar="D", help="default: %(default)s")
    add("--examples", type=int, default=256, metavar="N", help="per update (default: %(default)s)")
    add("--rounds", type=int, default=7, metavar="N", help="updates of each to time (default: %(default)s)")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads (default: %(default)s)")
    add("--results", type=Path, default=Path("docs/results/face-partial-fc.jsonl"), metavar="FILE",
        help="default: %(default)s")
    add("--worker", choices=NAMES, help=argparse.SUPPRESS)
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    made_by = recipe([["python", "-m", "benchmarks.face.partial_fc", *arguments]])
    rows: list[Row] = []
    for classes in options.classes:
        timed = measure_times(options, classes)
        for row in timed:
            row["peak_bytes"] = _peak(options, row["name"], classes)
            rows.append({**row, "threads": options.threads, **made_by, **surroundings("torch")})
            print(f"{in_words(row['name'])}, {classes:,} people: {row['update_ms']:.1f} ms", flush=True)
    write_rows(options.results, rows)
    write_report(options.results)


def write_report(results: Path) -> None:
    """Writes the tables and the command of a results file."""
    rows = read_rows(results, ("name", "classes"))
    publish(results, tables(results), script([("all rows", rows[0])]))


def build(name: str, classes: int, embedding: int, fraction: float) -> nn.Module:
    """One of the classifiers, with ArcFace. Raises CommandError for a budget that is smaller than a block."""
    if name == PEER:
        return RandomClasses(embedding, classes, ArcFace(), fraction)
    try:
        sampler = BlockSampler(classes, sample_fraction=fraction) if name == BLOCKS else None
    except ValueError as error:
        raise CommandError(f"--fraction {fraction:g}: {error}") from error
    return ClassShards(embedding, classes, ArcFace(), sampler=sampler)


def batch(options: argparse.Namespace, classes: int, number: int) -> tuple[Tensor, Tensor]:
    """Embeddings ``(N, d)`` and labels ``(N,)`` of an update."""
    generator = torch.Generator().manual_seed(number)
    features = torch.randn(options.examples, options.embedding, generator=generator)
    return features, torch.randint(classes, (options.examples,), generator=generator)


def measure_times(options: argparse.Namespace, classes: int) -> list[Row]:
    """A row for each classifier, with medians of processor time in milliseconds."""
    trainers = [_Trainer(name, options, classes) for name in NAMES]
    for number in range(WARM_UP + options.rounds):
        features, labels = batch(options, classes, number)
        for trainer in trainers:
            trainer.update(features, labels, number)
    return [trainer.row() for trainer in trainers]


class _Trainer:
    """One classifier and the times of its updates."""

    def __init__(self, name: str, options: argparse.Namespace, classes: int) -> None:
        self.head = build(name, classes, options.embedding, options.fraction)
        self.optimizer = new_optimizer(self.head)
        self.fixed: Row = {"name": name, "classes": classes, "embedding": options.embedding}
        self.fixed |= {"examples": options.examples, "fraction": 1.0 if name == FULL else options.fraction}
        self.passes: list[float] = []
        self.steps: list[float] = []
        self.trained: list[int] = []

    def update(self, features: Tensor, labels: Tensor, seed: int) -> None:
        features = features.clone().requires_grad_()
        started = time.process_time()
        output = self.head(features, labels, torch.Generator().manual_seed(seed))
        output.nll.mean().backward()
        between = time.process_time()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.passes.append(1000 * (between - started))
        self.steps.append(1000 * (time.process_time() - between))
        self.trained.append(output.trained)

    def row(self) -> Row:
        passes, steps = self.passes[WARM_UP:], self.steps[WARM_UP:]
        return self.fixed | {
            "trained": statistics.fmean(self.trained),
            "forward_backward_ms": statistics.median(passes),
            "optimizer_ms": statistics.median(steps),
            "update_ms": statistics.median(map(sum, zip(passes, steps, strict=True))),
            "updates": len(passes),
        }


def _peak(options: argparse.Namespace, name: str, classes: int) -> int:
    """The largest growth in bytes of a process that trains only this classifier."""
    line = [sys.executable, "-m", "benchmarks.face.partial_fc", "--worker", name, "--classes", str(classes)]
    for option in ("fraction", "embedding", "examples", "threads"):
        line += [f"--{option}", str(getattr(options, option))]
    done = subprocess.run(line, cwd=ROOT, env=dict(os.environ), text=True, capture_output=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
        raise CommandError(f"{shown(line)} failed: {reason}")
    return int(done.stdout)


def _grown(options: argparse.Namespace, name: str, classes: int) -> int:
    def made() -> nn.Module:
        return build(name, classes, options.embedding, options.fraction)

    return growth(made, *batch(options, classes, 0))


_TIMES: list[Column] = [
    ("people", lambda row: f"{row['classes']:,}"),
    ("classifier", lambda row: in_words(row["name"])),
    ("classes trained", lambda row: f"{row['trained']:,.0f}"),
    ("forward + backward, ms", lambda row: f"{row['forward_backward_ms']:.1f}"),
    ("update, ms", lambda row: f"{row['update_ms']:.1f}"),
    ("examples per second", lambda row: f"{1000 * row['examples'] / row['update_ms']:,.0f}"),
    ("peak memory", lambda row: shown_bytes(row["peak_bytes"])),
]


def _ratio(key: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        # The process does not grow measurably with a very small classifier.
        return f"{row[key] / row['base'][key]:.2f}" if row["base"][key] else "–"

    return cell


_RATIOS: list[Column] = [
    ("people", lambda row: f"{row['classes']:,}"),
    ("classifier", lambda row: in_words(row["name"])),
    ("compared with", lambda row: in_words(row["base"]["name"])),
    ("forward + backward", _ratio("forward_backward_ms")),
    ("update", _ratio("update_ms")),
    ("peak memory", _ratio("peak_bytes")),
]


def tables(results: Path) -> dict[str, str]:
    """Times and memory, and their ratios."""
    rows = read_rows(results, ("name", "classes"))
    pairs = [
        {**row, "base": base}
        for name, other in ((BLOCKS, PEER), (BLOCKS, FULL), (PEER, FULL))
        for row in rows
        for base in rows
        if (row["name"], base["name"], row["classes"]) == (name, other, base["classes"])
    ]
    named = {
        "times": markdown_table(rows, _TIMES),
        "ratios": markdown_table(pairs, _RATIOS),
        "measured": measured_with(rows),
    }
    return {f"{results.stem}-{name}": text for name, text in named.items()}


class RandomClasses(nn.Module):
    """A margin classifier against the classes of the batch and single random others, on one process.

    Partial FC: An et al., "Killing Two Birds with One Stone: Efficient and Robust Training of Face
    Recognition CNNs by Partial FC", CVPR 2022, section 3.3 and algorithm 1. Every class gets a uniform random
    number, those of the batch a larger one, and the ``fraction · V`` largest are trained: their rows are
    copied out of the matrix, and everything after that is as in
    :class:`vision_xmc.face.head.class_shards.ClassShards`.

    Args:
        embedding: ``d``.
        classes: ``V``.
        margin: on the cosines to true classes.
        fraction: share of the classes that is trained, targets included.
    """

    def __init__(self, embedding: int, classes: int, margin: Margin, fraction: float) -> None:
        super().__init__()
        self.classes, self.margin, self.budget = classes, margin, int(fraction * classes)
        self.weight = nn.Parameter(initial_rows(0, classes, embedding, seed=0))

    def sample(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Classes to train, sorted ``(n,)``: the distinct ``targets``, and others up to the budget."""
        if len(targets) >= self.budget:
            return targets
        chances = torch.rand(self.classes, generator=generator)
        chances[targets] = 2.0
        return chances.topk(self.budget).indices.sort().values

    def forward(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> ClassifierOutput:
        """Losses of features ``(N, d)`` with labels ``(N,)`` int64."""
        chosen = self.sample(labels.unique(), generator)
        rows, columns = torch.arange(len(labels)), torch.searchsorted(chosen, labels)
        weight = F.normalize(self.weight.index_select(0, chosen), dim=-1)
        cosines = F.linear(F.normalize(features, dim=-1), weight)
        target_logits = self.margin(cosines[rows, columns])
        nll = ShardedNll.apply(cosines, target_logits, rows, columns, self.margin.scale, None)
        return ClassifierOutput(nll, trained=len(chosen))


if __name__ == "__main__":
    sys.exit(main())
