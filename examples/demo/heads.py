"""The output layers that the demo compares, as options of the plug-in."""

from __future__ import annotations

from dataclasses import dataclass

_TIED = "--share-all-embeddings"
_INPUTS = "--mhe-share-input-embeddings"
_SEARCH = ("--task", "translation_mhe")


@dataclass(frozen=True)
class Head:
    """words: its name in tables. decoding: options of fairseq-generate.

    ordered: whether it is trained on the data folder whose dictionary is in a learned order.
    """

    words: str
    flags: str
    decoding: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The options of fairseq-train."""
        return tuple(self.flags.split())


HEADS = {
    "onehot": Head("full softmax", f"--mhe-head onehot {_INPUTS}"),
    "onehot-tied": Head("full softmax, tied", f"--mhe-head onehot {_TIED}"),
    "sampling": Head("sampling", f"--mhe-head sampling --mhe-sample-fraction 0.15 {_INPUTS}"),
    "sampling-tied": Head("sampling, tied", f"--mhe-head sampling --mhe-sample-fraction 0.15 {_TIED}"),
    "cascade-table-tied": Head(
        "cascade by table, tied", f"--mhe-head cascade --mhe-conditioning table {_TIED}", _SEARCH, True
    ),
    "cascade-digit": Head(
        "cascade by digit", f"--mhe-head cascade --mhe-conditioning digit {_INPUTS}", _SEARCH, True
    ),
    "product": Head("product", f"--mhe-head product {_INPUTS}", _SEARCH, True),
    "product-8-groups": Head(
        "product, 8 groups", f"--mhe-head product --mhe-groups 8 {_INPUTS}", _SEARCH, True
    ),
}
DEFAULT = ("onehot-tied", "sampling-tied", "cascade-table-tied")
