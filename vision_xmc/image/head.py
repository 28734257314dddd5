"""The output head of the image classifier, from the options that all heads have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mhe_nmt import HeadConfig, OutputHead
from mhe_nmt.heads import MultiHead
from mhe_nmt.options import flag_of
from vision_xmc.common.errors import UsageError


def head_config(given: Mapping[str, Any]) -> HeadConfig:
    """The options of the head among those ``given`` on the command line.

    Raises:
        UsageError: for one that belongs to another head.
    """
    try:
        return HeadConfig.from_options(given, flag=flag_of)
    except ValueError as error:
        raise UsageError(str(error)) from error


def build_head(
    config: HeadConfig, in_features: int, num_labels: int, order: Tensor | None = None
) -> OutputHead:
    """The head that ``config`` describes.

    Args:
        config: of the command line.
        in_features: ``d``.
        num_labels: ``V``.
        order: ranks from a checkpoint, instead of those that ``config.label_order`` names.

    Raises:
        UsageError: for options that are out of range or do not belong to this head.
    """
    try:
        return config.build(in_features, num_labels, order=order, flag=flag_of, labels="classes")
    except ValueError as error:
        raise UsageError(str(error)) from error


def described(head: OutputHead) -> str:
    """What the head is, its code included."""
    code = f", radices={list(head.codec.radix_list)}" if isinstance(head, MultiHead) else ""
    return f"{type(head).__name__}({head.extra_repr()}{code})"
