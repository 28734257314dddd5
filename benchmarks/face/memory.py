"""The memory of a face model's class weights on each process: planned, and measured.

``python -m benchmarks.face.memory plan`` computes the memory of an update's tensors from their shapes.
``python -m benchmarks.face.memory measure --classes 100000 --processes 1 2 3`` trains a classifier of that
many classes for a few updates, in real processes on the CPU, and prints the largest growth of each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from benchmarks.harness.process import peak_bytes
from mhe_nmt.margin import ArcFace
from vision_xmc.face.head.block_sampler import BlockSampler
from vision_xmc.face.head.class_shards import ClassShards

FLOAT = 4
SMALL = 1000
"""Classes of the classifier that is trained first, see :func:`growth`."""


@dataclass(frozen=True)
class Plan:
    """Bytes on one process, of the largest tensors.

    Args:
        classes, embedding: ``V`` and ``d``.
        processes: ``P``.
        examples: ``N``, per update over all processes.
        fraction: share of the classes that an update trains; 1 for the full classifier.
    """

    classes: int
    embedding: int
    processes: int
    examples: int
    fraction: float = 1.0

    @property
    def rows(self) -> int:
        """Classes that a process holds."""
        return -(-self.classes // self.processes)

    @property
    def kept(self) -> int:
        """Weights, their gradients and their momentum."""
        return 3 * FLOAT * self.rows * self.embedding

    @property
    def trained_rows(self) -> int:
        """Unit vectors of the trained classes and their gradients; drawn rows also before scaling."""
        copies = 2 if self.fraction == 1 else 4
        return int(copies * FLOAT * self.fraction * self.rows * self.embedding)

    @property
    def logits(self) -> int:
        """Probabilities of all examples, and the gradients of their cosines."""
        return int(2 * FLOAT * self.examples * self.fraction * self.rows)

    @property
    def peak(self) -> int:
        """The larger of backward pass and optimizer's step, which has one more copy of the weights."""
        return self.kept + max(self.trained_rows + self.logits, FLOAT * self.rows * self.embedding)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.face.memory", description=__doc__)
    parser.add_argument("what", choices=("plan", "measure", "worker"))
    parser.add_argument("--classes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--embedding", type=int, default=512)
    parser.add_argument("--examples", type=int, default=1024)
    parser.add_argument("--fractions", type=float, nargs="+", default=[1.0, 0.25, 0.1])
    options = parser.parse_args()
    if options.what == "worker":
        _work(options.classes[0], options.embedding, options.examples, options.fractions[0])
        return
    columns = [
        "classes",
        "trained",
        "processes",
        "weights, gradient, momentum",
        "trained rows",
        "logits",
        "peak",
    ]
    measured = options.what == "measure"
    print("| " + " | ".join(columns + ["measured"] * measured) + " |")
    print("|" + "---|" * (len(columns) + measured))
    for classes in options.classes:
        for fraction in options.fractions:
            for processes in options.processes:
                plan = Plan(classes, options.embedding, processes, options.examples, fraction)
                cells = [f"{classes:,}", f"{fraction:.0%}", str(processes)]
                cells += [shown_bytes(b) for b in (plan.kept, plan.trained_rows, plan.logits, plan.peak)]
                if measured:
                    cells.append(shown_bytes(max(_measured(plan))))
                print("| " + " | ".join(cells) + " |", flush=True)


def shown_bytes(size: int) -> str:
    """A size with a decimal unit."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _measured(plan: Plan) -> list[int]:
    """The largest growth of each process, in bytes."""
    line = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc_per_node={plan.processes}",
    ]
    line += ["-m", "benchmarks.face.memory", "worker", "--classes", str(plan.classes)]
    line += ["--embedding", str(plan.embedding), "--examples", str(plan.examples)]
    line += ["--fractions", str(plan.fraction)]
    done = subprocess.run(
        line, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True, capture_output=True, check=True
    )
    return [json.loads(text) for text in done.stdout.split()]


def _work(classes: int, embedding: int, examples: int, fraction: float) -> None:
    """One process of a measurement; prints its growth in bytes."""
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    torch.manual_seed(dist.get_rank())
    local_examples = examples // dist.get_world_size()
    features, labels = torch.randn(local_examples, embedding), torch.randint(classes, (local_examples,))

    def build() -> ClassShards:
        sampler = BlockSampler(classes, sample_fraction=fraction) if fraction < 1 else None
        return ClassShards(embedding, classes, ArcFace(), sampler=sampler)

    grown = growth(build, features, labels)
    # A single write per process, so that their lines do not mix.
    os.write(1, f"{grown}\n".encode())
    dist.destroy_process_group()


def growth(build: Callable[[], nn.Module], features: torch.Tensor, labels: torch.Tensor) -> int:
    """The largest growth of this process in bytes while it trains a classifier.

    Args:
        build: makes it.
        features, labels: ``(n, d)`` and ``(n,)``, a batch.
    """
    # What the first training loads and allocates permanently does not belong to the classifier.
    _train(ClassShards(features.size(1), SMALL, ArcFace()), features, labels % SMALL)
    before = peak_bytes()
    _train(build(), features, labels)
    return peak_bytes() - before


def new_optimizer(head: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of class weights, with the settings of our face models."""
    return torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)


def _train(head: nn.Module, features: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer = new_optimizer(head)
    for _ in range(3):
        output = head(features.requires_grad_(), labels, torch.Generator().manual_seed(1))
        output.nll.mean().backward()
        del output
        optimizer.step()
        optimizer.zero_grad()


if __name__ == "__main__":
    main()
