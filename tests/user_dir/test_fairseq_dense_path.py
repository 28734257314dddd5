"""Without targets the decoder returns log-probabilities over the dictionary, as all of fairseq expects."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.user_dir.fairseq_commands import fairseq_generate, fairseq_validate
from tests.user_dir.trained_models import CONFIGURATIONS, Trained, batches


def dense(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """The head's log-probabilities, ``(batch, length, V)``, computed without the decoder's output layer."""
    with torch.no_grad():
        return model.decoder.head.log_prob(model(**batch["net_input"], features_only=True)[0])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_normalised_probabilities_are_the_heads(name: str, trained: Callable[[str], Trained]) -> None:
    model, task = trained(name).loaded
    (batch,) = batches(task, "valid", size=64)
    with torch.no_grad():
        output = model(**batch["net_input"])
        probabilities = model.get_normalized_probs(output, log_probs=False)
        log_probabilities = model.get_normalized_probs(output, log_probs=True)
    assert probabilities.shape == (*batch["target"].shape, len(task.target_dictionary))
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(batch["target"].shape))
    torch.testing.assert_close(log_probabilities, dense(model, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_fairseq_validate_reports_the_dense_likelihood(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    model, task = run.loaded
    total, tokens, sentences = 0.0, 0, 0
    for batch in batches(task, "valid"):
        kept = batch["target"] != task.target_dictionary.pad()
        total -= dense(model, batch).gather(-1, batch["target"].unsqueeze(-1)).squeeze(-1)[kept].sum().item()
        tokens += int(kept.sum())
        sentences += len(batch["target"])
    assert sentences == 19
    bits = total / tokens / math.log(2)
    report = fairseq_validate(run.data, run.checkpoint)
    assert report["nll_loss"] == pytest.approx(bits, abs=1e-3)
    assert report["ppl"] == pytest.approx(2**bits, rel=1e-2)


@pytest.mark.parametrize("name", ["product", "mixture", "cascade", "cascade-digit", "sampling"])
def test_score_reference_gives_the_heads_scores(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    model, task = run.loaded
    output = fairseq_generate(run.data, run.checkpoint, "--score-reference")
    scores, positions = output.lines("H"), output.lines("P")
    assert sorted(scores) == list(range(21))
    for batch in batches(task, "test"):
        with torch.no_grad():
            features = model(**batch["net_input"], features_only=True)[0]
            expected = model.decoder.head.score(features, batch["target"].unsqueeze(-1)).squeeze(-1)
        for row, number in enumerate(batch["id"].tolist()):
            bits = expected[row][batch["target"][row] != task.target_dictionary.pad()] / math.log(2)
            shown = [float(value) for value in positions[number][0][0].split()]
            assert shown == pytest.approx(bits.tolist(), abs=1e-3)
            assert float(scores[number][0][0]) == pytest.approx(bits.mean().item(), abs=1e-5)


def test_a_step_with_incremental_state_equals_the_whole_sequence(trained: Callable[[str], Trained]) -> None:
    model, task = trained("cascade").loaded
    batch = batches(task, "valid")[0]
    prefix = batch["net_input"]["prev_output_tokens"]
    with torch.no_grad():
        encoded = model.encoder(batch["net_input"]["src_tokens"], batch["net_input"]["src_lengths"])
        state: dict[str, Any] = {}
        for length in range(1, prefix.size(1) + 1):
            step, _ = model.decoder(prefix[:, :length], encoder_out=encoded, incremental_state=state)
            torch.testing.assert_close(step[:, 0], dense(model, batch)[:, length - 1], rtol=1e-4, atol=1e-5)
            # From the first padding on, rows need not agree.
            if (prefix[:, length:] == task.target_dictionary.pad()).any():
                break
