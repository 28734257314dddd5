"""The processes of one training: how they start, their random numbers, and sums over all of them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, gather_object, set_seed
from torch import nn

from vision_xmc.common.errors import UsageError
from vision_xmc.engine.options import LoopOptions


def start(options: LoopOptions) -> Accelerator:
    """Joins the other processes of ``torchrun`` or ``accelerate launch``, if any, and seeds everything.

    Raises:
        UsageError: if the device lacks the precision, or TensorBoard is missing.
    """
    # Without a GPU, Accelerate reads torchrun's variables only if it is told to use the CPU.
    cpu = options.device == "cpu" or not torch.cuda.is_available()
    if cpu and options.precision == "fp16":
        raise UsageError("--precision fp16 needs a GPU; use bf16 or no")
    if options.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs the package tensorboard: pip install tensorboard")
    if options.deterministic:
        # cuBLAS reads this when it starts. Without it, some matrix products are not repeatable.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    else:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark = True
    accelerator = Accelerator(
        mixed_precision=options.precision,
        cpu=cpu,
        log_with="tensorboard" if options.tensorboard else None,
        project_dir=options.output,
    )
    set_seed(options.seed)
    return accelerator


def finish(accelerator: Accelerator) -> None:
    """Closes the trackers and resets Accelerate's state, so that another training can start."""
    accelerator.end_training()
    AcceleratorState._reset_state(reset_partial_state=True)


def seed_update(seed: int, update: int, rank: int) -> None:
    """Seeds torch for one update of one process.

    So dropout, mixup and the draws of sampling heads are functions of the seed, the update and the process. A
    resumed run repeats them without any state to restore.
    """
    state = np.random.SeedSequence((seed, update, rank)).generate_state(2, np.uint32)
    torch.manual_seed(int(state[0]) << 32 | int(state[1]))


def sum_over_processes(accelerator: Accelerator, local: Mapping[str, float]) -> dict[str, float]:
    """Sums by name, equal on every process; a process may lack names that others have."""
    parts: list[Any] = [dict(local)]
    if accelerator.num_processes > 1:
        parts = gather_object(parts)
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def share_buffers(accelerator: Accelerator, model: nn.Module) -> None:
    """Copies the first process's floating-point buffers to all; batch-norm statistics differ between them."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(broadcast(buffer.detach().clone()))
