"""The rule for when candidates are not enough, so that decoding scores every label of every row."""

from __future__ import annotations

from typing import Any

from mhe_nmt import CascadeHead, ProductHead

#: On a CUDA device ``--mhe-search auto`` scores every label of a smaller vocabulary. An estimate from the
#: number of kernels of a step, 60 to 100, and the time of a dense one; not yet measured on a GPU.
FEWEST_LABELS_ON_CUDA = 64_000

#: An end-of-sentence symbol with a larger number would need too many columns.
MOST_SPECIAL_COLUMNS = 64


def supports_candidates(head: Any) -> bool:
    """Whether the head finds its best labels without scoring them all."""
    return isinstance(head, CascadeHead) or (isinstance(head, ProductHead) and head.form != "joint")


def reason_for_dense(models: list[Any], options: Any, extra: dict[str, Any], prefix_fn: Any) -> str | None:
    """The model or option for which every label must be scored, or ``None`` if candidates are enough.

    Args:
        models: the fairseq models to decode with.
        options: fairseq's generation options.
        extra: the keyword arguments for the generator that the task was given.
        prefix_fn: fairseq's ``prefix_allowed_tokens_fn``, or ``None``.
    """
    for model in models:
        head = getattr(getattr(model, "decoder", None), "head", None)
        if head is None:
            return f"a model without an MHE head ({type(model).__name__})"
        if not supports_candidates(head):
            form = f" in its {head.form} form" if hasattr(head, "form") else ""
            return f"the head {type(head).__name__}{form}, which finds its best labels only by scoring all"
    if extra.get("lm_model") is not None:
        return "--lm-path: a language model scores all labels"
    if getattr(options, "temperature", 1.0) != 1.0:
        return "--temperature: a temperature other than 1 normalises over all labels"
    if getattr(options, "sampling", False) and getattr(options, "sampling_topk", -1) < 1:
        return "--sampling without --sampling-topk: any label can be drawn"
    if getattr(options, "sampling_topp", -1.0) > 0:
        return "--sampling-topp: the nucleus has no fixed size"
    if getattr(options, "diverse_beam_groups", -1) > 0 and getattr(options, "diverse_beam_strength", 0.5) < 0:
        return "--diverse-beam-strength below 0: any label can be favoured"
    if getattr(options, "constraints", None):
        return "--constraints: any label can be forced"
    if prefix_fn is not None or getattr(options, "prefix_allowed_tokens_fn", None) is not None:
        return "prefix_allowed_tokens_fn: it may allow any label"
    eos = extra.get("eos")
    if eos is not None and eos >= MOST_SPECIAL_COLUMNS:
        return f"end-of-sentence symbol {eos}: only symbols below {MOST_SPECIAL_COLUMNS} have fixed columns"
    return None


def prefers_dense(models: list[Any]) -> str | None:
    """Why ``--mhe-search auto`` scores every label although candidates would do, or ``None``."""
    smallest = min(model.decoder.head.num_labels for model in models)
    on_cuda = all(next(model.parameters()).device.type == "cuda" for model in models)
    if on_cuda and smallest < FEWEST_LABELS_ON_CUDA:
        return (
            f"a vocabulary of {smallest} on a CUDA device, where candidates pay from about "
            f"{FEWEST_LABELS_ON_CUDA} on; --mhe-search candidates takes them all the same"
        )
    return None
