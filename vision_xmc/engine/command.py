"""What the commands of all trainers do: from the options of a command to a finished training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from mhe_nmt.options import as_plain, fixed_names
from vision_xmc.engine.distributed import finish, start
from vision_xmc.engine.loop import Loop
from vision_xmc.engine.options import LoopOptions
from vision_xmc.engine.task import Task

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What a subject makes of its options.

    Attributes:
        task: what is trained.
        introduction: lines about the data and the model, printed before the training.
        write: writes what else the folder of the run needs, such as the labels; called on the first process,
            once the folder is known to be free.
    """

    task: Task
    introduction: Sequence[str]
    write: Callable[[Path], None] | None = None


def train(
    groups: Sequence[Any], options: LoopOptions, prepare: Callable[[Accelerator, Say], Prepared]
) -> None:
    """Joins the other processes, prepares the task, trains it, and closes what was opened.

    Args:
        groups: option dataclasses of the subject, filled in. Checkpoints hold them along with ``options``.
        options: of the loop.
        prepare: loads the data and builds the model. It gets this process's accelerator, and a function that
            prints a line on the first process only.

    Raises:
        UsageError: for options, data or a folder that do not fit.
    """
    accelerator = start(options)
    say = say_on_first(accelerator)
    prepared = prepare(accelerator, say)
    for line in prepared.introduction:
        say(line)
    say(f"processes: {accelerator.num_processes}, on {accelerator.device.type}; output: {options.output}")
    chosen = (*groups, options)
    fixed = fixed_names(*(type(group) for group in chosen))
    loop = Loop(prepared.task, options, accelerator, as_plain(*chosen), fixed)
    if prepared.write is not None and accelerator.is_main_process:
        prepared.write(options.output)
    loop.fit()
    finish(accelerator)


def say_on_first(accelerator: Accelerator) -> Say:
    """A function that prints a line on the first process and does nothing on the others."""
    return lambda text: print(text, flush=True) if accelerator.is_main_process else None
