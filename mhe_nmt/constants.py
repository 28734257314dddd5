"""Small tensors that depend on sizes alone, made once per device."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


class Constants:
    """A cache of tensors; what is in it is never changed in place.

    It is no buffer, so that it is neither saved nor left without values on a device to which a module is
    moved empty.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Hashable, torch.device], Tensor] = {}

    def get(self, key: Hashable, device: torch.device, make: Callable[[torch.device], Tensor]) -> Tensor:
        """The tensor of that name on ``device``, made by ``make(device)`` where it is not there yet."""
        if torch.compiler.is_compiling():
            return make(device)
        made = self._made.get((key, device))
        if made is None:
            # Autograd must be able to save it, whatever mode the first call has.
            with torch.inference_mode(False), torch.no_grad():
                made = make(device)
            if not isinstance(made, FakeTensor):
                self._made[key, device] = made
        return made

    def arange(self, count: int, device: torch.device) -> Tensor:
        """``0 … count - 1``, int64."""
        return self.get(("arange", count), device, lambda device: torch.arange(count, device=device))

    def __deepcopy__(self, memo: object) -> Constants:
        return Constants()

    def __reduce__(self) -> tuple[type[Constants], tuple[()]]:
        return Constants, ()
