"""The output layers to compare, as options of the plug-in, by the names they have in tables.

All of them share one table among source and target input embeddings, so that only the output layer differs.
"""

from __future__ import annotations

_INPUTS = "--mhe-share-input-embeddings"
_INPUTS_AND_OUTPUT = "--share-all-embeddings"

HEAD_OPTIONS: dict[str, tuple[str, ...]] = {
    "onehot-tied": ("--mhe-head", "onehot", _INPUTS_AND_OUTPUT),
    "onehot": ("--mhe-head", "onehot", _INPUTS),
    "product": ("--mhe-head", "product", _INPUTS),
    "product-8-groups": ("--mhe-head", "product", "--mhe-groups", "8", _INPUTS),
    "cascade-table": ("--mhe-head", "cascade", "--mhe-conditioning", "table", _INPUTS),
    "cascade-table-tied": ("--mhe-head", "cascade", "--mhe-conditioning", "table", _INPUTS_AND_OUTPUT),
    "cascade-digit": ("--mhe-head", "cascade", "--mhe-conditioning", "digit", _INPUTS),
    "sampling-tied": (
        "--mhe-head",
        "sampling",
        "--mhe-sample-fraction",
        "0.25",
        "--mhe-label-order",
        "random",
        _INPUTS_AND_OUTPUT,
    ),
}
