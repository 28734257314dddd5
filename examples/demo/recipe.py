"""How the demo trains: a very small Transformer for its own corpus, a small one for the user's text."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

VALIDATIONS = 8
"""How often each training validates, which gives the chart its points."""


@dataclass(frozen=True)
class Recipe:
    """The sizes and lengths that differ between the made corpus and the user's text.

    seconds: of processor time, of each training. max_update: if given, the updates of each training instead.
    """

    vocab_size: int
    seconds: float
    layers: int
    width: int
    inner_width: int
    dropout: float
    max_tokens: int
    learning_rate: float
    warmup: int
    subword: str
    max_update: int | None = None
    max_epoch: int | None = None

    def adapted(self, options: argparse.Namespace) -> Recipe:
        """With the values that the user gave on the command line."""
        names = ("vocab_size", "seconds", "max_update", "max_epoch")
        return replace(
            self, **{name: getattr(options, name) for name in names if getattr(options, name) is not None}
        )

    def updates(self, step_ms: float) -> int:
        """How many updates a training has whose steps take so many milliseconds."""
        return self.max_update or max(VALIDATIONS, round(1000 * self.seconds / step_ms))

    def train_options(self, updates: int) -> tuple[str, ...]:
        """Options of fairseq-train, all but the output layer's."""
        sizes = [
            part
            for side in ("encoder", "decoder")
            for name, value in (
                ("layers", self.layers), ("embed-dim", self.width), ("ffn-embed-dim", self.inner_width)
            )
            for part in (f"--{side}-{name}", str(value))
        ]  # fmt: skip
        stop = () if self.max_epoch is None else ("--max-epoch", str(self.max_epoch))
        epochs = "1000" if self.max_epoch is None else "1"
        # Validations are evenly spread over the updates; epochs end at other places in each training.
        interval = str(max(1, -(-updates // VALIDATIONS)))
        return (
            "--arch", "transformer_mhe_small", *sizes,
            "--encoder-normalize-before", "--decoder-normalize-before", "--dropout", str(self.dropout),
            "--criterion", "mhe_ce", "--label-smoothing", "0.1", "--max-tokens", str(self.max_tokens),
            "--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0",
            "--lr", str(self.learning_rate), "--lr-scheduler", "polynomial_decay",
            "--warmup-updates", str(min(self.warmup, updates // 2)),
            "--total-num-update", str(updates), "--max-update", str(updates), *stop,
            "--num-workers", "0", "--log-interval", "20", "--validate-interval", epochs,
            "--save-interval", epochs, "--save-interval-updates", interval, "--keep-interval-updates", "1",
        )  # fmt: skip


# No dropout: one pass over a corpus made by rules leaves nothing to overfit, and on a CPU drawing the masks
# costs more than a matrix product.
# Byte-pair encoding keeps the names and numbers whole that unigram pieces would put together from parts.
SYNTHETIC = Recipe(
    vocab_size=16_000, seconds=80, layers=2, width=128, inner_width=256,
    dropout=0.0, max_tokens=600, learning_rate=2e-3, warmup=100, subword="bpe",
)  # fmt: skip

OWN_TEXT = Recipe(
    vocab_size=16_000, seconds=1200, layers=3, width=256, inner_width=1024,
    dropout=0.1, max_tokens=2000, learning_rate=1e-3, warmup=400, subword="unigram",
)  # fmt: skip
