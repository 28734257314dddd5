"""Adam that visits few rows does what Adam does that visits all of them."""

from __future__ import annotations

import copy
import gc
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mhe_nmt import build_head
from mhe_nmt.row_adam import RowAdam
from mhe_nmt.rows import before_reading, follow


class PlainAdam:
    """Adam with decoupled weight decay as the papers have it, one matrix, all rows, float64."""

    def __init__(self, value: Tensor, betas: tuple[float, float], eps: float, decay: float) -> None:
        self.value, self.betas, self.eps, self.decay = value.double().clone(), betas, eps, decay
        self.m, self.v, self.t = torch.zeros_like(self.value), torch.zeros_like(self.value), 0

    def step(self, grad: Tensor, lr: float) -> None:
        (beta1, beta2), self.t = self.betas, self.t + 1
        self.m = beta1 * self.m + (1 - beta1) * grad
        self.v = beta2 * self.v + (1 - beta2) * grad**2
        m, v = self.m / (1 - beta1**self.t), self.v / (1 - beta2**self.t)
        eps = self.eps / math.sqrt(1 - beta2**self.t)
        self.value = (1 - lr * self.decay) * self.value - lr * m / (v.sqrt() + eps)


def parameter(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def sparse(rows: Tensor, values: Tensor, like: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(rows.unsqueeze(0), values, like.shape, check_invariants=True)


@st.composite
def trainings(draw: st.DrawFn) -> dict[str, Any]:
    """Rows of each step, some of them twice, some steps with none, and a learning rate for each."""
    size, steps = draw(st.integers(1, 7)), draw(st.integers(1, 25))
    rows = st.lists(st.integers(0, size - 1), max_size=4)
    return {
        "shape": (size, *draw(st.sampled_from([(), (1,), (3,), (2, 2)]))),
        "rows": draw(st.lists(rows, min_size=steps, max_size=steps)),
        "rates": draw(st.lists(st.floats(0, 0.3), min_size=steps, max_size=steps)),
        "betas": draw(st.sampled_from([(0.9, 0.98), (0.9, 0.999), (0.0, 0.9), (0.5, 0.6)])),
        "decay": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "seed": draw(st.integers(0, 99)),
    }


@given(trainings())
@settings(max_examples=20, deadline=None)
def test_rows_are_where_adam_has_them_when_they_are_read(training: dict[str, Any]) -> None:
    matrix = parameter(*training["shape"], seed=training["seed"])
    betas, decay, eps = training["betas"], training["decay"], 1e-13
    exact = PlainAdam(matrix.data, betas, eps, decay)
    optimizer = RowAdam([matrix], betas=betas, eps=eps, weight_decay=decay)
    draws = torch.Generator().manual_seed(training["seed"])
    for rows, rate in zip(map(torch.tensor, training["rows"]), training["rates"], strict=True):
        rows = rows.long()
        before_reading(matrix, rows)
        torch.testing.assert_close(matrix.data[rows], exact.value[rows], rtol=1e-8, atol=1e-8)
        values = torch.randn(len(rows), *matrix.shape[1:], generator=draws, dtype=torch.float64)
        matrix.grad = sparse(rows, values, matrix)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        exact.step(torch.zeros_like(matrix).index_add(0, rows, values), rate)
        torch.testing.assert_close(matrix.data[rows], exact.value[rows], rtol=1e-8, atol=1e-8)
    optimizer.catch_up()
    torch.testing.assert_close(matrix.data, exact.value, rtol=1e-8, atol=1e-8)
    state = optimizer.state_dict()["state"][0]
    torch.testing.assert_close(state["exp_avg"], exact.m, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(state["exp_avg_sq"], exact.v, rtol=1e-8, atol=1e-12)
    assert state["step"] == exact.t


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_all_rows_in_every_step_is_adam_exactly(decay: float) -> None:
    dense, rows = (parameter(40, 24, dtype=torch.float32) for _ in range(2))
    optimizers = [RowAdam([matrix], lr=0.01, weight_decay=decay) for matrix in (dense, rows)]
    for step in range(5):
        grad = parameter(40, 24, seed=step, dtype=torch.float32).data
        dense.grad, rows.grad = grad, sparse(torch.arange(40), grad, grad)
        for optimizer in optimizers:
            optimizer.step()
        assert torch.equal(dense, rows)


def train_embedding(is_sparse: bool, steps: int, followed: bool = True) -> Tensor:
    """An embedding of rare rows learns fixed vectors: gradients depend on the rows' values."""
    embedding = nn.Embedding(50, 4, padding_idx=0, sparse=is_sparse, _weight=parameter(50, 4).data)
    if followed:
        follow(embedding)
    wanted = parameter(50, 4, seed=1).data
    optimizer = RowAdam(embedding.parameters(), lr=0.05, betas=(0.9, 0.98), eps=1e-12)
    draws = torch.Generator().manual_seed(2)
    for _ in range(steps):
        # A Zipf distribution: some rows occur always, others in one step of fifty.
        rows = torch.rand(6, generator=draws).pow_(4).mul_(50).long()
        optimizer.zero_grad()
        (embedding(rows) - wanted[rows]).square().sum().backward()
        optimizer.step()
    optimizer.catch_up()
    return embedding.weight.detach()


def test_training_with_followed_rows_is_training_with_dense_adam() -> None:
    dense, rows = train_embedding(False, 150), train_embedding(True, 150)
    torch.testing.assert_close(rows, dense, rtol=1e-9, atol=1e-9)
    # Without announcements the same rows are read later in their lives, which is another training.
    assert (train_embedding(True, 150, followed=False) - dense).abs().max() > 1e-3


def train_head(name: str, options: dict[str, Any], tied: bool, is_sparse: bool) -> dict[str, Tensor]:
    """A head and an embedding learn; few labels occur in a step, and their rows wait in between."""
    torch.manual_seed(0)
    embedding = nn.Embedding(60, 4, sparse=is_sparse, dtype=torch.float64)
    follow(embedding)
    head = build_head(name, 4, 60, sparse=is_sparse, dtype=torch.float64, **options)
    if tied:
        head.tie_weight(embedding.weight)
    parameters = dict.fromkeys([*embedding.parameters(), *head.parameters()])
    optimizer = RowAdam(parameters, lr=0.05, betas=(0.9, 0.98), eps=1e-12, weight_decay=0.05)
    for step in range(40):
        torch.manual_seed(step)
        words, labels = torch.rand(2, 5).pow_(4).mul_(60).long()
        optimizer.zero_grad()
        (head.loss(embedding(words), labels, "sum") / 5).backward()
        optimizer.step()
    assert any(parameter.grad.is_sparse for parameter in parameters) == is_sparse
    optimizer.catch_up()
    return head.state_dict() | {"embedding": embedding.weight.detach()}


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cascade", {"num_heads": 2}),
        ("cascade", {"num_heads": 3, "order": torch.arange(60) * 7 % 60}),
        ("sampling", {"sample_fraction": 0.1}),
        ("sampling", {"sample_fraction": 0.1, "unit": "block", "positives": "block"}),
    ],
)
def test_heads_with_sparse_gradients_train_as_with_dense_adam(
    name: str, options: dict[str, Any], tied: bool
) -> None:
    dense, rows = (train_head(name, options, tied, is_sparse) for is_sparse in (False, True))
    for key, value in dense.items():
        torch.testing.assert_close(rows[key], value, rtol=1e-7, atol=1e-7, msg=key)


def test_steps_beyond_the_first_history() -> None:
    matrix = parameter(3, 2)
    exact = PlainAdam(matrix.data, (0.9, 0.98), 1e-13, 0.02)
    optimizer = RowAdam([matrix], betas=(0.9, 0.98), eps=1e-13, weight_decay=0.02)
    for step in range(1150):
        rows = torch.tensor([0, *([1] if step % 700 == 0 else []), *([2] if step in (0, 1050) else [])])
        values = parameter(len(rows), 2, seed=step).data
        matrix.grad, optimizer.param_groups[0]["lr"] = sparse(rows, values, matrix), 0.01 / (1 + step)
        optimizer.step()
        exact.step(torch.zeros_like(matrix).index_add(0, rows, values), 0.01 / (1 + step))
    optimizer.catch_up()
    torch.testing.assert_close(matrix.data, exact.value, rtol=1e-8, atol=1e-8)


def test_sparse_and_dense_gradients_take_turns() -> None:
    matrix, exact_matrix = parameter(6, 3), parameter(6, 3)
    optimizers = [RowAdam([one], lr=0.02, eps=1e-13) for one in (matrix, exact_matrix)]
    for step in range(30):
        rows = torch.randint(6, (2,), generator=torch.Generator().manual_seed(step)).unique()
        values = parameter(len(rows), 3, seed=step).data
        exact_matrix.grad = torch.zeros(6, 3, dtype=torch.float64).index_add(0, rows, values)
        matrix.grad = exact_matrix.grad if step % 7 == 3 else sparse(rows, values, matrix)
        for optimizer in optimizers:
            optimizer.step()
    optimizers[0].catch_up()
    torch.testing.assert_close(matrix, exact_matrix, rtol=1e-8, atol=1e-8)


def test_changed_betas_count_from_the_step_on_that_changes_them() -> None:
    matrix, exact_matrix = parameter(6, 3), parameter(6, 3)
    optimizers = [RowAdam([one], lr=0.02, eps=1e-13) for one in (matrix, exact_matrix)]
    for step in range(20):
        for optimizer in optimizers:
            optimizer.param_groups[0]["betas"] = (0.9, 0.999) if step < 10 else (0.8, 0.95)
        values = parameter(1, 3, seed=step).data
        matrix.grad = sparse(torch.tensor([step % 6]), values, matrix)
        exact_matrix.grad = matrix.grad.to_dense()
        for optimizer in optimizers:
            optimizer.step()
    optimizers[0].catch_up()
    torch.testing.assert_close(matrix, exact_matrix, rtol=1e-8, atol=1e-8)


def run_steps(matrix: nn.Parameter, optimizer: RowAdam, steps: range) -> None:
    for step in steps:
        matrix.grad = sparse(torch.tensor([step % 6, 0]), parameter(2, 3, seed=step).data, matrix)
        optimizer.step()


@pytest.mark.parametrize("way", [lambda x: x, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_training_goes_on_from_a_saved_state(way: Callable[[Any], Any]) -> None:
    whole, parts = parameter(6, 3), parameter(6, 3)
    optimizer = RowAdam([whole], lr=0.02)
    run_steps(whole, optimizer, range(9))
    optimizer.catch_up()
    run_steps(whole, optimizer, range(9, 20))
    first = RowAdam([parts], lr=0.02)
    run_steps(parts, first, range(9))
    state = way(first.state_dict())
    assert {type(value) for value in state["state"][0].values()} == {int, Tensor}
    again = nn.Parameter(parts.data.clone())
    second = RowAdam([again], lr=1.0)
    second.load_state_dict(state)
    run_steps(again, second, range(9, 20))
    optimizer.catch_up()
    second.catch_up()
    assert torch.equal(again, whole)


def test_a_copied_optimizer_owes_nothing() -> None:
    matrix = parameter(6, 3)
    optimizer = RowAdam([matrix], lr=0.02)
    run_steps(matrix, optimizer, range(9))
    twin = copy.deepcopy(optimizer)
    (copied,) = twin.param_groups[0]["params"]
    assert torch.equal(copied, matrix)
    for one, its_optimizer in ((matrix, optimizer), (copied, twin)):
        run_steps(one, its_optimizer, range(9, 20))
        its_optimizer.catch_up()
    assert torch.equal(copied, matrix)


def test_an_optimizer_that_is_gone_moves_nothing() -> None:
    matrix = parameter(6, 3)
    optimizer = RowAdam([matrix], lr=0.02)
    run_steps(matrix, optimizer, range(9))
    before = matrix.detach().clone()
    del optimizer
    gc.collect()
    before_reading(matrix)
    assert torch.equal(matrix, before)
    optimizer = RowAdam([matrix], lr=0.02)
    run_steps(matrix, optimizer, range(9))
    before = matrix.detach().clone()
    newer = RowAdam([matrix], lr=0.02)
    before_reading(matrix)
    assert torch.equal(matrix, before)
    assert newer.state_dict()["state"] == {}


def test_only_rows_that_are_named_are_brought_up_to_date() -> None:
    matrix = parameter(6, 3)
    optimizer = RowAdam([matrix], lr=0.02)
    run_steps(matrix, optimizer, range(9))
    before = matrix.detach().clone()
    rows = torch.tensor([[3, 4], [3, 3]])
    optimizer.catch_up(matrix, rows)
    moved = (matrix != before).any(-1)
    assert moved.tolist() == [False, False, False, True, True, False]
    once = matrix.detach().clone()
    optimizer.catch_up(matrix, rows)
    assert torch.equal(matrix, once)


def test_rows_without_gradients_stay_zero() -> None:
    embedding = nn.Embedding(5, 2, padding_idx=1, sparse=True)
    optimizer = RowAdam(embedding.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        embedding(torch.tensor([1, 2, 1, 3])).sum().backward()
        optimizer.step()
    optimizer.catch_up()
    assert not embedding.weight[1].any()
    assert embedding.weight[2:4].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"betas": (0.99, 0.9)}, "the first below the root of the second, got 0.99 and 0.9"),
        ({"betas": (0.9, 1.0)}, "betas must be in"),
        ({"eps": 0.0}, "eps must be above 0"),
        ({"lr": -1.0}, "lr and weight_decay must be at least 0"),
        ({"lr": 1.0, "weight_decay": 1.0}, "with a product below 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RowAdam([parameter(2, 2)], **options)


def test_gradients_that_are_not_of_whole_rows_are_refused() -> None:
    matrix = parameter(2, 2)
    matrix.grad = matrix.data.to_sparse()
    with pytest.raises(ValueError, match="must be of whole rows, got one with 2 sparse dimensions"):
        RowAdam([matrix]).step()


def test_half_precision_is_refused_for_rows() -> None:
    matrix = parameter(2, 2, dtype=torch.bfloat16)
    matrix.grad = sparse(torch.tensor([1]), matrix.data[:1], matrix)
    with pytest.raises(ValueError, match="must be float32 or float64, got torch"):
        RowAdam([matrix]).step()


def test_closures_compute_gradients() -> None:
    matrix = parameter(2, 2)
    optimizer = RowAdam([matrix])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = matrix.square().sum()
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert optimizer.step(closure) < first
