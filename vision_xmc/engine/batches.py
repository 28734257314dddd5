"""Which examples an update sees, and which of them each process and each micro-batch takes.

The batch of an update does not depend on the number of processes and micro-batches. They only cut it into
pieces, as evenly as possible. Nothing is padded or repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from vision_xmc.common.errors import UsageError
from vision_xmc.engine.task import Examples

Key = tuple[int, int]

#: Examples of similar length are brought together within this many batches.
WINDOW = 64


@dataclass(frozen=True)
class BatchPlan:
    """The batches of a training, by update.

    Args:
        examples: size of the training set.
        batch_size: examples per update, over all processes and micro-batches.
        processes: number of processes ``W``.
        rank: this process, ``0 … W - 1``.
        micro_batches: ``A``, forward passes per update and process.
        seed: of the order of the examples, which differs between epochs.
        drop_last: leave out the last, smaller batch of an epoch.
        lengths: of the examples, see :meth:`order`; ``None`` for batches at random.

    Piece ``m·W + rank`` of the ``W·A`` pieces of a batch is micro-batch ``m`` of process ``rank``: one
    process with ``A = 2`` goes through the same pieces as two processes with ``A = 1``.
    """

    examples: int
    batch_size: int
    processes: int = 1
    rank: int = 0
    micro_batches: int = 1
    seed: int = 0
    drop_last: bool = False
    lengths: Sequence[int] | np.ndarray | None = None

    @property
    def updates_per_epoch(self) -> int:
        """Number of batches in an epoch, at least 1 (a single batch is never dropped)."""
        full, rest = divmod(self.examples, self.batch_size)
        return max(1, full + (rest > 0 and not self.drop_last))

    def size(self, update: int) -> int:
        """Number of examples in the batch of ``update``, over all processes."""
        start = update % self.updates_per_epoch * self.batch_size
        return min(self.batch_size, self.examples - start)

    def smallest_batch(self, first: int, end: int) -> int:
        """The least :meth:`size` among the updates ``first … end - 1``."""
        # Only the last batch of an epoch can be smaller than the others.
        last = first + (-first - 1) % self.updates_per_epoch
        return self.size(last if last < end else first)

    def piece(self, update: int, micro: int) -> tuple[int, int]:
        """Where this process's micro-batch starts and ends in the batch of ``update``."""
        pieces = self.processes * self.micro_batches
        number = micro * self.processes + self.rank
        share, larger = divmod(self.size(update), pieces)
        start = number * share + min(number, larger)
        return start, start + share + (number < larger)

    def order(self, epoch: int) -> np.ndarray:
        """The examples in the order of that epoch: a permutation of ``0 … examples - 1``.

        With ``lengths``, examples are sorted by length within every :data:`WINDOW` batches; then the batches
        are shuffled again. So there is little padding, and an example still meets others in each epoch.
        """
        random = np.random.default_rng((self.seed, epoch))
        order = random.permutation(self.examples)
        if self.lengths is None:
            return order
        full, lengths = self.examples // self.batch_size, np.asarray(self.lengths)
        whole, rest = order[: full * self.batch_size], order[full * self.batch_size :]
        for start in range(0, len(whole), WINDOW * self.batch_size):
            window = whole[start : start + WINDOW * self.batch_size]
            window[:] = window[lengths[window].argsort(kind="stable")]
        shuffled = whole.reshape(full, self.batch_size)[random.permutation(full)]
        return np.concatenate((shuffled.ravel(), rest))


class MicroBatches(Sampler[list[Key]]):
    """Keys ``(epoch, index)`` of this process's micro-batches, from update ``first`` up to ``end``.

    If a batch has fewer examples than pieces, some processes have none. They get the first example as a
    stand-in, because every process must take part in the gradient exchange. The loop gives it no weight.
    """

    def __init__(self, plan: BatchPlan, first: int, end: int) -> None:
        self.plan, self.first, self.end = plan, first, end

    def __len__(self) -> int:
        return (self.end - self.first) * self.plan.micro_batches

    def __iter__(self) -> Iterator[list[Key]]:
        plan, order, order_of = self.plan, np.empty(0), -1
        for update in range(self.first, self.end):
            epoch, place = divmod(update, plan.updates_per_epoch)
            if epoch != order_of:
                order, order_of = plan.order(epoch), epoch
            offset = place * plan.batch_size
            for micro in range(plan.micro_batches):
                start, end = plan.piece(update, micro)
                if start == end:
                    start, end = 0, 1
                yield [(epoch, int(index)) for index in order[offset + start : offset + end]]


def evaluation_batches(examples: int, batch_size: int, processes: int, rank: int) -> list[list[int]]:
    """This process's part of a data set, in batches: every ``processes``-th example, each exactly once."""
    indices = list(range(rank, examples, processes))
    return [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]


def make_loader(
    data: Examples,
    batches: Sampler[list[Key]] | Sequence[list[int]],
    collate: Callable[[list[Any]], Any],
    *,
    workers: int,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """A loader of those batches. Pass each batch that it yields to :func:`checked`."""
    return DataLoader(
        _Guarded(data),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_GuardedCollate(collate),
        pin_memory=pin_memory,
    )


def checked(batch: Any) -> Any:
    """Returns the batch, unless one of its items could not be read.

    Raises:
        UsageError: with the sentence of the data set. A loading worker cannot raise it in the training
            process without a traceback.
    """
    if isinstance(batch, _Unreadable):
        raise UsageError(batch.sentence, everywhere=False)
    return batch


@dataclass(frozen=True)
class _Unreadable:
    sentence: str


class _Guarded(Dataset[Any]):
    def __init__(self, data: Examples) -> None:
        self.data = data

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.data[key]
        except UsageError as error:
            return _Unreadable(str(error))


class _GuardedCollate:
    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, items: list[Any]) -> Any:
        broken = [item for item in items if isinstance(item, _Unreadable)]
        return broken[0] if broken else self.collate(items)
