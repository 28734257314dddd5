"""Checkpoints load under ``weights_only=True``, with only the few globals allowed that fairseq's need."""

from __future__ import annotations

import argparse
import importlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fairseq import checkpoint_utils

from user_dir.errors import UsageError
from user_dir.wrapping import wrap_once


def allow_fairseq_globals() -> None:
    """Lets ``torch.load`` read fairseq's checkpoints without ``weights_only=False``.

    The options are an ``argparse.Namespace`` of plain values; the figures that ``--eval-bleu`` keeps are
    numpy numbers and arrays. Everything else that a pickle asks for is refused.
    """
    multiarray = importlib.import_module(
        "numpy._core.multiarray" if hasattr(np, "_core") else "numpy.core.multiarray"
    )
    numpy_makers = [getattr(multiarray, name) for name in ("_reconstruct", "scalar")]
    torch.serialization.add_safe_globals(
        [
            argparse.Namespace,
            np.ndarray,
            np.dtype,
            *(type(np.dtype(kind)) for kind in "?bhilqBHILQefd"),
            # numpy 2 moved these; a checkpoint uses the name of the numpy version that wrote it.
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
            "need; it was refused because loading it could run foreign code"
        )
    return f"{path} is not a readable checkpoint (cut short or of another format): {text[:200]}"


def name_unreadable_file(original: Callable[..., Any], path: str, *args: Any, **kwargs: Any) -> Any:
    """Makes fairseq's checkpoint reader name an unreadable file and the reason.

    Raises:
        UsageError: if the file is no checkpoint, is cut short, or holds types that are not allowed.
    """
    try:
        state = original(path, *args, **kwargs)
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(explain_unreadable(path, error)) from error
    fill_in_radices(state)
    return state


def fill_in_radices(state: Any) -> None:
    """Writes the radices of a checkpoint's head into its options where these leave them to a default.

    The default of version 0.2 was another one.
    """
    radices = state.get("model", {}).get("decoder.head.codec.radices") if isinstance(state, dict) else None
    if radices is None:
        return
    for options in (state.get("args"), (state.get("cfg") or {}).get("model")):
        if isinstance(options, argparse.Namespace) and getattr(options, "mhe_radices", None) is None:
            options.mhe_radices = ",".join(map(str, radices.tolist()))


def install() -> None:
    """Changes how checkpoints load in this process; calling it again does nothing."""
    allow_fairseq_globals()
    wrap_once(checkpoint_utils, "load_checkpoint_to_cpu", name_unreadable_file)
