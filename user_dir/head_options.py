"""The --mhe-* options, and the head that they describe."""

from __future__ import annotations

import argparse
import logging
import os
from typing import Any

from torch import nn

from mhe_nmt import HEADS, OutputHead, build_head
from user_dir.errors import UsageError
from user_dir.label_order import ORDERS_BY_NAME, file_digest, label_order

logger = logging.getLogger(__name__)

#: Options that some heads read: attribute, its default, the heads, their keyword.
_OPTIONS_OF_SOME_HEADS = (
    ("mhe_groups", 1, ("product",), "groups"),
    ("mhe_group_form", "mixture", ("product",), "form"),
    ("mhe_conditioning", "table", ("cascade",), "conditioning"),
    ("mhe_hidden_dim", None, ("cascade",), "hidden_features"),
    ("mhe_prototypes", 1, ("cascade",), "prototypes"),
    ("mhe_projection", False, ("onehot", "sampling", "cascade"), "projection"),
    ("mhe_sample_fraction", 0.25, ("sampling",), "sample_fraction"),
    ("mhe_sample_by", "counts", ("sampling",), "draw"),
    ("mhe_sample_beside", "targets", ("sampling",), "exact"),
    ("mhe_sample_unit", "label", ("sampling",), "unit"),
)


def add_head_options(parser: argparse.ArgumentParser) -> None:
    """Adds the ``--mhe-*`` options; fairseq would reroute names that begin ``decoder`` or ``encoder``."""
    add = parser.add_argument
    # fmt: off
    add("--mhe-head", choices=list(HEADS), default="cascade",
        help="output layer: the full softmax or one of the multi-head layers")
    add("--mhe-radices", metavar="B1,B2,...", default=None,
        help="sizes of the heads; their product must cover the target dictionary (default: near-equal)")
    add("--mhe-num-heads", type=int, metavar="H", default=2,
        help="number of heads where --mhe-radices is not given")
    add("--mhe-groups", type=int, metavar="G", default=None,
        help="product: number of groups, 1 for the plain product (default: 1)")
    add("--mhe-group-form", choices=["mixture", "joint"], default=None,
        help="product with groups: a mixture, or the paper's joint softmax (V-wide) (default: mixture)")
    add("--mhe-conditioning", choices=["table", "digit"], default=None,
        help="cascade: own weights a prefix (V x d, can be tied), or shared weights that see the earlier "
             "digits through embeddings (default: table)")
    add("--mhe-hidden-dim", type=int, metavar="M", default=None,
        help="cascade with digit conditioning: hidden features (default: the decoder's output size)")
    add("--mhe-prototypes", type=int, metavar="J", default=None,
        help="cascade: weight vectors of each first digit, joined by log-sum-exp (default: 1)")
    add("--mhe-projection", action="store_true", default=None,
        help="onehot, sampling, cascade with tables: the matrix with a row a symbol reads the decoder's "
             "output through a d x d matrix, which helps where it is tied to the embedding")
    add("--mhe-sample-fraction", type=float, metavar="F", default=None,
        help="sampling: share of the blocks drawn a step (default: 0.25)")
    add("--mhe-sample-by", choices=["counts", "uniform"], default=None,
        help="sampling: draw blocks by how often their symbols were targets so far, or all alike as in the "
             "paper (default: counts)")
    add("--mhe-sample-beside", choices=["targets", "block"], default=None,
        help="sampling: what is in each step beside the draw, the batch's target symbols, or each position's "
             "own block as in the paper (default: targets)")
    add("--mhe-sample-unit", choices=["label", "block"], default=None,
        help="sampling: draw single symbols, or blocks of them as in the paper (default: label)")
    add("--mhe-label-order", metavar="dictionary|random|PATH", default="dictionary",
        help="ranks of the target symbols: the dictionary's, a random permutation, or a file with one rank a "
             "line (default: dictionary)")
    add("--mhe-order-seed", type=int, metavar="N", default=1,
        help="seed of --mhe-label-order random (default: 1)")
    add("--mhe-share-input-embeddings", action="store_true", default=False,
        help="one table for source and target input embeddings (needs a joined dictionary); unlike "
             "--share-all-embeddings it leaves the output layer alone")
    # fmt: on


def build_decoder_head(cfg: Any, in_features: int, dictionary: Any, embed_tokens: nn.Module) -> OutputHead:
    """The output head that ``cfg`` describes, tied to ``embed_tokens`` where the sharing flags ask for it.

    Args:
        cfg: fairseq's transformer configuration with the ``mhe_*`` options as attributes.
        in_features: the decoder's output size.
        dictionary: the target dictionary.
        embed_tokens: the decoder's input embedding.

    Raises:
        UsageError: for options that are out of range, do not belong to this head or cannot be tied.
    """
    name = getattr(cfg, "mhe_head", "cascade")
    options = _head_options(cfg, name, len(dictionary))
    try:
        head = build_head(name, in_features, len(dictionary), ignore_index=dictionary.pad(), **options)
    except ValueError as error:
        raise UsageError(f"--mhe-head {name}: {error}") from error
    if cfg.share_decoder_input_output_embed:
        _tie(head, name, embed_tokens)
    own = sum(parameter.numel() for parameter in own_parameters(head, embed_tokens))
    logger.info(f"output layer: {head.__class__.__name__}({head.extra_repr()}), {own:,} own parameters")
    return head


def own_parameters(head: nn.Module, embed_tokens: nn.Module) -> list[nn.Parameter]:
    """The head's parameters that are not the embedding's."""
    shared = {id(parameter) for parameter in embed_tokens.parameters()}
    return [parameter for parameter in head.parameters() if id(parameter) not in shared]


def _head_options(cfg: Any, name: str, num_labels: int) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for attribute, default, heads, keyword in _OPTIONS_OF_SOME_HEADS:
        value = getattr(cfg, attribute, None)
        if name in heads:
            options[keyword] = default if value is None else value
        elif value is not None:
            flag = "--" + attribute.replace("_", "-")
            raise UsageError(
                f"{flag} belongs to --mhe-head {' or '.join(heads)}, not to --mhe-head {name}; leave it out"
            )
    radices = getattr(cfg, "mhe_radices", None)
    order = getattr(cfg, "mhe_label_order", "dictionary")
    if name == "onehot":
        if radices is not None or order != "dictionary":
            raise UsageError(
                "--mhe-head onehot has one head and no digits; leave out --mhe-radices and --mhe-label-order"
            )
    else:
        options["radices"] = None if radices is None else _parse_radices(radices)
        options["num_heads"] = getattr(cfg, "mhe_num_heads", 2)
        options["order"] = _order(cfg, order, num_labels)
    if name in ("onehot", "sampling"):
        # At inference both are fairseq's own output projection, which has no bias.
        options["bias"] = False
    return options


def _parse_radices(text: Any) -> list[int]:
    try:
        return [int(part) for part in str(text).split(",")]
    except ValueError:
        raise UsageError(f"--mhe-radices {text!r}: give integers with commas between, as in 90,90") from None


def _order(cfg: Any, spec: str, num_labels: int) -> Any:
    """Ranks, or ``None``: the dictionary's order, or that a checkpoint is about to bring them.

    A trained model must not depend on the order file that it was trained with, so the file's digest is kept
    in the checkpoint's options; where the file has gone since, the order in the checkpoint is used.
    """
    if spec not in ORDERS_BY_NAME:
        if os.path.isfile(spec):
            cfg.mhe_label_order_sha256 = file_digest(spec)
        elif getattr(cfg, "mhe_label_order_sha256", None):
            return None
    return label_order(spec, num_labels, getattr(cfg, "mhe_order_seed", 1))


def order_comes_from_checkpoint(cfg: Any) -> bool:
    """Whether the model was built without its label order, because the order file is no longer there."""
    spec = getattr(cfg, "mhe_label_order", "dictionary")
    known = getattr(cfg, "mhe_label_order_sha256", None)
    return spec not in ORDERS_BY_NAME and bool(known) and not os.path.isfile(spec)


def _tie(head: OutputHead, name: str, embed_tokens: nn.Module) -> None:
    if not isinstance(embed_tokens, nn.Embedding):
        raise UsageError(
            f"the output layer cannot be tied to a {type(embed_tokens).__name__}; leave the sharing flags out"
        )
    try:
        head.tie_weight(embed_tokens.weight)
    except ValueError as error:
        raise UsageError(
            f"--mhe-head {name} cannot share the decoder's embedding ({error}); leave out "
            "--share-all-embeddings and --share-decoder-input-output-embed, or use "
            "--mhe-share-input-embeddings to share the input embeddings alone"
        ) from error
