"""The Triton grouped product's kernels, compiled for cards that are not there. Run by test_grouped_triton.py.

The whole way of a launch is taken, up to the driver: Triton specialises and compiles each kernel for the card
and refuses one that needs more shared memory than the card has. The launch itself is written down instead.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mhe_nmt.heads.grouped_triton import grouped_forward, grouped_grad_rows, grouped_grad_weight
from mhe_nmt.heads.grouped_triton_kernels import kernels

#: Bytes of shared memory that a block of threads may have (CUDA C++ Programming Guide, compute capabilities).
SHARED_MEMORY = {80: 163 * 1024, 86: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}
Launches = list[tuple[str, tuple[int, ...]]]


class Card:
    """What Triton asks of a driver, for a card of this architecture."""

    def __init__(self, arch: int) -> None:
        self.arch = arch
        self.launches: Launches = []
        self.utils = SimpleNamespace(
            load_binary=lambda *_: (1, 1, 0, 0, 1024),
            unload_module=lambda *_: None,
            get_device_properties=lambda *_: {"max_shared_mem": SHARED_MEMORY[arch]},
        )

    def launcher_cls(self, source: Any, metadata: Any) -> Any:
        return lambda *arguments: self.launches.append((metadata.name, arguments[:3]))

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.arch, 32)

    def get_current_device(self) -> int:
        return self.arch

    def get_current_stream(self, device: int) -> int:
        return 0


CARDS: dict[int, Card] = {}


def step(N: int, P: int, width: int, d: int, weight_dtype: torch.dtype, dtype: torch.dtype) -> None:
    R = P * width
    rows, weight = torch.zeros(N, d, dtype=dtype), torch.zeros(R, d, dtype=weight_dtype)
    ends = torch.zeros(P, dtype=torch.int32)
    grad = grouped_forward(rows, ends, weight, width, dtype)
    grouped_grad_rows(grad, ends, weight, width)
    grouped_grad_weight(grad, ends, rows, width, R, weight_dtype)


def variants() -> int:
    """How many kernels have been compiled."""
    jitted = kernels()
    caches = [kernel.device_caches for kernel in (jitted.tiles, jitted.rows, jitted.weight)]
    return sum(len(compiled) for cache in caches for compiled, *_ in cache.values())


@pytest.fixture
def card(request: pytest.FixtureRequest) -> Card:
    from triton.runtime import driver

    # A compiled kernel keeps the card that it was loaded for.
    card = CARDS.setdefault(request.param, Card(request.param))
    card.launches.clear()
    driver.set_active(card)
    return card


STEP = ["_tiles_kernel", "_rows_kernel", "_tiles_kernel", "_rows_kernel", "_weight_kernel"]


@pytest.mark.parametrize("card", SHARED_MEMORY, indirect=True)
@pytest.mark.parametrize(
    ("weight_dtype", "dtype"),
    [
        (torch.float32, torch.float32),
        (torch.float16, torch.float16),
        (torch.float32, torch.bfloat16),
    ],
)
def test_a_step_compiles(card: Card, weight_dtype: torch.dtype, dtype: torch.dtype) -> None:
    step(8192, 182, 176, 512, weight_dtype, dtype)
    assert [name for name, _ in card.launches] == STEP
    assert all(1 <= grid[0] < 2**31 and grid[1:] == (1, 1) for _, grid in card.launches)


@pytest.mark.parametrize("card", [86], indirect=True)
@pytest.mark.parametrize(("P", "width", "d"), [(8, 256, 512), (179, 179, 500)])
def test_large_and_odd_blocks_fit(card: Card, P: int, width: int, d: int) -> None:
    """On the card with the least shared memory."""
    step(8192, P, width, d, torch.bfloat16, torch.bfloat16)
    assert [name for name, _ in card.launches] == STEP


@pytest.mark.parametrize("card", [90], indirect=True)
def test_other_numbers_of_rows_compile_nothing(card: Card) -> None:
    step(6000, 182, 176, 512, torch.float16, torch.float16)
    before = variants()
    for N in (6001, 7013, 8192, 11648):
        step(N, 182, 176, 512, torch.float16, torch.float16)
    assert variants() == before
    step(300, 182, 176, 512, torch.float16, torch.float16)
    assert variants() > before, "smaller tiles for few rows, so variants are counted"
