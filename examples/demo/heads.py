"""The output layers that the demo compares, as options of the plug-in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ORDER = "order.txt"
"""The learned label order's name in the data folder."""

_TIED = "--share-all-embeddings"
_INPUTS = "--mhe-share-input-embeddings"
_ORDER = f"--mhe-label-order {{data}}/{ORDER}"
_SEARCH = ("--task", "translation_mhe")


@dataclass(frozen=True)
class Head:
    """words: its name in tables. decoding: options of fairseq-generate that spare it the whole vocabulary."""

    words: str
    flags: str
    decoding: tuple[str, ...] = ()

    def options(self, data: Path) -> tuple[str, ...]:
        """The options of fairseq-train for one data folder."""
        return tuple(part.format(data=data) for part in self.flags.split())

    @property
    def ordered(self) -> bool:
        """Whether it reads the learned label order."""
        return ORDER in self.flags


HEADS = {
    "onehot-tied": Head("full softmax, tied", f"--mhe-head onehot {_TIED}"),
    "sampling-tied": Head("sampling, tied", f"--mhe-head sampling --mhe-sample-fraction 0.15 {_TIED}"),
    "cascade-table-tied": Head(
        "cascade by table, tied", f"--mhe-head cascade --mhe-conditioning table {_ORDER} {_TIED}", _SEARCH
    ),
    "cascade-digit": Head(
        "cascade by digit", f"--mhe-head cascade --mhe-conditioning digit {_ORDER} {_INPUTS}", _SEARCH
    ),
    "product": Head("product", f"--mhe-head product {_ORDER} {_INPUTS}", _SEARCH),
    "product-8-groups": Head(
        "product, 8 groups", f"--mhe-head product --mhe-groups 8 {_ORDER} {_INPUTS}", _SEARCH
    ),
}
DEFAULT = ("onehot-tied", "sampling-tied", "cascade-table-tied")
