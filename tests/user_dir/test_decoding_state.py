"""Each decoding step has a new state: what one step forbids or forces does not reach the next."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.user_dir.decoding_pairs import assert_same, both, random_batch, random_model
from user_dir.decoding.state import StepState

PAD, LENGTH = 1, 6
BLOCKING = {"max_len_a": 0, "max_len_b": LENGTH, "no_repeat_ngram_size": 2}


def pair(size: int, head: str) -> tuple[Any, Any, Any]:
    """A model, its dense generator and its candidate generator, which suppress words and block n-grams."""
    model, task = random_model(size, 3.0, mhe_head=head)
    suppressed = [task.target_dictionary[number] for number in range(4, size, 3)]
    return model, *both(task, [model], BLOCKING, {"tokens_to_suppress": suppressed})


def prefixes(size: int, rows: list[list[int]]) -> Tensor:
    """Forced tokens, counted from the end of the dictionary so that they have no columns of their own."""
    return torch.tensor([[PAD if number == 0 else size - number for number in row] for row in rows])


@pytest.mark.parametrize("head", ["product", "cascade"])
def test_forced_banned_and_suppressed_labels_are_those_of_the_step(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps with a prefix, then steps without one; n-grams are blocked from the second token on."""
    size = 300
    model, _, candidates = pair(size, head)
    states: list[StepState] = []
    search_step = candidates.search.step

    def keep_state(*args: Any) -> Any:
        states.append(candidates.current.state)
        return search_step(*args)

    monkeypatch.setattr(candidates.search, "step", keep_state)
    prefix = prefixes(size, [[1, 2], [3, 0], [0, 0]])
    forced = prefix.where(prefix != PAD, -1)
    # The second search begins where the first one left labels banned.
    for seed in (0, 1):
        states.clear()
        candidates.generate([model], random_batch(size, 3, 5, seed), prefix_tokens=prefix)
        assert len({id(state) for state in states}) == len(states) > 3
        for step, state in enumerate(states):
            assert (state.suppressed is None) == (step < 2)
            assert (state.banned is None) == (step < 1)
            if step < 2:
                assert state.forced is not None
                assert torch.equal(state.forced.view(3, 5), forced[:, step, None].expand(3, 5))
            else:
                assert state.forced is None


@pytest.mark.parametrize("size", [11, 40, 300])
@pytest.mark.parametrize("head", ["product", "cascade"])
def test_batches_with_and_without_prefixes_by_turns(size: int, head: str) -> None:
    """One generator for batches of the same and of other sizes finds what the dense search finds in each."""
    model, dense, candidates = pair(size, head)
    # A prefix that is as long as the longest hypothesis is forced up to the last step of the search.
    whole = prefixes(size, [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [2, 4, 1, 3, 5, 2]])
    mixed = prefixes(size, [[0, 0], [1, 0], [3, 2]])
    turns = [(3, whole), (3, None), (3, mixed), (3, None), (3, whole), (2, None), (2, whole[:2]), (3, mixed)]
    for seed, (sentences, prefix) in enumerate(turns):
        batch = random_batch(size, sentences, 5, seed)
        given = {} if prefix is None else {"prefix_tokens": prefix}
        assert_same(dense.generate([model], batch, **given), candidates.generate([model], batch, **given))
