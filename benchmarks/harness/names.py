"""Row ids of output layers, such as `cascade-table-tied-equal-time`, and their words in tables."""

from __future__ import annotations

import re

TIED = "-tied"
"""Part of the ids of output layers whose matrix is the embedding's."""

EQUAL_TIME = "-equal-time"
"""Ends the ids of trainings with as many updates as fit into the full softmax's processor time."""

FULL_SOFTMAX, TIED_SOFTMAX, ADAPTIVE = "onehot", f"onehot{TIED}", "adaptive-softmax"
FAIRSEQ_SOFTMAX = "fairseq-softmax"

# Of two that begin alike the longer one comes first.
_HEADS = {
    FULL_SOFTMAX: "full softmax",
    FAIRSEQ_SOFTMAX: "fairseq's full softmax",
    "partial-fc": "Partial FC",
    ADAPTIVE: "adaptive softmax",
    "sampling": "sampling",
    "cascade-table": "cascade by table",
    "cascade-digit": "cascade by digit",
    "product": "product",
    "arcface": "ArcFace",
    "cosface": "CosFace",
}

_DETAILS = [
    (r"((?:-\d+){2,}?)(?=$|-[a-z]|-\d+-[a-z])", lambda sizes: " × ".join(sizes[1:].split("-"))),
    (r"-bottleneck-(\d+)", "bottleneck of {}"),
    (r"-(\d+)-groups", "{} groups"),
    (r"-(\d+)-prototypes", "{} prototypes"),
    (r"-(\d+)-percent", "{}%"),
    (r"-(\d+)-labels", lambda labels: f"V = {int(labels):,}"),
    (r"-(joint)", "joint form"),
    (r"-(clustered|cells|tied|projection)", "{}"),
    (r"-(torch-chunked)", lambda _: "torch's chunked loss"),
    (r"-(chunked)", "{} loss"),
    (r"-(sampling)", "{}"),
    (r"-(wide-first-head)", "wide first head"),
    (r"-(equal-time)", "equal time"),
]


def in_words(row_id: str) -> str:
    """What a table says of an output layer: `cascade-table-tied` is "cascade by table, tied".

    Raises ValueError for an id that names no output layer.
    """
    head = next((head for head in _HEADS if re.match(rf"{head}(-|$)", row_id)), None)
    if head is None:
        raise ValueError(f"{row_id!r} does not begin with the name of an output layer: {', '.join(_HEADS)}")
    words, rest = [_HEADS[head]], row_id.removeprefix(head)
    while rest:
        for pattern, shown in _DETAILS:
            if match := re.match(rf"{pattern}(?=-|$)", rest):
                words.append(shown(match[1]) if callable(shown) else shown.format(match[1]))
                rest = rest[match.end() :]
                break
        else:
            raise ValueError(f"{row_id!r}: nothing is known of {rest!r} after {', '.join(words)!r}")
    return ", ".join(words)


def without_equal_time(row_id: str) -> str:
    """The output layer of a training, whatever number of updates it has."""
    return row_id.removesuffix(EQUAL_TIME)
