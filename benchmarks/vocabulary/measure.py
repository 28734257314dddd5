"""Trains one output layer on generated text, in a process of its own, and prints its row as JSON.

`python -m benchmarks.vocabulary.measure NAME V [options]`; `python -m benchmarks.vocabulary` runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import math
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.decoding.step import peak_memory
from benchmarks.harness.fitting import Stopwatch, fit
from benchmarks.vocabulary.layers import LAYERS, add_options, batch_of, updates_of, updates_of_most
from benchmarks.vocabulary.models import FEATURES, Network, OutputLayer, build
from benchmarks.vocabulary.orders import label_order
from benchmarks.vocabulary.source import Sample, Source

RATE = 0.01
_NATS_PER_BIT = math.log(2)
#: Number of positions that are scored or predicted at a time.
_POSITIONS = 64
#: Numbers of updates after which the excess is measured as well.
_LOOKS = (25, 50, 100, 200, 400, 800, 1600)


def main() -> None:
    options = parser().parse_args()
    torch.set_num_threads(1)
    print(json.dumps(measure(options.name, options.labels, options)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vocabulary.measure", description=__doc__.split("\n")[0]
    )
    parser.add_argument("name", choices=LAYERS, metavar="NAME", help="; ".join(LAYERS))
    parser.add_argument("labels", type=int, metavar="V")
    add_options(parser)
    return parser


def measure(name: str, num_words: int, options: argparse.Namespace) -> dict[str, Any]:
    """Trains, scores and times the output layer `name` over `num_words` labels."""
    watch = Stopwatch()
    source = Source(num_words, seed=options.seed)
    most, batch = updates_of_most(num_words, options), batch_of(num_words, options)
    training = source.sample(most * batch, options.seed + 1)
    held_out = source.sample(options.held_out, options.seed + 2)
    contexts, words = torch.from_numpy(training.contexts), torch.from_numpy(training.words)
    unigram_excess = source.unigram_nll(held_out.words) - held_out.nll
    row: dict[str, Any] = {
        "name": name, "labels": num_words, "seed": options.seed, "batch": batch,
        "updates_of_most": most, "held_out": options.held_out,
        "entropy_bits": float(source.entropy(held_out.contexts).mean()) / _NATS_PER_BIT,
        "source_bits": float(held_out.nll.mean()) / _NATS_PER_BIT,
        "unigram_excess_bits": float(unigram_excess.mean()) / _NATS_PER_BIT,
        "best_accuracy": source.best_accuracy(held_out.contexts),
        "types_seen": len(words.unique()),
    }  # fmt: skip
    started = time.process_time()
    order, num_contexts = label_order(name, source, training, options.seed), source.contexts
    row["order_seconds"] = time.process_time() - started
    del source, training

    _warm_up(num_contexts)
    before = _lower_peak()
    # Seeded separately, so that network and batches are the same under every output layer.
    torch.manual_seed(options.seed)
    network = Network(num_contexts)
    torch.manual_seed(options.seed)
    layer = build(name, num_words, order)

    def backward(update: int) -> None:
        start = update * batch
        for part in range(start, start + batch, layer.part):
            piece = slice(part, min(part + layer.part, start + batch))
            share = (piece.stop - piece.start) / batch
            (share * layer.loss(network(contexts[piece]), words[piece])).backward()

    curve: list[dict[str, Any]] = []
    peaks: list[float] = []

    def after(update: int) -> None:
        if update == min(_LOOKS[0], updates):
            # Before the excess is measured for the first time, because that would count as training.
            peaks.append(_peak_mb() - before)
        if update in _LOOKS and update < updates:
            excess = float(_excess(network.eval(), layer.eval(), held_out).mean()) / _NATS_PER_BIT
            curve.append({"updates": update, "excess_bits": excess})
            network.train()
            layer.train()

    updates = updates_of(name, num_words, options)
    parameters = [*network.parameters(), *layer.parameters()]
    warmup = max(1, min(50, updates // 5))
    seconds = fit(parameters, backward, updates=updates, rate=RATE, warmup=warmup, after=after)
    row |= {
        "updates": updates,
        "parameters": sum(p.numel() for p in layer.parameters()),
        "positions_at_a_time": min(layer.part, batch),
        # The first updates allocate.
        "step_ms": 1000 * statistics.median(seconds[2:] or seconds),
        "train_seconds": sum(seconds),
        "curve": [{**point, "train_seconds": sum(seconds[: point["updates"]])} for point in curve],
        "peak_mb": peaks[0],
        **_score(network.eval(), layer.eval(), held_out),
    }
    return row | watch.figures()


@torch.no_grad()
def _excess(network: nn.Module, layer: OutputLayer, held_out: Sample) -> Tensor:
    """Nats above the source's own likelihood, `(n,)` float64."""
    contexts, words = torch.from_numpy(held_out.contexts), torch.from_numpy(held_out.words)
    nll = [
        layer.nll(network(contexts[own]), words[own]).double()
        for own in torch.arange(len(words)).split(_POSITIONS)
    ]
    return torch.cat(nll) - torch.from_numpy(held_out.nll)


@torch.no_grad()
def _score(network: nn.Module, layer: OutputLayer, held_out: Sample) -> dict[str, float]:
    """Likelihood, excess and accuracy on held-out positions, and time and memory of a prediction."""
    contexts, words = torch.from_numpy(held_out.contexts), torch.from_numpy(held_out.words)
    right: list[Tensor] = []
    seconds: list[float] = []
    for own in torch.arange(len(words)).split(_POSITIONS):
        features = network(contexts[own])
        started = time.process_time()
        best = layer.predict(features)
        seconds.append(time.process_time() - started)
        right.append(best == words[own])
    excess = _excess(network, layer, held_out)
    return {
        "nll_bits": float((excess + torch.from_numpy(held_out.nll)).mean()) / _NATS_PER_BIT,
        "excess_bits": float(excess.mean()) / _NATS_PER_BIT,
        "excess_error_bits": float(excess.std()) / math.sqrt(len(excess)) / _NATS_PER_BIT,
        "accuracy": float(torch.cat(right).double().mean()),
        "predict_positions": _POSITIONS,
        "predict_ms": 1000 * statistics.median(seconds[1:] or seconds),
        "predict_peak_mb": peak_memory(lambda: layer.predict(features)),
    }


def _warm_up(contexts: int) -> None:
    """Trains a tiny model, so that what libraries load on first use does not count for an output layer."""
    network, layer = Network(contexts), nn.Linear(FEATURES, 2)

    def backward(update: int) -> None:
        features = network(torch.zeros(8, 2, dtype=torch.int64))
        nn.functional.cross_entropy(layer(features), torch.zeros(8, dtype=torch.int64)).backward()

    fit([*network.parameters(), *layer.parameters()], backward, updates=2, rate=RATE)


def _lower_peak() -> float:
    """The process's peak memory so far in MB, lowered to its present memory where the system allows that."""
    # Memory that was freed but that the allocator keeps would hide growth.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    # Linux counts in KB, macOS in bytes.
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
