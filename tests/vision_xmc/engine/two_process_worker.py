"""Trainings of the toy task in every process that ``torchrun`` starts.

``two_process_worker.py FOLDER`` does all jobs and the runs of a head that remembers; ``two_process_worker.py
FOLDER JOB...`` does these jobs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState

from mhe_nmt.options import as_plain
from tests.vision_xmc.engine.sharded_task import ShardedTask
from tests.vision_xmc.engine.toy_task import PointTask, options
from vision_xmc.engine.distributed import start
from vision_xmc.engine.loop import Loop
from vision_xmc.engine.options import LoopOptions
from vision_xmc.engine.task import Task

#: Task and training of each job. 41 examples in batches of 10 end in a batch of one.
JOBS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "product": ({}, {"clip_norm": 0.5}),
    "one-left": ({"train": 41, "head": "cascade"}, {"optimizer": "adamw", "lr": 0.01}),
    "ema": ({"head": "product", "groups": 3}, {"average": "ema", "accumulate": 2}),
    "swa": ({"head": "onehot"}, {"average": "swa", "swa_start": 0.2, "log_steps": 4}),
    "sharded": ({}, {"average": "ema", "clip_norm": 0.5, "epochs": 2}),
    "sharded-adamw": ({}, {"optimizer": "adamw", "lr": 0.01, "schedule": "constant", "max_steps": 6}),
    "resumed": ({}, {"schedule": "constant", "max_steps": 13, "save_steps": 1}),
}
#: A head that draws blocks by what it saw before; no job, for its draws depend on the process.
SAMPLING: dict[str, Any] = {"head": "sampling", "radices": (6, 2), "sample_fraction": 0.3}


def make_task(name: str) -> Task:
    """The task of a job."""
    return ShardedTask() if name.startswith("sharded") else PointTask(**JOBS[name][0])


def main(folder: Path, *jobs: str) -> None:
    torch.set_num_threads(1)
    for name in jobs or JOBS:
        _fit(make_task(name), options(folder / name, **JOBS[name][1]))
    for name, steps in () if jobs else (("whole", 13), ("broken", 8), ("broken", 13)):
        _fit(PointTask(**SAMPLING), options(folder / name, schedule="constant", max_steps=steps))
    AcceleratorState._reset_state(reset_partial_state=True)


def _fit(task: Task, chosen: LoopOptions) -> None:
    # All accelerators share the process group, so that only the last one may close it.
    Loop(task, chosen, start(chosen), as_plain(chosen)).fit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
