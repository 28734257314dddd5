"""``fairseq-generate`` on the dense path prints the scores that teacher forcing gives."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.shares import one_in
from tests.user_dir.fairseq_commands import Output, fairseq_generate
from tests.user_dir.toy_corpus import SIZES
from tests.user_dir.trained_models import CONFIGURATIONS, Trained, batches

#: These have, between them, all that can go wrong: unused codes, a permutation, a tied table.
HEADS = ["product", "mixture", "cascade-tied", "cascade-digit", "sampling"]


def forced(run: Trained, source: Tensor, text: str, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probabilities ``(length, V)`` by teacher forcing along ``text`` and its end, and the tokens."""
    model, task = run.loaded
    symbols = task.target_dictionary
    line = f"{text} {symbols[symbols.eos()]}"
    tokens = symbols.encode_line(line, append_eos=False, add_if_not_exist=False).long()
    previous = torch.cat([tokens[-1:], tokens[:-1]]).unsqueeze(0)
    with torch.no_grad():
        lengths = torch.tensor([source.numel()])
        features, _ = model(source.unsqueeze(0), lengths, previous, features_only=True)
        return (model.decoder.head.log_prob(features)[0] / temperature).log_softmax(-1), tokens


def rescored(runs: list[Trained], source: Tensor, text: str, temperature: float = 1.0) -> Tensor:
    """Log-probability (base 2) of each token; for several runs, of the mean of their probabilities."""
    scores = []
    for run in runs:
        log_prob, tokens = forced(run, source, text, temperature)
        scores.append(log_prob.gather(-1, tokens.unsqueeze(-1)).squeeze(-1))
    return (torch.stack(scores).logsumexp(0) - math.log(len(scores))) / math.log(2)


def sources_of(run: Trained) -> dict[int, Tensor]:
    _, task = run.loaded
    return {
        number: row[row != task.source_dictionary.pad()]
        for batch in batches(task, "test")
        for number, row in zip(batch["id"].tolist(), batch["net_input"]["src_tokens"], strict=True)
    }


def check_scores(
    output: Output, runs: list[Trained], *, temperature: float = 1.0, lenpen: float = 1.0
) -> None:
    """Checks that every printed score is the one that rescoring gives."""
    sources = sources_of(runs[0])
    hypotheses, positions = output.lines("H"), output.lines("P")
    assert sorted(hypotheses) == list(range(SIZES["test"]))
    for number, found in hypotheses.items():
        for (score, text), (shown,) in zip(found, positions[number], strict=True):
            expected = rescored(runs, sources[number], text, temperature)
            assert [float(value) for value in shown.split()] == pytest.approx(expected.tolist(), abs=2e-3)
            assert float(score) == pytest.approx(expected.sum().item() / len(expected) ** lenpen, abs=2e-3)


@pytest.fixture(params=HEADS)
def run(request: pytest.FixtureRequest, trained: Callable[[str], Trained]) -> Trained:
    return trained(request.param)


def test_beam_scores_are_the_models(run: Trained) -> None:
    output = fairseq_generate(run.data, run.checkpoint, "--beam", 5, "--nbest", 3)
    check_scores(output, [run])
    for found in output.lines("H").values():
        scores = [float(score) for score, _ in found]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert len({text for _, text in found}) == 3


@pytest.mark.parametrize("name", one_in(2, (name for name in CONFIGURATIONS if name not in HEADS)))
def test_every_configuration_translates_the_whole_test_set(
    name: str, trained: Callable[[str], Trained]
) -> None:
    run = trained(name)
    check_scores(fairseq_generate(run.data, run.checkpoint), [run])


def test_the_same_seed_repeats_the_sampling(trained: Callable[[str], Trained]) -> None:
    run = trained("cascade")
    fixed = [run.data, run.checkpoint, "--sampling", "--beam", 2, "--nbest", 2, "--sampling-topp", 0.9]
    first, again, other = (fairseq_generate(*fixed, "--seed", seed).lines("H") for seed in (5, 5, 6))
    assert sorted(first) == list(range(SIZES["test"]))
    assert first == again
    assert first != other


def test_sampled_tokens_are_among_the_best_and_have_the_models_scores(
    trained: Callable[[str], Trained],
) -> None:
    # Not a product head: trained so briefly, it gives ``<s>`` a share of the mass of ``</s>``, because both
    # have the same first digit. The printed text leaves ``<s>`` out and could not be rescored.
    run = trained("sampling")
    fixed = ["--sampling", "--beam", 2, "--nbest", 2, "--sampling-topk", 5]
    output = fairseq_generate(run.data, run.checkpoint, *fixed)
    check_scores(output, [run])
    sources, symbols, ranks = sources_of(run), run.loaded[1].target_dictionary, set()
    for number, found in output.lines("H").items():
        for _, text in found:
            log_prob, tokens = forced(run, sources[number], text)
            # fairseq never chooses padding, nor the end as the first token.
            log_prob[:, symbols.pad()] = log_prob[0, symbols.eos()] = -math.inf
            better = log_prob > log_prob.gather(-1, tokens.unsqueeze(-1)) + 1e-5
            # The limit on the length may have forced the end as the last token.
            ranks.update(better.sum(-1)[:-1].tolist())
    assert ranks == set(range(5))


def test_length_penalty(trained: Callable[[str], Trained]) -> None:
    run = trained("cascade")
    outputs = {}
    for lenpen in (0.0, 2.0):
        outputs[lenpen] = fairseq_generate(run.data, run.checkpoint, "--lenpen", lenpen)
        check_scores(outputs[lenpen], [run], lenpen=lenpen)
    short, long = (
        sum(len(found[0][1].split()) for found in outputs[lenpen].lines("H").values())
        for lenpen in (0.0, 2.0)
    )
    assert short <= long


@pytest.mark.parametrize("name", ["product", "cascade"])
def test_temperature(name: str, trained: Callable[[str], Trained]) -> None:
    run = trained(name)
    check_scores(fairseq_generate(run.data, run.checkpoint, "--temperature", 2.0), [run], temperature=2.0)


@pytest.mark.parametrize("names", [("product", "cascade"), ("mixture", "sampling")], ids="+".join)
def test_an_ensemble_averages_probabilities(
    names: tuple[str, str], trained: Callable[[str], Trained]
) -> None:
    runs = [trained(name) for name in names]
    paths = ":".join(str(run.checkpoint) for run in runs)
    check_scores(fairseq_generate(runs[0].data, paths), runs)


def test_batches_of_any_size_give_the_same_translations(trained: Callable[[str], Trained]) -> None:
    run = trained("cascade-tied")
    whole = fairseq_generate(run.data, run.checkpoint).lines("H")
    for options in (
        ["--batch-size", 1],
        ["--batch-size", 8],
        ["--max-tokens", 40],
        ["--max-tokens", 40, "--required-batch-size-multiple", 1],
    ):
        output = fairseq_generate(run.data, run.checkpoint, *options).lines("H")
        assert sorted(output) == sorted(whole)
        for number, ((score, text),) in output.items():
            ((expected_score, expected_text),) = whole[number]
            assert text == expected_text
            assert float(score) == pytest.approx(float(expected_score), abs=1e-4)


def test_pieces_are_joined(trained: Callable[[str], Trained]) -> None:
    run = trained("product")
    pieces = fairseq_generate(run.data, run.checkpoint).lines("H")
    words = fairseq_generate(run.data, run.checkpoint, "--remove-bpe", "sentencepiece").lines("H")
    for number, ((_, text),) in pieces.items():
        assert words[number][0][1] == text.replace(" ", "").replace("▁", " ").strip()
