"""What the training loop asks of a task: a model, data, a loss, and metrics that are sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn
from torch.utils.data import default_collate


class Examples(Protocol):
    """A map-style data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any) -> Any: ...


class Task(ABC):
    """One training problem. The loop knows batches only as what ``collate`` makes and ``loss`` takes.

    Attributes:
        model: what is trained and saved. The loop moves it to its device and wraps it for several
            processes; :meth:`loss` and :meth:`metrics` use ``self.model`` itself nevertheless.
        train_data: a map-style data set with items ``train_data[(epoch, index)]``. An item, including its
            random augmentation, must depend on nothing else. Then the data are the same in a resumed run,
            and with any number of processes and workers.
        train_lengths: lengths of the training examples, if examples of similar length should share a
            batch; ``None`` for batches at random.
        valid_data: ``valid_data[index]``; chooses the best checkpoint. ``None`` for none.
        test_data: ``test_data[index]``; evaluated after the training, and during it if there is no
            ``valid_data``. It never chooses a checkpoint. ``None`` for none.
        best_metric: name of the metric that chooses the best checkpoint.
        higher_is_better: whether higher values of that metric are better.
        curves: panels of the final plot: pairs of a title and names of metrics.
    """

    model: nn.Module
    train_data: Examples
    train_lengths: Sequence[int] | np.ndarray | None = None
    valid_data: Examples | None = None
    test_data: Examples | None = None
    best_metric: str
    higher_is_better: bool = True
    curves: Sequence[tuple[str, Sequence[str]]] = ()

    @abstractmethod
    def loss(self, batch: Any) -> Mapping[str, Tensor]:
        """Sums over the examples of a training batch, in the training mode of ``self.model``.

        ``"loss"`` is differentiated; the loop divides by the number of examples in the whole update, over all
        processes. Further entries are only logged, as means. Random numbers come from torch's generator,
        which the loop seeds for each update and process.
        """

    @abstractmethod
    def metrics(self, batch: Any) -> Mapping[str, Tensor]:
        """Sums over the examples of an evaluation batch, 0-dimensional, without gradients, in eval mode."""

    def summarise(self, sums: Mapping[str, float], examples: int) -> dict[str, float]:
        """Metrics from the sums over a whole data set; here each divided by the number of examples."""
        return {name: value / examples for name, value in sums.items()}

    def collate(self, items: list[Any]) -> Any:
        """A batch from items; runs in the loading workers."""
        return default_collate(items)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for the optimizer; here one, with weight decay on everything.

        A group's ``"lr_scale"`` multiplies the learning rate. With AdamW, matrices in groups with
        ``"row_wise"`` have one step size per row (:class:`vision_xmc.engine.row_adamw.RowAdamW`). Parameters
        of modules whose attribute ``sparse`` is true may have sparse gradients.
        """
        return [{"params": list(self.model.parameters()), "weight_decay": weight_decay}]

    def sharded_rows(self) -> Mapping[str, int]:
        """Parameters of which each process holds only its rows (:func:`vision_xmc.engine.sharding.own_rows`).

        Names in ``self.model``, and the numbers of rows over all processes. The loop leaves these parameters
        out of the gradient exchange, clips them together with the others, and writes them whole into
        checkpoints. :meth:`loss` itself must exchange what they need between the processes, such that their
        gradients are summed over the examples of all processes.
        """
        return {}

    def description(self) -> dict[str, Any]:
        """What a checkpoint should hold of the task besides options and weights, in plain types.

        ``result.json`` repeats the numbers and strings among them.
        """
        return {}
