"""``--optimizer row_adam`` trains as ``adam`` does, with gradients that hold only the rows that occur."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from fairseq.optim.fairseq_optimizer import FairseqOptimizer
from fairseq_cli import train as fairseq_cli_train
from torch import Tensor, nn

from mhe_nmt.row_adam import RowAdam
from tests.shares import one_in
from tests.user_dir.fairseq_commands import Output, fairseq_train, refusal, training_arguments
from tests.user_dir.trained_models import CONFIGURATIONS, batches, load
from user_dir.errors import UsageError
from user_dir.optim.config import RowAdamConfig
from user_dir.optim.row_adam import FairseqRowAdam
from user_dir.optim.sparse_rows import check_options

#: Rows of the toy corpus occur now and then, so that the schedule and the decay have something to catch up.
TRAINING = [
    "--max-update",
    12,
    "--lr-scheduler",
    "inverse_sqrt",
    "--warmup-updates",
    4,
    "--weight-decay",
    0.01,
]
ROW_ADAM = ["--optimizer", "row_adam"]


def updates(output: Output) -> list[tuple[float, float]]:
    """Loss and gradient norm of each update."""
    records = [record for record in output.records() if "gnorm" in record]
    return [(float(record["loss"]), float(record["gnorm"])) for record in records]


def saved(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint_last.pt", weights_only=True)


def assert_same_model(found: dict[str, Any], expected: dict[str, Any], atol: float = 5e-5) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        # The keys' biases have no gradient but rounding noise, which Adam magnifies. A momentum that is
        # forgotten moves a row by about the learning rate, 5e-3.
        if not key.endswith("k_proj.bias"):
            torch.testing.assert_close(found[key], value, rtol=0, atol=atol, msg=key)


def train_both(data: Path, folder: Path, *options: Any) -> list[dict[str, Any]]:
    """Trains with ``adam`` and ``row_adam`` and returns what both have saved, after comparing their logs."""
    outputs = [
        fairseq_train(data, folder / name, *TRAINING, *options, "--optimizer", name)
        for name in ("adam", "row_adam")
    ]
    assert updates(outputs[1]) == [pytest.approx(line, abs=2e-3) for line in updates(outputs[0])]
    return [saved(folder / name) for name in ("adam", "row_adam")]


@pytest.mark.parametrize(
    "name", one_in(9, ["cascade-tied", "sampling", "cascade", "product", "order-file", "three-heads"])
)
def test_training_is_that_of_adam(name: str, corpus: Path, order_file: Path, tmp_path: Path) -> None:
    options = [str(order_file) if part == "ORDER" else part for part in CONFIGURATIONS[name]]
    adam, row_adam = train_both(corpus, tmp_path, *options)
    assert_same_model(row_adam["model"], adam["model"])
    states = [state["last_optimizer_state"] for state in (adam, row_adam)]
    assert states[0]["state"].keys() == states[1]["state"].keys()
    for number, expected in states[0]["state"].items():
        found = states[1]["state"][number]
        assert found["step"] == expected["step"] == 12
        torch.testing.assert_close(found["exp_avg"], expected["exp_avg"], rtol=0, atol=5e-5)
        torch.testing.assert_close(found["exp_avg_sq"], expected["exp_avg_sq"], rtol=0, atol=5e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--update-freq", 2, "--weight-decay", 0.05, "--adam-betas", "(0.9, 0.98)"],
        ["--clip-norm", 0.0],
        ["--mhe-share-input-embeddings"],
        ["--store-ema", "--ema-decay", 0.7],
    ],
    ids=lambda options: options[0][2:],
)
def test_options_of_the_trainer(options: list[Any], corpus: Path, tmp_path: Path) -> None:
    adam, row_adam = train_both(corpus, tmp_path, *CONFIGURATIONS["cascade"], *options)
    assert_same_model(row_adam["model"], adam["model"])
    if "--store-ema" in options:
        assert_same_model(row_adam["extra_state"]["ema"], adam["extra_state"]["ema"])
        assert not torch.equal(
            adam["extra_state"]["ema"]["decoder.embed_tokens.weight"],
            adam["model"]["decoder.embed_tokens.weight"],
        )


@pytest.mark.slow
def test_products_in_bfloat16(corpus: Path, tmp_path: Path) -> None:
    adam, row_adam = train_both(corpus, tmp_path, *CONFIGURATIONS["cascade-tied"], "--autocast-bf16")
    assert_same_model(row_adam["model"], adam["model"], atol=2e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    one_in(
        4,
        [
            ("cascade-tied", {"encoder.embed_tokens.weight"}),
            ("sampling", {"encoder.embed_tokens.weight"}),
            (
                "cascade",
                {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.head.leaf.weight"},
            ),
            ("product", {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}),
            # The full softmax reads all rows of the shared table.
            ("onehot-tied", set()),
        ],
    ),
)
def test_gradients_hold_the_rows_that_occur(
    name: str, expected: set[str], corpus: Path, tmp_path: Path
) -> None:
    """And are the dense gradients; those of two embeddings and a head meet in a tied table."""
    options = [*CONFIGURATIONS[name], "--max-update", 1]
    gradients = []
    for optimizer in ("adam", "row_adam"):
        fairseq_train(corpus, tmp_path / optimizer, *options, "--optimizer", optimizer)
        model, task = load(tmp_path / "adam" / "checkpoint_last.pt")
        sparse_model, _ = load(tmp_path / optimizer / "checkpoint_last.pt")
        sparse_model.load_state_dict(model.state_dict())
        batch = batches(task, "valid", size=2)[0]
        torch.manual_seed(1)
        terms = sparse_model.train()(**batch["net_input"], target=batch["target"])[0]
        (terms[0].sum() + 0.01 * terms[1].sum()).backward()
        gradients.append({key: value.grad for key, value in sparse_model.named_parameters()})
    sparse = {key for key, grad in gradients[1].items() if grad.is_sparse}
    assert sparse == expected
    for key, grad in gradients[1].items():
        dense = gradients[0][key]
        torch.testing.assert_close(grad.to_dense(), dense, rtol=1e-5, atol=1e-6, msg=key)
    if name == "product":
        tokens = batch["net_input"]["src_tokens"].unique()
        rows = gradients[1]["encoder.embed_tokens.weight"].coalesce().indices()[0]
        assert rows.tolist() == [token for token in tokens.tolist() if token != task.source_dictionary.pad()]


def test_the_padding_row_stays_zero(corpus: Path, tmp_path: Path) -> None:
    fairseq_train(corpus, tmp_path, *CONFIGURATIONS["product"], *ROW_ADAM, "--weight-decay", 0.1)
    embedding = saved(tmp_path)["model"]["encoder.embed_tokens.weight"]
    assert not embedding[1].any()
    assert embedding[[0, 2, 3]].any(-1).all()


# Saving brings all rows up to date, which changes roundings: so both trainings save after six updates.
@pytest.mark.parametrize("name", one_in(9, ["cascade-tied", "sampling", "product"]))
def test_resumed_training_is_the_same_training(name: str, corpus: Path, tmp_path: Path) -> None:
    options = [*CONFIGURATIONS[name], *TRAINING, *ROW_ADAM, "--save-interval-updates", 6]
    whole = fairseq_train(corpus, tmp_path / "whole", *options)
    first = fairseq_train(corpus, tmp_path / "parts", *options, "--max-update", 6)
    second = fairseq_train(corpus, tmp_path / "parts", *options)
    assert updates(first) + updates(second) == updates(whole)
    found, expected = saved(tmp_path / "parts"), saved(tmp_path / "whole")
    for key, value in expected["model"].items():
        assert torch.equal(found["model"][key], value), key
    for number, state in expected["last_optimizer_state"]["state"].items():
        for key, value in state.items():
            other = found["last_optimizer_state"]["state"][number][key]
            assert torch.equal(torch.as_tensor(other), torch.as_tensor(value))


@pytest.mark.slow
@pytest.mark.parametrize("names", [("row_adam", "adam"), ("adam", "row_adam")], ids="-".join)
def test_a_training_goes_on_with_the_other_optimizer(
    names: tuple[str, str], corpus: Path, tmp_path: Path
) -> None:
    options = [*CONFIGURATIONS["cascade-tied"], *TRAINING]
    for name, until in zip(names, (6, 12), strict=True):
        parts = fairseq_train(
            corpus, tmp_path / "parts", *options, "--optimizer", name, "--max-update", until
        )
    whole = fairseq_train(corpus, tmp_path / "whole", *options)
    assert updates(parts) == [pytest.approx(line, abs=2e-3) for line in updates(whole)[6:]]
    assert_same_model(saved(tmp_path / "parts")["model"], saved(tmp_path / "whole")["model"])


@pytest.mark.parametrize("optimizer", one_in(9, ["row_adam", "adam"]))
def test_gradients_that_are_no_numbers_are_reported(optimizer: str, corpus: Path, tmp_path: Path) -> None:
    options = [*CONFIGURATIONS["product"], "--optimizer", optimizer, "--lr", 1e38]
    with pytest.raises(FloatingPointError, match="gradients are Nan/Inf"):
        fairseq_train(corpus, tmp_path, *options)
    assert (tmp_path / "crash.pt").exists()


@pytest.mark.parametrize(
    ("flags", "way_out"),
    [
        (["--memory-efficient-fp16"], "use --autocast-bf16 in place of --fp16 and --memory-efficient-fp16"),
        (["--adam-betas", "0.9"], 'give two numbers, as in "(0.9, 0.98)"'),
        (["--adam-betas", "(0.99, 0.9)"], "betas must be in [0, 1)"),
    ],
    ids=["half", "one-beta", "diverging"],
)
def test_commands_that_cannot_work_end_with_a_sentence(
    flags: list[str], way_out: str, corpus: Path, tmp_path: Path
) -> None:
    arguments = training_arguments(corpus, tmp_path)
    sentence = refusal(fairseq_cli_train.cli_main, *arguments, *ROW_ADAM, *flags)
    assert way_out in sentence


@pytest.mark.parametrize(
    ("option", "way_out"),
    [
        ({"fp16": True}, "use --autocast-bf16 in place of --fp16 and --memory-efficient-fp16"),
        ({"bf16": True, "tpu": True}, "use --autocast-bf16 in place of --bf16"),
        ({"amp": True}, "use --autocast-bf16 in place of --amp"),
        ({"tpu": True}, "leave --tpu out"),
        ({"use_bmuf": True}, "leave --use-bmuf out"),
        ({"zero_sharding": "os"}, "leave --zero-sharding out"),
        ({"ddp_backend": "slowmo"}, "use c10d or legacy_ddp"),
    ],
)
def test_what_does_not_go_together_is_refused(option: dict[str, Any], way_out: str) -> None:
    usual = {"zero_sharding": "none", "ddp_backend": "c10d"}
    check_options(SimpleNamespace(**usual))
    with pytest.raises(UsageError, match=way_out):
        check_options(SimpleNamespace(**{**usual, **option}))


def optimizers(dense: nn.Parameter, rows: nn.Parameter) -> tuple[FairseqOptimizer, FairseqOptimizer]:
    options: dict[str, Any] = {"lr": [0.01], "weight_decay": 0.1, "adam_betas": "(0.9, 0.98)"}
    return (
        FairseqAdam(FairseqAdamConfig(**options), [dense]),
        FairseqRowAdam(RowAdamConfig(**options), [rows]),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_dense_gradients_are_stepped_as_by_adam(dtype: torch.dtype) -> None:
    parameters = [nn.Parameter(torch.linspace(-1, 1, 30).to(dtype)) for _ in range(2)]
    both = optimizers(*parameters)
    for step in range(5):
        gradient = torch.randn(30, generator=torch.Generator().manual_seed(step)).to(dtype)
        for parameter, optimizer in zip(parameters, both, strict=True):
            parameter.grad = gradient.clone()
            optimizer.set_lr(0.01 / (1 + step))
            optimizer.multiply_grads(0.5)
            optimizer.clip_grad_norm(1.0)
            optimizer.step()
        assert torch.equal(*parameters)


@pytest.mark.parametrize("factor", [0.25, torch.tensor(0.25)])
@pytest.mark.parametrize("max_norm", [0.0, 0.5])
def test_norms_count_repeated_rows_once(factor: float | Tensor, max_norm: float) -> None:
    table, others = torch.randn(9, 4), torch.randn(3)
    rows = torch.tensor([[2, 5, 2, 2, 8]])
    values = torch.randn(5, 4)
    summed = torch.zeros(9, 4).index_add(0, rows[0], values)
    expected = factor * torch.cat([summed.flatten(), others]).norm()
    norms, gradients = [], []
    for is_sparse in (False, True):
        parameters = [nn.Parameter(table.clone()), nn.Parameter(others.clone())]
        gradient = torch.sparse_coo_tensor(rows, values.clone(), table.shape, check_invariants=True)
        parameters[0].grad = gradient if is_sparse else gradient.to_dense()
        parameters[1].grad = others.clone()
        optimizer = FairseqRowAdam(RowAdamConfig(lr=[0.01]), parameters)
        optimizer.multiply_grads(factor)
        norms.append(optimizer.clip_grad_norm(max_norm))
        gradients.append(parameters[0].grad.to_dense())
    torch.testing.assert_close(*norms)
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(norms[1], torch.as_tensor(expected))


def test_processes_that_do_not_save_are_brought_up_to_date_too() -> None:
    embedding = nn.Embedding(4, 2, sparse=True)
    optimizer = FairseqRowAdam(RowAdamConfig(lr=[0.1]), embedding.parameters())
    assert isinstance(optimizer.optimizer, RowAdam)
    for row in (2, 3):
        optimizer.zero_grad()
        embedding(torch.tensor([row])).sum().backward()
        optimizer.step()
    before = embedding.weight.detach().clone()
    optimizer.optimizer.consolidate_state_dict()
    assert (embedding.weight != before).any(-1).tolist() == [False, False, True, False]
