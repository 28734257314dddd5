"""Learned and random augmentation policies, by kornia."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from vision_xmc.common.errors import UsageError

POLICIES = ("none", "autoaugment", "randaugment", "trivialaugment")


class Policy:
    """One of kornia's policies on a single image, with random numbers from a numpy generator.

    Args:
        name: ``"autoaugment"`` (CIFAR's or ImageNet's), ``"randaugment"`` or ``"trivialaugment"``.
        imagenet: for ``"autoaugment"``, the policy learned on ImageNet instead of CIFAR-10.
        operations, magnitude: of ``"randaugment"``; the magnitude is from 1 to 29.

    Raises:
        UsageError: if kornia is not installed, or the magnitude is out of range.
    """

    def __init__(self, name: str, *, imagenet: bool = False, operations: int = 2, magnitude: int = 9) -> None:
        try:
            from kornia.augmentation import auto
        except ImportError:
            raise UsageError(f"--policy {name} needs kornia: pip install kornia") from None
        self._policy: nn.Module
        if name == "autoaugment":
            self._policy = auto.AutoAugment("imagenet" if imagenet else "cifar10")
        elif name == "randaugment":
            try:
                self._policy = auto.RandAugment(n=operations, m=magnitude)
            except ValueError as error:
                raise UsageError(f"--policy randaugment: {error}") from None
        else:
            self._policy = auto.TrivialAugment()

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """``(height, width, 3)`` uint8 to the same."""
        batch = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).unsqueeze(0).float() / 255
        # kornia draws from torch's global generator.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(int(rng.integers(2**63)))
            changed = self._policy(batch)
        changed = (changed.clamp(0, 1) * 255).round().to(torch.uint8)
        return changed.squeeze(0).permute(1, 2, 0).numpy()
