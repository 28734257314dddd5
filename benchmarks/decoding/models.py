"""Models for the benchmark: one decoder with random weights, output layers as sharp as trained ones."""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.names import ADAPTIVE, TIED_SOFTMAX
from benchmarks.harness.process import USER_DIR, run_logged, tool

#: Options of fairseq-train by the id of the output layer. The first two output layers are fairseq's own.
OUTPUT_LAYERS: dict[str, tuple[str, ...]] = {
    TIED_SOFTMAX: ("--arch", "transformer_iwslt_de_en", "--share-decoder-input-output-embed"),
    ADAPTIVE: ("--arch", "transformer_iwslt_de_en", "--adaptive-softmax-cutoff", "CUTOFFS"),
    "product": ("--mhe-head", "product"),
    "product-8-groups": ("--mhe-head", "product", "--mhe-groups", "8"),
    "cascade-table-tied": ("--mhe-head", "cascade", "--share-decoder-input-output-embed"),
    "cascade-table-tied-wide-first-head": (
        "--mhe-head", "cascade", "--share-decoder-input-output-embed", "--mhe-radices", "WIDE",
    ),
    "cascade-digit": ("--mhe-head", "cascade", "--mhe-conditioning", "digit"),
}  # fmt: skip
PEERS = (TIED_SOFTMAX, ADAPTIVE)

SOURCE_SYMBOLS = 1000
SOURCE_LENGTH = 20


@dataclass
class Built:
    """A model, its fairseq task, and what it was built from."""

    name: str
    model: Any
    task: Any
    args: argparse.Namespace

    @property
    def task_name(self) -> str:
        return "translation" if self.name in PEERS else "translation_mhe"

    @property
    def output_parameters(self) -> int:
        """Parameters of the output layer, including those shared with the embedding."""
        decoder = self.model.decoder
        layer = getattr(decoder, "head", None) or decoder.adaptive_softmax or decoder.output_projection
        return sum(parameter.numel() for parameter in layer.parameters())

    def save(self, path: Path) -> None:
        """A checkpoint that fairseq-generate loads."""
        state = {
            "args": self.args,
            "model": self.model.state_dict(),
            "optimizer_history": [{"optimizer_name": "none", "lr_scheduler_state": {}, "num_updates": 0}],
            "extra_state": {"epoch": 1},
        }
        torch.save(state, path)


def make_data(folder: Path, num_labels: int, sentences: int) -> Path:
    """A binarised test set of random source sentences, and a target dictionary of ``num_labels`` symbols."""
    data = folder / "data"
    if data.joinpath("test.xx-yy.xx.idx").exists():
        return data
    folder.mkdir(parents=True, exist_ok=True)
    for side, size in (("xx", SOURCE_SYMBOLS), ("yy", num_labels)):
        # fairseq adds four special symbols.
        text = "".join(f"{side}{number} 1\n" for number in range(size - 4))
        folder.joinpath(f"dict.{side}.txt").write_text(text, encoding="utf-8")
    draw = random.Random(1)
    lines = [
        " ".join(f"xx{draw.randrange(SOURCE_SYMBOLS - 4)}" for _ in range(SOURCE_LENGTH - 1))
        for _ in range(sentences)
    ]
    folder.joinpath("test.xx").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [
        tool("fairseq-preprocess"), "--source-lang", "xx", "--target-lang", "yy", "--only-source",
        "--testpref", str(folder / "test"), "--destdir", str(data),
        "--srcdict", str(folder / "dict.xx.txt"), "--tgtdict", str(folder / "dict.yy.txt"),
    ]  # fmt: skip
    run_logged(command, folder / "preprocess.log")
    # With --only-source the target's dictionary is not copied.
    data.joinpath("dict.yy.txt").write_bytes(folder.joinpath("dict.yy.txt").read_bytes())
    return data


def build(name: str, data: Path, num_labels: int, nats: float) -> Built:
    """The model with output layer ``name``, whose distributions have a mean entropy of ``nats``.

    All models of one ``num_labels`` have the same decoder weights, except for the scale of the last layer
    norm: with random weights the distributions would be flat, unlike those of trained models, and a cascade
    would have to look at every branch.
    """
    from fairseq import options, tasks

    torch.manual_seed(1)
    layer = [part.replace("CUTOFFS", cutoffs(num_labels)) for part in OUTPUT_LAYERS[name]]
    layer = [part.replace("WIDE", ",".join(map(str, wide_radices(num_labels)))) for part in layer]
    if name not in PEERS:
        layer = ["--arch", "transformer_mhe_iwslt_de_en", "--criterion", "mhe_ce", *layer]
        layer += ["--task", "translation_mhe"]
    parser = options.get_training_parser()
    args = options.parse_args_and_arch(parser, [str(data), "--user-dir", str(USER_DIR), "--cpu", *layer])
    task = tasks.setup_task(args)
    model = task.build_model(args).eval()
    _same_decoder(model)
    sharpen(model, nats)
    return Built(name, model, task, args)


def cutoffs(num_labels: int) -> str:
    """The adaptive softmax's cutoffs: a sixteenth and a quarter of the vocabulary, as in its paper."""
    return f"{num_labels // 16},{num_labels // 4}"


def wide_radices(num_labels: int) -> tuple[int, int]:
    """About four times as many branches as the square root, each a quarter as wide."""
    branches = 4 * math.isqrt(num_labels)
    return branches, -(-num_labels // branches)


def _same_decoder(model: Any) -> None:
    """Draws new weights outside the output layer, so that they do not depend on how that was built."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("decoder.head", "decoder.adaptive_softmax", "decoder.output_projection")):
                continue
            if parameter.dim() > 1:
                parameter.normal_(std=parameter.size(-1) ** -0.5, generator=generator)


@torch.no_grad()
def sharpen(model: Any, nats: float) -> float:
    """Scales the decoder's last layer norm until the mean entropy is ``nats``; returns the scale."""
    features = _some_features(model)
    low, high = 0.05, 200.0
    for _ in range(12):
        scale = math.sqrt(low * high)
        if mean_entropy(model, scale * features) > nats:
            low = scale
        else:
            high = scale
    norm = model.decoder.layers[-1].final_layer_norm
    norm.weight.mul_(scale)
    norm.bias.mul_(scale)
    return scale


@torch.no_grad()
def mean_entropy(model: Any, features: Tensor) -> float:
    """Mean entropy in nats of the distributions of features ``(n, d)``, a few rows at a time."""
    total = 0.0
    for rows in features.split(8):
        output = rows.unsqueeze(1)
        if getattr(model.decoder, "adaptive_softmax", None) is None:
            output = model.decoder.output_layer(output)
        log_probs = model.get_normalized_probs((output, None), log_probs=True)
        total -= float(torch.xlogy(log_probs.exp(), log_probs.exp()).sum())
    return total / len(features)


def _some_features(model: Any) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(4, SOURCE_SYMBOLS, (8, SOURCE_LENGTH), generator=generator)
    target = torch.randint(4, model.decoder.embed_tokens.num_embeddings, (8, 8), generator=generator)
    lengths = torch.full((8,), SOURCE_LENGTH)
    features, _ = model(source, lengths, target, features_only=True)
    return features[:, 1::2].flatten(0, 1)


def batches(task: Any, sentences: int) -> Iterator[dict[str, Any]]:
    """Batches of the test set, of ``sentences`` each."""
    task.load_dataset("test")
    iterator = task.get_batch_iterator(task.dataset("test"), max_sentences=sentences)
    yield from iterator.next_epoch_itr(shuffle=False)
