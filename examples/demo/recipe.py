"""How the demo trains: a very small Transformer for its own corpus, a small one for the user's text."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """The sizes and lengths that differ between a made corpus and real text."""

    vocab_size: int
    max_update: int
    layers: int
    width: int
    inner_width: int
    dropout: float
    max_tokens: int
    learning_rate: float
    warmup: int
    max_epoch: int | None = None

    def adapted(self, options: argparse.Namespace) -> Recipe:
        """With the user's `--vocab-size`, `--max-update` and `--max-epoch`, where given."""
        names = ("vocab_size", "max_update", "max_epoch")
        return replace(
            self, **{name: getattr(options, name) for name in names if getattr(options, name) is not None}
        )

    def train_options(self) -> tuple[str, ...]:
        """Options of fairseq-train, all but the output layer's."""
        sizes = [
            part
            for side in ("encoder", "decoder")
            for name, value in (
                ("layers", self.layers), ("embed-dim", self.width), ("ffn-embed-dim", self.inner_width)
            )
            for part in (f"--{side}-{name}", str(value))
        ]  # fmt: skip
        updates = str(self.max_update)
        stop = () if self.max_epoch is None else ("--max-epoch", str(self.max_epoch))
        return (
            "--arch", "transformer_mhe_small", *sizes,
            "--encoder-normalize-before", "--decoder-normalize-before", "--dropout", str(self.dropout),
            "--criterion", "mhe_ce", "--label-smoothing", "0.1", "--max-tokens", str(self.max_tokens),
            "--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--clip-norm", "1.0",
            "--lr", str(self.learning_rate), "--lr-scheduler", "polynomial_decay",
            "--warmup-updates", str(min(self.warmup, self.max_update // 2)),
            "--total-num-update", updates, "--max-update", updates, *stop,
            "--num-workers", "0", "--log-interval", "20",
            "--save-interval-updates", "200", "--keep-interval-updates", "1",
        )  # fmt: skip


# No dropout: two or three passes over a corpus made by rules leave nothing to overfit, and on a CPU
# drawing the masks costs more than a matrix product.
SYNTHETIC = Recipe(
    vocab_size=2000, max_update=1500, layers=2, width=128, inner_width=256,
    dropout=0.0, max_tokens=1200, learning_rate=2e-3, warmup=150,
)  # fmt: skip

OWN_TEXT = Recipe(
    vocab_size=8000, max_update=4000, layers=3, width=256, inner_width=1024,
    dropout=0.1, max_tokens=2000, learning_rate=1e-3, warmup=400,
)  # fmt: skip
