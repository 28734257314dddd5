"""Steps of fairseq's own trainer with a generated vocabulary, in a process of its own; prints a row as JSON.

`python -m benchmarks.translation.growth` runs `python -m benchmarks.translation.growth_step NAME V
OPTIMIZER`. Sentences are of 30 words that are drawn by Zipf's law and numbered by frequency, as a dictionary
is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.process import USER_DIR, peak_bytes

#: Labels that the sampling head draws in a step, whatever the vocabulary.
DRAWN = 8192
#: The heads' options, by name; `{fraction}` is the share of `DRAWN` labels.
HEADS = {
    "table": "--mhe-head cascade",
    "table-3": "--mhe-head cascade --mhe-num-heads 3",
    "sampling": "--mhe-head sampling --mhe-sample-fraction {fraction}",
    "onehot": "--mhe-head onehot",
}
OPTIMIZERS = ("adam", "row_adam")
#: The parts of a step that fairseq's trainer and torch name.
PHASES = ("forward", "backward", "reduce-grads", "multiply-grads", "clip-grads", "optimizer")
_WORDS = 30
#: Trainer._prepare_sample and others keep what the first steps make.
_WARM_UP = 3


def main() -> None:
    options = parser().parse_args()
    torch.set_num_threads(1)
    print(json.dumps(measure(options)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.translation.growth_step", description=__doc__.split("\n")[0]
    )
    parser.add_argument("name", choices=HEADS)
    parser.add_argument("labels", type=int, metavar="V")
    parser.add_argument("optimizer", choices=OPTIMIZERS)
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    # fmt: off
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument("--tokens", type=int, default=1200, metavar="N",
        help="target tokens of a batch (default: %(default)s)")
    parser.add_argument("--profile", action="store_true",
        help="time of the step's parts and of torch's operators, of two steps more")
    # fmt: on


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of processor time per step, and the peak memory in bytes."""
    trainer = build_trainer(options.name, options.labels, options.optimizer)
    draws = torch.Generator().manual_seed(1)
    batches = [batch(options.labels, options.tokens, draws) for _ in range(options.steps + _WARM_UP + 2)]
    times = []
    for sample in batches[:-2]:
        started = time.process_time()
        trainer.train_step([sample])
        times.append(1000 * (time.process_time() - started))
    row = {
        "name": options.name, "labels": options.labels, "optimizer": options.optimizer,
        "tokens": options.tokens, "steps": options.steps,
        "step_ms": statistics.median(times[_WARM_UP:]), "peak_bytes": peak_bytes(),
    }  # fmt: skip
    return row | (profile(trainer, batches[-2:]) if options.profile else {})


def build_trainer(name: str, labels: int, optimizer: str) -> Any:
    """fairseq's trainer of a model of size 256 with 3 + 3 layers and one table for all embeddings."""
    from fairseq import options as fairseq_options
    from fairseq.data import Dictionary
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from fairseq.trainer import Trainer

    from user_dir.tasks.translation_mhe import TranslationMHETask

    head = HEADS[name].format(fraction=min(1.0, DRAWN / labels)).split()
    # fmt: off
    command = [
        "no-data", "--user-dir", str(USER_DIR), "--task", "translation_mhe", "--cpu",
        "--arch", "transformer_mhe_small", "--share-all-embeddings", *head,
        "--criterion", "mhe_ce", "--label-smoothing", "0.1",
        "--optimizer", optimizer, "--adam-betas", "(0.9, 0.98)", "--lr", "5e-4", "--clip-norm", "1.0",
        "--max-tokens", "1200",
    ]
    # fmt: on
    args = fairseq_options.parse_args_and_arch(fairseq_options.get_training_parser(), command)
    cfg = convert_namespace_to_omegaconf(args)
    dictionary = Dictionary()
    for number in range(labels - len(dictionary)):
        dictionary.add_symbol(f"w{number}")
    task = TranslationMHETask(cfg.task, dictionary, dictionary)
    torch.manual_seed(1)
    return Trainer(cfg, task, task.build_model(cfg.model), task.build_criterion(cfg.criterion))


def batch(labels: int, tokens: int, draws: torch.Generator) -> dict[str, Any]:
    """Sentences with as many target tokens, ends included, as fairseq would make a batch of them."""
    sentences = max(1, tokens // (_WORDS + 1))
    source, target = (_sentences(labels, sentences, draws) for _ in range(2))
    return {
        "id": torch.arange(sentences),
        "nsentences": sentences,
        "ntokens": target.numel(),
        "net_input": {
            "src_tokens": source,
            "src_lengths": torch.full((sentences,), source.size(1)),
            "prev_output_tokens": target.roll(1, -1),
        },
        "target": target,
    }


def _sentences(labels: int, sentences: int, draws: torch.Generator) -> Tensor:
    """Token numbers `(sentences, 31)`, with the end of the sentence (2) last."""
    first = 4  # the dictionary's special symbols
    weights = torch.arange(labels - first, dtype=torch.float64).add_(2.7).reciprocal_().cumsum_(0)
    points = torch.rand(sentences, _WORDS, dtype=torch.float64, generator=draws) * weights[-1]
    words = torch.searchsorted(weights, points).clamp_(max=labels - first - 1) + first
    return torch.cat((words, torch.full((sentences, 1), 2)), -1)


def profile(trainer: Any, batches: list[dict[str, Any]]) -> dict[str, Any]:
    """Milliseconds per step of the step's parts, and of the fifteen operators that take longest."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for sample in batches:
            trainer.train_step([sample])
    events = profiler.key_averages()
    unit = 1000 * len(batches)
    operators = sorted(
        (event for event in events if event.key.startswith(("aten::", "_"))),
        key=lambda event: -event.self_cpu_time_total,
    )
    return {
        "phases_ms": {event.key: event.cpu_time_total / unit for event in events if event.key in PHASES},
        "operators_ms": {event.key: event.self_cpu_time_total / unit for event in operators[:15]},
    }


if __name__ == "__main__":
    main()
