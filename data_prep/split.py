"""Draws validation and test pairs at random, but reproducibly, from the cleaned training pairs."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from data_prep.clean import CleanedPair, HeldOut
from data_prep.errors import PrepError

DEFAULT_SIZE = 2000
DEFAULT_SHARE = 20


@dataclass
class HoldOut:
    """The split of each held-out pair, by input line number, and the sentences barred from training."""

    split_of_line: dict[int, str] = field(default_factory=dict)
    sentences: HeldOut = field(default_factory=HeldOut)


def default_size(pairs: int) -> int:
    """Pairs to hold out when no size is given: one in ``DEFAULT_SHARE``, from one to ``DEFAULT_SIZE``."""
    return min(DEFAULT_SIZE, max(1, pairs // DEFAULT_SHARE))


def choose_hold_out(pairs: Iterable[CleanedPair], sizes: dict[str, int | None], seed: int) -> HoldOut:
    """Draw ``sizes[split]`` of the pairs, which must be distinct, for each split.

    A size of None stands for :func:`default_size`. Without pairs nothing is drawn. One pass with a reservoir
    suffices, so that memory does not grow with the corpus.
    """
    rng = random.Random(seed)
    capacity = sum(DEFAULT_SIZE if size is None else size for size in sizes.values())
    reservoir: list[CleanedPair] = []
    total = 0
    for total, pair in enumerate(pairs, start=1):
        if len(reservoir) < capacity:
            reservoir.append(pair)
        elif (slot := rng.randrange(total)) < capacity:
            reservoir[slot] = pair
    if total == 0:
        return HoldOut()
    wanted = {split: default_size(total) if size is None else size for split, size in sizes.items()}
    if sum(wanted.values()) >= total:
        asked = " and ".join(f"{size} {split}" for split, size in wanted.items())
        raise PrepError(
            f"cannot hold out {asked} pairs of the {total} distinct ones left after cleaning; lower "
            "--valid-size or --test-size, loosen the filters, or give --validpref and --testpref"
        )
    rng.shuffle(reservoir)
    chosen = HoldOut()
    for split, size in wanted.items():
        for _ in range(size):
            pair = reservoir.pop()
            chosen.split_of_line[pair.line_number] = split
            chosen.sentences.add(pair.key)
    return chosen
