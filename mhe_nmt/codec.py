"""Labels as tuples of digits: the mixed-radix code of Multi-Head Encoding.

Source: Liang et al., "Multi-Head Encoding for Extreme Label Classification", arXiv 2412.10182, section 3
(label decomposition). The permutation in front of the code and the rule that unused codes form one tail
are ours; the exact algorithms of :mod:`mhe_nmt.topk` and of the heads rest on that rule.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mhe_nmt import waiting
from mhe_nmt.constants import Constants
from mhe_nmt.radices import balanced_radices


def _checked_radices(num_labels: int, radices: Sequence[int]) -> tuple[int, ...]:
    try:
        checked = tuple(operator.index(radix) for radix in radices)
    except TypeError:
        raise ValueError(f"radices must be integers, got {list(radices)}") from None
    if len(checked) < 2:
        raise ValueError(f"a multi-head code needs at least 2 radices, got {list(checked)}")
    if min(checked) < 2:
        raise ValueError(f"every radix must be at least 2, got {list(checked)}")
    if math.prod(checked) < num_labels:
        raise ValueError(
            f"radices {list(checked)} give {math.prod(checked)} codes, too few for {num_labels} labels; "
            f"their product must be at least the number of labels, for example "
            f"{list(balanced_radices(num_labels, 2))}"
        )
    return checked


def _checked_order(num_labels: int, order: Sequence[int] | Tensor | None) -> np.ndarray | None:
    """The ranks, int64, or ``None`` for the identity.

    They are looked at by numpy, because a module may be built on a device where tensors have no values.
    """
    if order is None:
        return None
    if isinstance(order, Tensor):
        if order.is_meta:
            raise ValueError("the label order has no values on the meta device; make it on the CPU")
        if order.is_floating_point() or order.is_complex() or order.dtype == torch.bool:
            raise ValueError(f"the label order must hold integers, got {order.dtype}")
        given = order.detach().cpu().numpy()
    else:
        given = np.asarray(order)
        if given.dtype.kind not in "iu":
            raise ValueError(f"the label order must hold integers, got {given.dtype}")
    ranks = given.astype(np.int64)  # a copy
    if ranks.shape != (num_labels,):
        raise ValueError(
            f"the label order must list one rank for each of the {num_labels} labels, got shape {ranks.shape}"
        )
    identity = np.arange(num_labels)
    if not np.array_equal(np.sort(ranks), identity):
        raise ValueError(
            f"the label order is not a permutation of 0 to {num_labels - 1}: "
            "a rank is missing, repeated or out of range"
        )
    return None if np.array_equal(ranks, identity) else ranks


def check_labels(labels: Tensor, num_labels: int) -> None:
    """Refuses labels outside ``[0, num_labels)``, on CPU only: elsewhere, and in a graph, it would wait.

    Raises:
        ValueError: naming the first offending value.
    """
    if waiting.may_wait(labels) and labels.numel():
        low, high = (int(extreme) for extreme in labels.aminmax())
        if low < 0 or high >= num_labels:
            raise ValueError(f"label {low if low < 0 else high} is outside [0, {num_labels})")


class LabelCodec(nn.Module):
    r"""Maps labels to digits and back.

    Label ``y`` has rank ``r = order[y]`` and digits ``d_h = (r // prod_{j>h} b_j) mod b_h`` for
    ``h = 1 … H``. Ranks ``V … prod(b) - 1`` are *unused codes*; because the order is a permutation of
    ``0 … V - 1`` they are always the contiguous tail of the code space.

    The radices and the order are int64 buffers: they travel in the state dict, keep their type under
    ``.half()``, and a state dict of another code is refused.

    Args:
        num_labels: number of labels ``V``, at least 2.
        radices: ``b_1 … b_H``, each at least 2, product at least ``V``. Default: :func:`balanced_radices`.
        num_heads: ``H``, read only where ``radices`` is not given.
        order: ``order[label] = rank``, a permutation of ``0 … V - 1``. Default: the identity.

    Raises:
        ValueError: if the radices do not cover the labels, one is below 2, there are fewer than two, or the
            order is not a permutation.
    """

    radices: Tensor
    order: Tensor
    labels_by_rank: Tensor

    def __init__(
        self,
        num_labels: int,
        radices: Sequence[int] | None = None,
        *,
        num_heads: int = 2,
        order: Sequence[int] | Tensor | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if num_labels < 2:
            raise ValueError(f"num_labels must be at least 2, got {num_labels}")
        if radices is None:
            radices = balanced_radices(num_labels, num_heads)
        self.num_labels = int(num_labels)
        self.radix_list = _checked_radices(num_labels, radices)
        self.num_heads = len(self.radix_list)
        #: ``strides[h]`` = product of the radices after ``h``: the weight of digit ``h`` in the rank.
        self.strides = tuple(math.prod(self.radix_list[h + 1 :]) for h in range(self.num_heads))
        #: ``prefix_counts[h]`` = number of used prefixes ``(d_1 … d_{h+1})``; the last entry is ``V``.
        self.prefix_counts = tuple(-(-self.num_labels // stride) for stride in self.strides)
        self.is_full = math.prod(self.radix_list) == self.num_labels
        self.constants = Constants()
        self.register_buffer("radices", torch.tensor(self.radix_list, dtype=torch.int64, device=device))
        self.register_buffer("order", torch.empty(0, dtype=torch.int64, device=device))
        self.register_buffer("labels_by_rank", torch.empty(0, dtype=torch.int64), persistent=False)
        self.replace_order(order)

    def replace_order(self, order: Sequence[int] | Tensor | None) -> None:
        """Gives the labels new ranks: ``order[label] = rank``, ``None`` for the identity.

        Raises:
            ValueError: if the order is not a permutation of ``0 … V - 1``.
        """
        self._ranks = _checked_order(self.num_labels, order)
        self.is_identity = self._ranks is None
        self._fill_buffers()

    def _fill_buffers(self) -> None:
        ranks, device = self._known_ranks(), self.radices.device
        self.radices = torch.tensor(self.radix_list, dtype=torch.int64, device=device)
        self.order = torch.tensor(ranks, device=device)
        self.labels_by_rank = torch.tensor(ranks if self.is_identity else np.argsort(ranks), device=device)

    def _known_ranks(self) -> np.ndarray:
        return np.arange(self.num_labels, dtype=np.int64) if self._ranks is None else self._ranks

    def last_digits(self) -> tuple[int, ...]:
        """Digits of the last used rank, ``V - 1``: where the used codes end."""
        return tuple(
            (self.num_labels - 1) // stride % radix
            for stride, radix in zip(self.strides, self.radix_list, strict=True)
        )

    def ranks(self, labels: Tensor) -> Tensor:
        """Ranks of ``labels`` (any shape, int64), same shape.

        Raises:
            ValueError: on CPU, for a label outside ``[0, V)``; on CUDA that is a device-side assertion.
        """
        check_labels(labels, self.num_labels)
        if self.is_identity:
            return labels
        return self.order.index_select(0, labels.reshape(-1)).view(labels.shape)

    def labels(self, ranks: Tensor) -> Tensor:
        """Labels at ``ranks`` (any shape, int64, each in ``[0, V)``), same shape."""
        if self.is_identity:
            return ranks
        return self.labels_by_rank.index_select(0, ranks.reshape(-1)).view(ranks.shape)

    def to_rank_order(self, by_label: Tensor) -> Tensor:
        """Puts the ``(…, V)`` columns of ``by_label`` in rank order."""
        return by_label if self.is_identity else by_label.index_select(-1, self.labels_by_rank)

    def to_label_order(self, by_rank: Tensor) -> Tensor:
        """Puts the ``(…, V)`` columns of ``by_rank`` in label order."""
        return by_rank if self.is_identity else by_rank.index_select(-1, self.order)

    def encode(self, labels: Tensor) -> Tensor:
        """Digits of ``labels``: shape ``(…)`` int64 to ``(…, H)`` int64.

        Raises:
            ValueError: on CPU, for a label outside ``[0, V)``.
        """
        return self.split(self.ranks(labels))

    def split(self, ranks: Tensor) -> Tensor:
        """Digits of ``ranks``: shape ``(…)`` to ``(…, H)``."""
        return torch.stack(self.digits(ranks), dim=-1)

    def digits(self, ranks: Tensor) -> list[Tensor]:
        """Digits of ``ranks``: ``H`` tensors of their shape."""
        later = enumerate(self.radix_list[1:], start=1)
        return [self.prefixes(ranks, 0), *(self.prefixes(ranks, h).remainder(radix) for h, radix in later)]

    def prefixes(self, ranks: Tensor, head: int) -> Tensor:
        """Codes of the digits up to and including ``head``, of ``ranks``, same shape."""
        stride = self.strides[head]
        return ranks if stride == 1 else ranks.div(stride, rounding_mode="floor")

    def decode(self, digits: Tensor) -> Tensor:
        """Labels of ``digits``: shape ``(…, H)`` int64 to ``(…)`` int64.

        Raises:
            ValueError: if the last dimension is not ``H``; on CPU, also for a digit that is not below its
                radix and for an unused code.
        """
        if digits.size(-1) != self.num_heads:
            raise ValueError(f"expected {self.num_heads} digits in the last dimension, got {digits.size(-1)}")
        ranks = sum(digits[..., h] * stride for h, stride in enumerate(self.strides))
        assert isinstance(ranks, Tensor)
        if waiting.may_wait(digits) and digits.numel():
            if bool((digits < 0).any()) or bool((digits >= self.radices).any()):
                raise ValueError(f"a digit is outside its radix; the radices are {list(self.radix_list)}")
            if int(ranks.max()) >= self.num_labels:
                raise ValueError(
                    f"code {int(ranks.max())} is unused: only ranks below {self.num_labels} carry a label"
                )
        return self.labels(ranks)

    def label_counts(self, head: int) -> Tensor:
        """How many used labels have digit ``d`` at ``head``, for each ``d``: shape ``(b_head,)``, int64."""
        stride, radix = self.strides[head], self.radix_list[head]
        cycles, rest = divmod(self.num_labels, stride * radix)
        digits = torch.arange(radix, device=self.order.device)
        return cycles * stride + (rest - digits * stride).clamp(0, stride)

    def extra_repr(self) -> str:
        order = "identity" if self.is_identity else "permuted"
        return f"num_labels={self.num_labels}, radices={list(self.radix_list)}, order={order}"

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Refuses the code of another model: weights are meaningless under other digits."""
        stored = {name: state_dict.get(prefix + name) for name in ("radices", "order")}
        if stored["radices"] is not None and stored["radices"].tolist() != list(self.radix_list):
            raise ValueError(
                f"the checkpoint's radices {stored['radices'].tolist()} are not this model's "
                f"{list(self.radix_list)}; build the model with the radices it was trained with"
            )
        if stored["order"] is not None:
            if stored["order"].numel() != self.num_labels:
                raise ValueError(
                    f"the checkpoint has {stored['order'].numel()} labels, this model has {self.num_labels}; "
                    "use the dictionary (label set) that the checkpoint was trained with"
                )
            if not np.array_equal(stored["order"].cpu().numpy(), self._known_ranks()):
                raise ValueError(
                    "the checkpoint's label order is not this model's; "
                    "build the model with the label order it was trained with"
                )
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if self.labels_by_rank.is_meta and not self.order.is_meta:
            # The state's tensors have taken the place of buffers without values.
            self._fill_buffers()

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> LabelCodec:
        had_values = not self.order.is_meta
        super()._apply(fn, recurse)
        if not had_values and not self.order.is_meta:
            self._fill_buffers()
        return self
