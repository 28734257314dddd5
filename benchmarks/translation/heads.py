"""The output layers to compare, as options of the plug-in, by their row ids.

All of them use one embedding table for source and target input, so that only the output layer differs. The
adaptive softmax is fairseq's own. A cascade that shares its matrix with the embeddings is trained on a folder
whose dictionary is in the learned order; for the others the order is an option.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.harness.names import FAIRSEQ_SOFTMAX, TIED
from benchmarks.harness.ordered import ordered_folder, reorder_command
from benchmarks.harness.process import run_logged, shown

ORDER = "order.txt"
"""The learned label order's name in a data folder."""

_INPUTS = "--mhe-share-input-embeddings"
_TIED = "--share-all-embeddings"
_ORDER = "--mhe-label-order {data}/" + ORDER

FAIRSEQ_SOFTMAX_TIED = f"{FAIRSEQ_SOFTMAX}{TIED}"

_HEADS: dict[str, str] = {
    FAIRSEQ_SOFTMAX_TIED: f"--arch transformer --criterion label_smoothed_cross_entropy {_TIED}",
    "onehot-tied": f"--mhe-head onehot {_TIED}",
    "onehot": f"--mhe-head onehot {_INPUTS}",
    "sampling-tied": f"--mhe-head sampling --mhe-sample-fraction 0.15 {_TIED}",
    "sampling": f"--mhe-head sampling --mhe-sample-fraction 0.15 {_INPUTS}",
    "cascade-table-tied": f"--mhe-head cascade {_TIED}",
    "cascade-table-tied-projection": f"--mhe-head cascade --mhe-projection --mhe-prototypes 8 {_TIED}",
    "cascade-digit": f"--mhe-head cascade --mhe-conditioning digit {_ORDER} {_INPUTS}",
    "adaptive-softmax": (
        "--arch transformer --criterion adaptive_loss --ddp-backend legacy_ddp"
        f" --adaptive-softmax-cutoff {{cutoffs}} {_TIED}"
    ),
    "product": f"--mhe-head product {_INPUTS}",
    "product-8-groups": f"--mhe-head product --mhe-groups 8 {_INPUTS}",
}

HEADS = tuple(name for name in _HEADS if name != FAIRSEQ_SOFTMAX_TIED)

_ORDERED_DATA = ("cascade-table-tied", "cascade-table-tied-projection")

MEASURED = tuple(_HEADS)
"""Those and fairseq's own full softmax: what it costs differs from `onehot`, what it learns does not."""

UNSUPPORTED = {
    "adaptive-softmax": ("--label-smoothing", "--autocast-bf16"),
    FAIRSEQ_SOFTMAX_TIED: ("--autocast-bf16",),
}
"""Options that an output layer's criterion does not have."""


def data_of(name: str, data: Path) -> Path:
    """The folder that one output layer is trained on: `data`, or its copy in the learned order."""
    return ordered_folder(data) if name in _ORDERED_DATA else data


def head_options(name: str, data: Path, vocab_size: int) -> tuple[str, ...]:
    """The options of one output layer for one data folder."""
    # A tenth of the words with full vectors, a fifth with a quarter of the size, the rest with a sixteenth.
    cutoffs = f"{vocab_size // 10},{3 * vocab_size // 10}"
    return tuple(part.format(data=data, cutoffs=cutoffs) for part in _HEADS[name].split())


def decoding_options(name: str) -> tuple[str, ...]:
    """fairseq-generate's options for one output layer: some find the best words without scoring all words."""
    return ("--task", "translation_mhe") if finds_candidates(name) else ()


def finds_candidates(name: str) -> bool:
    """Whether the output layer of that id finds the best words without scoring all of them."""
    return name.startswith(("product", "cascade"))


def make_order(data: Path, log: Path, cluster_size: int | None = None) -> None:
    """Writes the folder's learned label order unless it exists; `order-N.txt` for clusters of N."""
    order = data / (f"order-{cluster_size}.txt" if cluster_size else ORDER)
    if not order.exists():
        command = [sys.executable, "-m", "data_prep", "order", "--data", str(data), "--output", str(order)]
        command += ["--cluster-size", str(cluster_size)] if cluster_size else []
        print(f"$ {shown(command)}", flush=True)
        run_logged(command, log)


def make_ordered_folder(data: Path, log: Path, cluster_size: int | None = None) -> None:
    """Makes the folder's copy in the learned order unless it is up to date."""
    command = reorder_command(data, cluster_size)
    print(f"$ {shown(command)}", flush=True)
    run_logged(command, log)
