"""Checkpoints load under ``weights_only=True``: only the few globals that fairseq's checkpoints hold."""

from __future__ import annotations

import argparse
import functools
import pickle
from typing import Any

import numpy as np
import torch
from fairseq import checkpoint_utils

from user_dir.errors import UsageError


def allow_fairseq_globals() -> None:
    """Lets ``torch.load`` read fairseq's checkpoints without ``weights_only=False``.

    The options are an ``argparse.Namespace`` of plain values; the figures that ``--eval-bleu`` keeps are
    numpy numbers and arrays. Whatever else a pickle asks for is refused.
    """
    multiarray = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
    numpy_makers = [getattr(multiarray, name) for name in ("_reconstruct", "scalar")]
    torch.serialization.add_safe_globals(
        [
            argparse.Namespace,
            np.ndarray,
            np.dtype,
            *(type(np.dtype(kind)) for kind in "?bhilqBHILQefd"),
            # numpy 2 moved these; a checkpoint names them as the numpy did that wrote it.
            *((maker, f"numpy.core.multiarray.{maker.__name__}") for maker in numpy_makers),
            *((maker, f"numpy._core.multiarray.{maker.__name__}") for maker in numpy_makers),
        ]
    )


def explain_unreadable(path: str, error: BaseException) -> str:
    """One sentence on why the checkpoint at ``path`` could not be read."""
    text = " ".join(str(error).split())
    if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in text:
        wanted = text.split("GLOBAL ", 1)[-1].split(" ", 1)[0]
        return (
            f"{path} holds a pickled {wanted}, which is not among the few types that fairseq's checkpoints "
            "need; it was refused, for loading it could run foreign code"
        )
    return f"{path} is not a readable checkpoint (cut short or of another format): {text[:200]}"


def read_errors_as_sentences() -> None:
    """Wraps fairseq's checkpoint reader so that an unreadable file is named with a reason."""
    original = checkpoint_utils.load_checkpoint_to_cpu
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def load_checkpoint_to_cpu(path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(path, *args, **kwargs)
        except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(explain_unreadable(path, error)) from error

    checkpoint_utils.load_checkpoint_to_cpu = load_checkpoint_to_cpu


def read_in_every_process() -> None:
    """Makes every process of a distributed training read the checkpoint itself.

    By default fairseq reads it once and broadcasts it through ``torch.load`` with its options as an omegaconf
    object, which torch >= 2.6 refuses: no training in several processes could be resumed.
    """
    original = checkpoint_utils.load_checkpoint
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def load_checkpoint(cfg: Any, trainer: Any, **kwargs: Any) -> Any:
        if trainer.data_parallel_world_size > 1:
            cfg.load_checkpoint_on_all_dp_ranks = True
        return original(cfg, trainer, **kwargs)

    checkpoint_utils.load_checkpoint = load_checkpoint


def install() -> None:
    """What the plug-in does to checkpoint loading when it is imported."""
    allow_fairseq_globals()
    read_errors_as_sentences()
    read_in_every_process()
