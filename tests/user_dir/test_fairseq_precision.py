"""Training, validation and translation in half and double precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.shares import one_in
from tests.user_dir.fairseq_commands import fairseq_generate, fairseq_train, fairseq_validate
from tests.user_dir.toy_corpus import SIZES
from tests.user_dir.trained_models import CONFIGURATIONS, Trained, batches, load, parameters


@pytest.mark.parametrize("name", one_in(2, CONFIGURATIONS))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_the_loss_in_another_precision(
    name: str, dtype: torch.dtype, trained: Callable[[str], Trained]
) -> None:
    run = trained(name)
    model, task = load(run.checkpoint)
    model.to(dtype)
    reference, _ = run.loaded
    (batch,) = batches(task, "valid", size=64)
    with torch.no_grad():
        options = {"target": batch["target"], "loss_weights": (0.9, 0.001), "reduce_loss": False}
        exact = reference(**batch["net_input"], **options)[0]
        found = model(**batch["net_input"], **options)[0]
        log_prob = model(**batch["net_input"])[0]
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert found.nll.dtype == found.loss.dtype == log_prob.dtype == wide
    error = {torch.float16: 1e-2, torch.bfloat16: 1e-1, torch.float64: 1e-4}[dtype]
    torch.testing.assert_close(found.nll.float(), exact.nll, rtol=error, atol=error)
    torch.testing.assert_close(found.loss.float(), exact.loss, rtol=error, atol=error)
    torch.testing.assert_close(log_prob.exp().sum(-1).float(), torch.ones(batch["target"].shape))
    if dtype != torch.float64:
        codes = [value for key, value in model.state_dict().items() if "codec" in key]
        assert all(value.dtype == torch.int64 for value in codes)


@pytest.mark.parametrize("name", one_in(3, ["cascade-tied", "product", "sampling"]))
def test_fairseq_generate_in_half_precision(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    references = [
        fairseq_generate(run.data, run.checkpoint, "--score-reference", *half).lines("H")
        for half in ([], ["--fp16"])
    ]
    assert len(references[0]) == SIZES["test"]
    for number, ((score, text),) in references[0].items():
        ((half_score, half_text),) = references[1][number]
        assert half_text == text
        assert float(half_score) == pytest.approx(float(score), abs=2e-2)
    assert sorted(fairseq_generate(run.data, run.checkpoint, "--fp16").lines("H")) == list(
        range(SIZES["test"])
    )


def test_fairseq_validate_in_half_precision(trained: Callable[[str], Trained]) -> None:
    run = trained("cascade")
    reports = [fairseq_validate(run.data, run.checkpoint, *half) for half in ([], ["--fp16"])]
    assert reports[1]["nll_loss"] == pytest.approx(reports[0]["nll_loss"], abs=2e-2)


@pytest.mark.parametrize("name", one_in(3, ["product", "cascade-tied", "sampling"]))
def test_training_in_half_precision(name: str, corpus: Path, tmp_path: Path) -> None:
    """``--memory-efficient-fp16``, the only kind that works on a CPU.

    For ``--fp16`` alone fairseq asks CUDA for a device; ``--bf16`` without CUDA makes it look for a TPU.
    """
    outputs = [
        fairseq_train(corpus, tmp_path / kind, *CONFIGURATIONS[name], *flags)
        for kind, flags in (("full", []), ("half", ["--memory-efficient-fp16"]))
    ]
    full, half = ([float(r["loss"]) for r in output.records() if "loss" in r] for output in outputs)
    assert half == pytest.approx(full, abs=2e-2)
    model, _ = load(tmp_path / "half" / "checkpoint_last.pt")
    for key, value in parameters(tmp_path / "half" / "checkpoint_last.pt").items():
        # fairseq saves half precision as float32.
        if "codec" in key or key.endswith(("target_counts", "drawn_counts", "draws")):
            assert value.dtype == torch.int64, key
        else:
            assert value.dtype == torch.float32, key
            assert torch.equal(value, value.half().float()), key
    assert model.decoder.head.codec.num_labels == 45


@pytest.mark.parametrize("name", one_in(2, ["onehot", "product", "sampling", "cascade-tied"]))
def test_training_with_products_in_bfloat16(name: str, corpus: Path, tmp_path: Path) -> None:
    """``--autocast-bf16`` changes losses a little, by rounding; weights stay in float32."""
    outputs = [
        fairseq_train(corpus, tmp_path / kind, *CONFIGURATIONS[name], *flags)
        for kind, flags in (("full", []), ("rounded", ["--autocast-bf16"]))
    ]
    full, rounded = ([float(r["loss"]) for r in output.records() if "loss" in r] for output in outputs)
    assert rounded == pytest.approx(full, abs=2e-2)
    weights = [parameters(tmp_path / kind / "checkpoint_last.pt") for kind in ("full", "rounded")]
    assert all(weights[1][key].dtype == value.dtype for key, value in weights[0].items())
    assert any(not torch.equal(weights[1][key], value) for key, value in weights[0].items())
    embedding = weights[1]["decoder.embed_tokens.weight"]
    assert not torch.equal(embedding, embedding.bfloat16().float())
