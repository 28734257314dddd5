"""What is measured, the most important first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu import correct, measures
from benchmarks.gpu.device import Budget, Device
from benchmarks.gpu.layers import LAYERS, OURS, PEERS
from benchmarks.gpu.steps import Setting

PARTS = ("correct", "waits", "times")

KEY = ("part", "name", "mode", "labels", "features", "positions")
"""The fields that tell rows apart."""

WAITS = Setting(labels=32_000, features=512, positions=1024)

TIMES = (
    Setting(labels=32_000, features=512, positions=8192),
    Setting(labels=128_000, features=1024, positions=8192),
    Setting(labels=1_000_000, features=512, positions=4096),
    Setting(labels=32_000, features=512, positions=8192, mode="autocast"),
    Setting(labels=128_000, features=4096, positions=8192),
    Setting(labels=32_000, features=4096, positions=8192),
    Setting(labels=256_000, features=4096, positions=8192),
)

_TINY_WAITS = Setting(labels=300, features=32, positions=64)
_TINY_TIMES = (
    Setting(labels=300, features=32, positions=64),
    Setting(labels=700, features=32, positions=64),
    Setting(labels=300, features=32, positions=64, mode="autocast"),
)


@dataclass(frozen=True)
class Cell:
    """A row that is to be measured.

    key: the fields that name it. ours: whether it is wrong if it fails. reserve: seconds that must be left to
    begin it. measure: makes the rest of the row.
    """

    key: dict[str, Any]
    ours: bool
    reserve: float
    measure: Callable[[], dict[str, Any]]

    @property
    def title(self) -> str:
        """The words that name it in messages."""
        key = self.key
        name = LAYERS[key["name"]].words if key["name"] in LAYERS else key["name"]
        size = f", V = {key['labels']:,}, d = {key['features']:,}" if key["part"] == "times" else ""
        return f"{key['part']}: {name}, {key['mode']}{size}"


def cells(device: Device, budget: Budget, *, tiny: bool, parts: tuple[str, ...] = PARTS) -> Iterator[Cell]:
    """All rows, the most important first."""
    if "correct" in parts:
        yield from _correct(device, correct.TINY if tiny else correct.Size())
    if "waits" in parts:
        yield from _waits(device, _TINY_WAITS if tiny else WAITS)
    if "times" in parts:
        yield from _times(device, budget, _TINY_TIMES if tiny else TIMES, seconds=0.01 if tiny else 0.3)


def _correct(device: Device, size: correct.Size) -> Iterator[Cell]:
    def cell(name: str, mode: str) -> Cell:
        key = _key("correct", name, Setting(size.labels, size.features, size.positions, mode))
        return Cell(key, True, 3, lambda: correct.check(name, mode, device, size))

    modes, names = list(correct.MODES), list(correct.heads(size.labels))
    # The mode in which few train comes last.
    yield from (cell(name, mode) for name in names for mode in modes[:-1])
    yield from (cell(name, modes[-1]) for name in names)


def _waits(device: Device, base: Setting) -> Iterator[Cell]:
    def cell(name: str, mode: str) -> Cell:
        setting = Setting(base.labels, base.features, base.positions, mode)
        reserve = 40 if LAYERS[name].compiles else 5
        return Cell(
            _key("waits", name, setting),
            LAYERS[name].ours,
            reserve,
            lambda: measures.waits(name, setting, device),
        )

    yield from (cell(name, mode) for mode in ("bfloat16", "autocast", "float32") for name in OURS)
    yield from (cell(name, "bfloat16") for name in PEERS if not PEERS[name].compiles)


def _times(device: Device, budget: Budget, settings: tuple[Setting, ...], seconds: float) -> Iterator[Cell]:
    def cell(name: str, setting: Setting) -> Cell:
        return Cell(
            _key("times", name, setting),
            LAYERS[name].ours,
            45 if LAYERS[name].compiles else 10,
            lambda: measures.times(name, setting, device, budget, seconds),
        )

    # Compiling takes as long as ten rows: what is compiled comes after the first size, and at the end.
    compiled = [name for name, layer in LAYERS.items() if layer.compiles]
    for setting in settings:
        yield from (cell(name, setting) for name in LAYERS if name not in compiled)
        if setting == settings[0]:
            yield from (cell(name, setting) for name in compiled)
    yield from (cell(name, setting) for setting in settings[1:] for name in compiled)


def _key(part: str, name: str, setting: Setting) -> dict[str, Any]:
    size = (setting.mode, setting.labels, setting.features, setting.positions)
    return dict(zip(KEY, (part, name, *size), strict=True))
