"""Checkpoints: they are written whole or not at all, and read without running any code in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mhe_nmt.config import with_current_names
from mhe_nmt.files import replacing
from vision_xmc.common.errors import UsageError

FORMAT = 1
LAST, BEST = "last.pt", "best.pt"


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes ``content`` (tensors and plain types) to ``path``."""
    with replacing(path) as partial, partial.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)


def load(path: Path) -> dict[str, Any]:
    """Reads what :func:`save` wrote, tensors on the CPU.

    They are memory-mapped: a process that needs some rows of a large matrix reads only these.

    Raises:
        UsageError: if there is no such file, if it is no checkpoint of this package, or if it holds anything
            but tensors and plain types.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a checkpoint in it, such as {path / BEST}")
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UsageError(f"{path} is not a whole checkpoint of this trainer; use another one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or "model" not in content:
        raise UsageError(f"{path} is not a checkpoint of this trainer (format {FORMAT}); use another one")
    if isinstance(content.get("options"), dict):
        content["options"] = with_current_names(content["options"])
    return content


def load_weights(model: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Puts a checkpoint's weights into ``model``: the averaged ones where there are any.

    Raises:
        UsageError: if they belong to another model.
    """
    weights = dict(content["model"])
    average = content.get("average")
    if average is not None and average["count"]:
        weights |= average["values"]
    load_state(model, weights, path)


def load_state(model: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """``model.load_state_dict``, with one sentence if something does not fit."""
    try:
        model.load_state_dict(weights)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UsageError(f"{path} does not fit this model: {reason}") from error


def named_optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    """The optimizer's state by parameter name, so that it does not depend on the grouping of parameters."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: state for parameter, state in optimizer.state.items()}


def load_named_optimizer_state(
    optimizer: torch.optim.Optimizer, model: nn.Module, stored: dict[str, Any]
) -> None:
    """Restores what :func:`named_optimizer_state` returned. Other parameters start without a state."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    state = optimizer.state_dict()
    ordered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state["state"] = {
        number: stored[names[id(parameter)]]
        for number, parameter in enumerate(ordered)
        if names[id(parameter)] in stored
    }
    optimizer.load_state_dict(state)
