"""The device that is checked: a CUDA device, or the CPU, which runs the same code at tiny sizes."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch

import mhe_nmt

#: What torch says where the host waits. It also says "synchronizing" once of the mode itself.
_WARNING = "called a synchronizing"
_LAUNCHES = ("cudaLaunch", "cuLaunch", "hipLaunch", "hipModuleLaunch", "hipExtModuleLaunch")
_FOLDERS = (
    f"{Path(mhe_nmt.__file__).parent.parent}{os.sep}",
    f"{Path(torch.__file__).parent.parent}{os.sep}",
)


class Device:
    """What the checks need of a device: waiting, peak memory, and what makes the host wait."""

    def __init__(self) -> None:
        self.type = "cuda" if torch.cuda.is_available() else "cpu"
        self.is_cuda = self.type == "cuda"

    def wait(self) -> None:
        """Returns when everything that was launched has ended."""
        if self.is_cuda:
            torch.cuda.synchronize()

    def free(self) -> None:
        """Gives unused memory back, so that one layer's does not count for the next."""
        if self.is_cuda:
            gc.collect()
            torch.cuda.empty_cache()

    def peak_mb(self, call: Callable[[], Any]) -> float | None:
        """The largest growth of the allocated memory during a call in MB; None on the CPU."""
        if not self.is_cuda:
            call()
            return None
        self.wait()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        self.wait()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    def waits(self, call: Callable[[], Any]) -> Counter[str] | None:
        """How often a call makes the host wait for the device, by the place that does; None on the CPU."""
        if not self.is_cuda:
            call()
            return None
        return waits_of(call)

    def launches(self, call: Callable[[], Any]) -> int | None:
        """How many kernels a call launches; None on the CPU, or where the profiler cannot see them."""
        if not self.is_cuda:
            return None
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        try:
            with torch.profiler.profile(activities=activities) as profile:
                call()
                self.wait()
            counts = {event.key: event.count for event in profile.key_averages()}
        except Exception:
            # Profilers fail in many ways, such as for lack of rights; a count is not worth a row.
            return None
        launches = sum(count for name, count in counts.items() if name.startswith(_LAUNCHES))
        return launches or None

    def surroundings(self) -> dict[str, Any]:
        """The part of a row that names the device, the versions and the code that was measured."""
        found: dict[str, Any] = {"device": "CPU", "torch": torch.__version__, "code": code()}
        if self.is_cuda:
            properties = torch.cuda.get_device_properties(torch.cuda.current_device())
            found["device"] = properties.name
            found["capability"] = f"{properties.major}.{properties.minor}"
            found["memory_gb"] = round(properties.total_memory / 2**30)
            found["cuda"] = torch.version.cuda
        return found


def waits_of(call: Callable[[], Any]) -> Counter[str]:
    """How often torch warns of a synchronising operation during a call, by the place that caused it."""
    places: Counter[str] = Counter()

    def note(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if _WARNING in str(message):
            places[_place(filename, lineno)] += 1

    with warnings.catch_warnings(), _printed() as lines:
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    # Threads without Python print what they warn of.
    printed = sum(_WARNING in line for line in lines)
    return places + Counter({"a thread of torch": printed})


@contextmanager
def _printed() -> Iterator[list[str]]:
    """Gives the lines that are printed to the process's standard error meanwhile, when it is over."""
    lines: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()
    for line in lines:
        if _WARNING not in line:
            print(line, file=sys.stderr)


def _place(file: str, line: int) -> str:
    """The innermost line of this project among the callers; without one, what the warning names."""
    own = str(Path(mhe_nmt.__file__).parent)
    stack = traceback.extract_stack()
    found = next((frame for frame in reversed(stack) if frame.filename.startswith(own)), None)
    if found is not None:
        file, line = found.filename, found.lineno or 0
    for folder in _FOLDERS:
        file = file.removeprefix(folder)
    return f"{file}:{line}"


def code() -> str:
    """A short hash of the heads' sources: rows of other code are measured again."""
    folder = Path(mhe_nmt.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


class Budget:
    """The seconds that a command may take, counted from its start."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        return self._ends - time.monotonic()
