"""A decoding step with a product or cascade head makes no tensor of rows × V elements."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.user_dir.decoding_pairs import both, random_batch, random_model

SIZE, SENTENCES, BEAM = 4000, 6, 5
HEADS: list[dict[str, Any]] = [
    {"mhe_head": "product"},
    {"mhe_head": "product", "mhe_groups": 3},
    {"mhe_head": "cascade"},
    {"mhe_head": "cascade", "share_all_embeddings": True, "mhe_label_order": "random"},
    {"mhe_head": "cascade", "mhe_conditioning": "digit"},
    {"mhe_head": "cascade", "mhe_num_heads": 3},
]


class Largest(TorchDispatchMode):
    """Keeps the largest number of elements of any tensor that an operation returned."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.elements = max(self.elements, leaf.numel())
        return result


@pytest.mark.parametrize("options", HEADS, ids=lambda options: " ".join(map(str, options.values())))
def test_nothing_is_rows_by_labels(options: dict[str, Any]) -> None:
    model, task = random_model(SIZE, sharpness=6.0, **options)
    batch = random_batch(SIZE, SENTENCES, 5)
    dense, candidates = both(task, [model], {"beam": BEAM, "max_len_a": 0, "max_len_b": 5})
    with Largest() as seen:
        candidates.generate([model], batch)
    assert seen.elements < SENTENCES * BEAM * SIZE
    with Largest() as seen_dense:
        dense.generate([model], batch)
    assert seen_dense.elements >= SENTENCES * BEAM * SIZE


@pytest.mark.parametrize("options", HEADS, ids=lambda options: " ".join(map(str, options.values())))
def test_scoring_references_makes_none_either(options: dict[str, Any]) -> None:
    model, task = random_model(SIZE, sharpness=6.0, **options)
    batch = random_batch(SIZE, 4, 8)
    batch["target"] = batch["net_input"]["src_tokens"].clone()
    batch["net_input"]["prev_output_tokens"] = batch["target"].roll(1, dims=1)
    dense, heads = both(task, [model], {"score_reference": True})
    expected = dense.generate([model], batch)
    with Largest() as seen:
        found = heads.generate([model], batch)
    assert seen.elements < batch["target"].numel() * SIZE
    for (theirs,), (ours,) in zip(expected, found, strict=True):
        assert torch.equal(theirs["tokens"], ours["tokens"])
        torch.testing.assert_close(
            ours["positional_scores"], theirs["positional_scores"], rtol=1e-5, atol=1e-5
        )
        torch.testing.assert_close(ours["score"], theirs["score"], rtol=1e-5, atol=1e-5)
