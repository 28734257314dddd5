"""Averages the parameters of fairseq checkpoints.

``python -m user_dir.average_checkpoints --inputs RUN --num-epoch-checkpoints 5 --output RUN/average.pt``

The options are those of fairseq's ``scripts/average_checkpoints.py``, which its wheel does not contain.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import torch
from fairseq import checkpoint_utils
from torch import Tensor

import user_dir  # noqa: F401  (makes checkpoints loadable and their errors readable)
from mhe_nmt.files import replacing
from user_dir.errors import UsageError


def average(paths: list[str]) -> dict[str, Any]:
    """The first checkpoint's state, with the mean over all checkpoints for floating-point parameters.

    Sums are taken in float64 and rounded once. Integer buffers, such as radices and label order, must be
    the same in all checkpoints. The optimiser's state is ``None``.

    Raises:
        UsageError: if the checkpoints differ in the names or shapes of parameters, or in their codes.
    """
    state: dict[str, Any] | None = None
    sums: dict[str, Tensor] = {}
    for path in paths:
        loaded = checkpoint_utils.load_checkpoint_to_cpu(path)
        model = loaded["model"]
        if state is None:
            state = loaded
            sums = {name: _widened(value) for name, value in model.items()}
            continue
        if model.keys() != sums.keys():
            odd = sorted(model.keys() ^ sums.keys())[0]
            raise UsageError(f"{path} and {paths[0]} hold different models: only one of them has {odd}")
        for name, value in model.items():
            if value.shape != sums[name].shape:
                raise UsageError(
                    f"{path} and {paths[0]} hold different models: {name} has shape {tuple(value.shape)} "
                    f"in one and {tuple(sums[name].shape)} in the other"
                )
            if value.is_floating_point():
                sums[name] += value
            elif not torch.equal(value, sums[name]):
                raise UsageError(f"{path} and {paths[0]} differ in {name}: they use different codes")
    assert state is not None
    for name, value in state["model"].items():
        if value.is_floating_point():
            state["model"][name] = (sums[name] / len(paths)).to(value.dtype)
    # A mean of parameters has no optimiser state; leaving one in would invite resuming from it.
    state["last_optimizer_state"] = None
    return state


def _widened(value: Tensor) -> Tensor:
    return value.to(torch.float64) if value.is_floating_point() else value


def find_inputs(inputs: list[str], epochs: int | None, updates: int | None, upper: int | None) -> list[str]:
    """The checkpoint files to average: the named ones, or the last ones in a run folder.

    Args:
        inputs: checkpoint files, or one run folder if ``epochs`` or ``updates`` is given.
        epochs: how many checkpoints of the last epochs to take.
        updates: how many checkpoints of the last updates to take.
        upper: the last epoch or update that may be taken.

    Raises:
        UsageError: if a file is missing or the folder holds too few checkpoints.
    """
    if epochs is None and updates is None:
        if upper is not None:
            raise UsageError(
                "--checkpoint-upper-bound needs --num-epoch-checkpoints or --num-update-checkpoints; "
                "leave it out if --inputs names the files"
            )
        missing = [path for path in inputs if not os.path.isfile(path)]
        if missing:
            raise UsageError(f"no checkpoint at {missing[0]}")
        return inputs
    if len(inputs) != 1 or not os.path.isdir(inputs[0]):
        raise UsageError(
            "--num-epoch-checkpoints and --num-update-checkpoints take one run folder in --inputs, "
            f"but it names {' '.join(inputs)}"
        )
    pattern = r"checkpoint(\d+)\.pt" if updates is None else r"checkpoint_\d+_(\d+)\.pt"
    newest_first = checkpoint_utils.checkpoint_paths(inputs[0], pattern=pattern, keep_match=True)
    kept = [path for path, number in newest_first if upper is None or number <= upper]
    wanted = epochs if updates is None else updates
    assert wanted is not None
    if wanted < 1 or len(kept) < wanted:
        raise UsageError(
            f"{inputs[0]} holds {len(kept)} checkpoints to choose from, but {wanted} were asked for; ask for "
            "fewer, or train without --no-epoch-checkpoints or with --save-interval-updates"
        )
    return kept[:wanted]


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m user_dir.average_checkpoints", description="average fairseq checkpoints"
    )
    parser.add_argument("--inputs", nargs="+", required=True, help="checkpoint files, or one run folder")
    parser.add_argument("--output", required=True, metavar="FILE", help="where to write the average")
    last = parser.add_mutually_exclusive_group()
    last.add_argument(
        "--num-epoch-checkpoints", type=int, metavar="N", help="average the last N epochs of the folder"
    )
    last.add_argument(
        "--num-update-checkpoints", type=int, metavar="N", help="average the last N checkpoint_E_U.pt"
    )
    parser.add_argument(
        "--checkpoint-upper-bound", type=int, metavar="N", help="use no checkpoint after epoch or update N"
    )
    options = parser.parse_args(arguments)
    paths = find_inputs(
        options.inputs,
        options.num_epoch_checkpoints,
        options.num_update_checkpoints,
        options.checkpoint_upper_bound,
    )
    state = average(paths)
    os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
    state["cfg"] = checkpoint_utils.OmegaConf.to_container(state["cfg"]) if state.get("cfg") else None
    with replacing(options.output) as partial:
        torch.save(state, partial)
    print(f"averaged {len(paths)} checkpoints into {options.output}:", *paths, sep="\n  ")


if __name__ == "__main__":
    main()
