"""The ``--mhe-*`` options, and the head that they describe."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import logging
import os
from typing import Any, cast

from torch import nn

from mhe_nmt import HeadConfig, OutputHead
from mhe_nmt.config import add_head_flags, option_names
from mhe_nmt.options import flag_of
from mhe_nmt.order import IDENTITY, ORDER_NAMES
from user_dir.errors import UsageError
from user_dir.optim.sparse_rows import has_label_matrix, wants_sparse_rows

logger = logging.getLogger(__name__)

_SYMBOLS = "symbols in the target dictionary, special ones included"


def add_head_options(parser: argparse.ArgumentParser) -> None:
    """Adds the ``--mhe-*`` options; fairseq would reroute names that begin ``decoder`` or ``encoder``.

    Label smoothing is an option of the criterion.
    """
    add_head_flags(parser, "mhe", leave_out=("label_smoothing",))
    parser.add_argument(
        "--mhe-share-input-embeddings",
        action="store_true",
        default=False,
        help="one table for source and target input embeddings (needs a joined dictionary); unlike "
        "--share-all-embeddings it leaves the output layer alone",
    )


def head_config(cfg: Any) -> HeadConfig:
    """The head's options among fairseq's, those of older checkpoints included.

    Raises:
        UsageError: if the radices are no integers, or an option belongs to another head.
    """
    options = {f"mhe_{name}": getattr(cfg, f"mhe_{name}", None) for name in option_names()}
    radices = options.get("mhe_radices")
    if isinstance(radices, str):
        options["mhe_radices"] = _parse_radices(radices)
    try:
        return HeadConfig.from_options(options, prefix="mhe_", flag=_flag)
    except ValueError as error:
        raise UsageError(str(error)) from error


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
    config = head_config(cfg)
    # At inference both are fairseq's own output projection, which has no bias.
    keywords: dict[str, Any] = {"bias": False} if config.head in ("onehot", "sampling") else {}
    if wants_sparse_rows(cfg) and has_label_matrix(config):
        keywords["sparse"] = True
    if order_comes_from_checkpoint(cfg):
        config = dataclasses.replace(config, label_order=IDENTITY)
    elif config.label_order not in ORDER_NAMES and os.path.isfile(config.label_order):
        # A trained model must not depend on the file that it was trained with: the digest travels in the
        # checkpoint's options, and where the file has gone since, the order in the checkpoint is used.
        cfg.mhe_label_order_sha256 = _digest(config.label_order)
    try:
        head = config.build(
            in_features,
            len(dictionary),
            flag=_flag,
            labels=_SYMBOLS,
            ignore_index=dictionary.pad(),
            **keywords,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    if cfg.share_decoder_input_output_embed:
        _tie(head, config.head, embed_tokens)
    parameters = sum(parameter.numel() for parameter in unshared_parameters(head, embed_tokens))
    logger.info(
        f"output layer: {head.__class__.__name__}({head.extra_repr()}), {parameters:,} parameters of its own"
    )
    return head


def unshared_parameters(head: nn.Module, embed_tokens: nn.Module) -> list[nn.Parameter]:
    """The head's parameters that are not the embedding's."""
    shared = {id(parameter) for parameter in embed_tokens.parameters()}
    return [parameter for parameter in head.parameters() if id(parameter) not in shared]


def order_comes_from_checkpoint(cfg: Any) -> bool:
    """Whether the model is built without its label order, because the order file is no longer there."""
    spec = head_config(cfg).label_order
    known = getattr(cfg, "mhe_label_order_sha256", None)
    return spec not in ORDER_NAMES and bool(known) and not os.path.isfile(spec)


def _flag(name: str) -> str:
    return flag_of(f"mhe_{name}")


def _parse_radices(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--mhe-radices {text!r}: give integers separated by commas, as in 90,90") from None


def _digest(path: str) -> str:
    """SHA-256 of the file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tie(head: OutputHead, name: str, embed_tokens: nn.Module) -> None:
    if not isinstance(embed_tokens, nn.Embedding):
        raise UsageError(
            f"the output layer cannot be tied to a {type(embed_tokens).__name__}; leave the sharing flags out"
        )
    try:
        head.tie_weight(cast(nn.Parameter, embed_tokens.weight))
    except ValueError as error:
        raise UsageError(
            f"--mhe-head {name} cannot share the decoder's embedding ({error}); leave out "
            "--share-all-embeddings and --share-decoder-input-output-embed, or use "
            "--mhe-share-input-embeddings to share the input embeddings alone"
        ) from error
