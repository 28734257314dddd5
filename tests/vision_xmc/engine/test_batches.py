"""Every example of an epoch comes once, with any number of processes and wherever a run is resumed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vision_xmc.engine.batches import WINDOW, BatchPlan, MicroBatches, evaluation_batches

sizes = st.integers(1, 40)
few = st.integers(1, 4)


def pieces(plan: BatchPlan, update: int) -> list[list[tuple[int, int]]]:
    """What all processes and micro-batches get in an update, in the order of the batch, without stand-ins."""
    found = {}
    for rank in range(plan.processes):
        own = BatchPlan(plan.examples, plan.batch_size, plan.processes, rank, plan.micro_batches, plan.seed)
        for micro, keys in enumerate(MicroBatches(own, update, update + 1)):
            start, end = own.piece(update, micro)
            assert keys, "a process without an example needs a stand-in"
            found[micro * plan.processes + rank] = keys if end > start else []
    return [found[number] for number in sorted(found)]


@given(
    examples=sizes, batch=sizes, processes=few, micro=few, update=st.integers(0, 9), seed=st.integers(0, 3)
)
def test_the_pieces_make_up_the_batch_of_one_process(
    examples: int, batch: int, processes: int, micro: int, update: int, seed: int
) -> None:
    plan = BatchPlan(examples, batch, processes, 0, micro, seed)
    cut = pieces(plan, update)
    whole = pieces(BatchPlan(examples, batch, seed=seed), update)[0]
    assert [key for piece in cut for key in piece] == whole
    assert len(whole) == plan.size(update)
    lengths = [len(piece) for piece in cut]
    assert max(lengths) - min(lengths) <= 1
    assert cut == pieces(BatchPlan(examples, batch, 1, 0, processes * micro, seed), update)


@given(examples=sizes, batch=sizes, epoch=st.integers(0, 3), drop=st.booleans())
def test_an_epoch_is_a_permutation(examples: int, batch: int, epoch: int, drop: bool) -> None:
    plan = BatchPlan(examples, batch, drop_last=drop)
    first = epoch * plan.updates_per_epoch
    keys = [key for keys in MicroBatches(plan, first, first + plan.updates_per_epoch) for key in keys]
    assert {e for e, _ in keys} == {epoch}
    indices = [index for _, index in keys]
    assert len(set(indices)) == len(indices)
    kept = examples - examples % batch if drop and examples >= batch else examples
    assert len(indices) == kept


@given(examples=sizes, batch=sizes, micro=few, start=st.integers(0, 12))
def test_resuming_in_the_middle_gives_the_rest(examples: int, batch: int, micro: int, start: int) -> None:
    plan = BatchPlan(examples, batch, micro_batches=micro)
    whole = list(MicroBatches(plan, 0, 12))
    assert list(MicroBatches(plan, min(start, 12), 12)) == whole[min(start, 12) * micro :]


def test_epochs_differ_and_seeds_differ() -> None:
    plan = BatchPlan(100, 10, seed=1)
    assert list(plan.order(0)) != list(plan.order(1))
    assert list(plan.order(0)) != list(BatchPlan(100, 10, seed=2).order(0))


@given(examples=st.integers(0, 40), batch=sizes, processes=few)
def test_evaluation_sees_each_example_once(examples: int, batch: int, processes: int) -> None:
    parts = [evaluation_batches(examples, batch, processes, rank) for rank in range(processes)]
    seen = [index for part in parts for keys in part for index in keys]
    assert sorted(seen) == list(range(examples))
    assert all(0 < len(keys) <= batch for part in parts for keys in part)


@given(st.integers(1, 400), st.integers(1, 9), st.integers(0, 99))
def test_examples_of_similar_length_share_a_batch(examples: int, batch_size: int, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 1000, examples)
    plan = BatchPlan(examples, batch_size, seed=seed, lengths=lengths)
    plain = BatchPlan(examples, batch_size, seed=seed)
    order, full = plan.order(3), examples // batch_size
    assert sorted(order) == list(range(examples))
    assert np.array_equal(order, plan.order(3))
    # The last, smaller batch is the same as without lengths; it does not have the longest examples.
    assert np.array_equal(order[full * batch_size :], plain.order(3)[full * batch_size :])
    if full:
        spread = np.ptp(lengths[order[: full * batch_size]].reshape(full, batch_size), axis=1)
        if full <= WINDOW:
            # One window: the batches are runs of the sorted lengths.
            ordered = np.sort(lengths[order[: full * batch_size]]).reshape(full, batch_size)
            assert sorted(spread) == sorted(np.ptp(ordered, axis=1))


@given(examples=sizes, batch=sizes, drop=st.booleans(), first=st.integers(0, 90), more=st.integers(1, 90))
def test_the_smallest_batch(examples: int, batch: int, drop: bool, first: int, more: int) -> None:
    plan = BatchPlan(examples, batch, drop_last=drop)
    expected = min(plan.size(update) for update in range(first, first + more))
    assert plan.smallest_batch(first, first + more) == expected
