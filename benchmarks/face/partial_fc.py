"""Time and memory of the class layer by the number of people: `python -m benchmarks.face.partial_fc`.

Blocks of classes (MHS) and single random classes (Partial FC) at the same budget, and all classes, on the
same embeddings: forward, backward and a step of SGD with momentum. They take turns in one process, and times
are medians of processor time. Peaks of memory come from a process for each (the growth beyond what a training
of 1,000 classes needed). Rows go to the results file (.jsonl), a table beside it (.md).
"""

from __future__ import annotations

import argparse
import json
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
from benchmarks.harness.process import ROOT, CommandError, shown
from benchmarks.harness.results import Column, Row, markdown_table, write_whole
from benchmarks.harness.sweep import guarded
from benchmarks.harness.trainings import measured_with, surroundings
from mhe_nmt.margin import ArcFace, Margin
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.class_shards import ClassifierOutput, ClassShards, initial_rows
from vision_xmc.face.head.sharded_nll import ShardedNll

FULL, PEER, BLOCKS = "full", "Partial FC", "MHS"
NAMES = (FULL, PEER, BLOCKS)
WARM_UP = 2
"""Updates of each that are not counted: the first ones allocate."""


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
    add("--examples", type=int, default=256, metavar="N", help="in an update (default: %(default)s)")
    add("--rounds", type=int, default=7, metavar="N", help="updates of each to time (default: %(default)s)")
    add("--threads", type=int, default=1, metavar="N", help="CPU threads (default: %(default)s)")
    add("--results", type=Path, default=Path("docs/results/face-partial-fc.jsonl"), metavar="FILE",
        help="default: %(default)s")
    add("--worker", choices=NAMES, help=argparse.SUPPRESS)
    # fmt: on
    return parser


def _benchmark(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    command = shown(["python", "-m", "benchmarks.face.partial_fc", *arguments])
    rows: list[Row] = []
    for classes in options.classes:
        timed = measure_times(options, classes)
        for row in timed:
            row["peak_bytes"] = _peak(options, row["name"], classes)
            rows.append({**row, "threads": options.threads, "command": command, **surroundings("torch")})
            print(f"{row['name']}, {classes:,} people: {row['update_ms']:.1f} ms", flush=True)
    write_whole(options.results, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    write_whole(options.results.with_suffix(".md"), report(rows))


def build(name: str, classes: int, embedding: int, fraction: float) -> nn.Module:
    """One of the classifiers, on ArcFace. Raises CommandError for a budget that is too small for a block."""
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
    """One classifier and what its updates took."""

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
        found = self.head(features, labels, torch.Generator().manual_seed(seed))
        found.nll.mean().backward()
        between = time.process_time()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.passes.append(1000 * (between - started))
        self.steps.append(1000 * (time.process_time() - between))
        self.trained.append(found.trained)

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
    """Bytes by which a process that trains this classifier alone grew at most."""
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


def _of(name: str, key: str, rows: Sequence[Row]) -> Callable[[Row], str]:
    """The ratio to another classifier over as many people."""
    base = {row["classes"]: row[key] for row in rows if row["name"] == name}

    def ratio(row: Row) -> str:
        # So small a classifier that the process did not grow by it.
        return f"{row[key] / base[row['classes']]:.2f}" if base[row["classes"]] else "–"

    return ratio


def columns(rows: Sequence[Row]) -> list[Column]:
    return [
        ("people", lambda row: f"{row['classes']:,}"),
        ("trained against", lambda row: row["name"]),
        ("classes", lambda row: f"{row['trained']:,.0f}"),
        ("forward + backward (ms)", lambda row: f"{row['forward_backward_ms']:.1f}"),
        ("of Partial FC's", _of(PEER, "forward_backward_ms", rows)),
        ("of the full's", _of(FULL, "forward_backward_ms", rows)),
        ("update (ms)", lambda row: f"{row['update_ms']:.1f}"),
        ("of Partial FC's", _of(PEER, "update_ms", rows)),
        ("of the full's", _of(FULL, "update_ms", rows)),
        ("examples/s", lambda row: f"{1000 * row['examples'] / row['update_ms']:,.0f}"),
        ("peak memory", lambda row: shown_bytes(row["peak_bytes"])),
        ("of Partial FC's", _of(PEER, "peak_bytes", rows)),
        ("of the full's", _of(FULL, "peak_bytes", rows)),
    ]


def report(rows: Sequence[Row]) -> str:
    """The text of the .md file."""
    one = rows[0]
    budget = next(row["fraction"] for row in rows if row["name"] == BLOCKS)
    return f"""# The class layer of a face model: blocks, single random classes, all classes

{markdown_table(rows, columns(rows))}

Both samplers have a budget of {budget:.0%} of the classes, targets included; {one["examples"]} examples in an
update, embeddings of {one["embedding"]} numbers, ArcFace, float32, one process. An update is forward,
backward and a step of SGD with momentum and weight decay, which goes over the whole matrix whatever was
drawn. Times are processor time, medians of {one["updates"]} updates, all three in turn on the same
embeddings; memory is by how much a process of its own grew at most. Partial FC is
benchmarks/face/partial_fc.py, after An et al., CVPR 2022.

{measured_with(rows)}

```sh
{one["command"]}
```
"""


class RandomClasses(nn.Module):
    """A margin classifier against the classes of the batch and single random others, on one process.

    Partial FC: An et al., "Killing Two Birds with One Stone: Efficient and Robust Training of Face
    Recognition CNNs by Partial FC", CVPR 2022, section 3.3 and algorithm 1. Every class gets a uniform random
    number, those of the batch a larger one, and the ``fraction · V`` largest are trained: their rows are
    copied out of the matrix, and everything after that is what :class:`vision_xmc.models.ClassShards` does.

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
