"""Candidate search finds what the dense search finds, for all options, heads, vocabularies and ensembles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator

from mhe_nmt import waiting
from tests.user_dir.decoding_pairs import assert_same, both, random_batch, random_model
from tests.user_dir.trained_models import Trained, batches
from user_dir.decoding.generator import CandidateGenerator

HEADS = ["product", "mixture", "cascade", "cascade-tied", "cascade-digit", "three-heads", "order-file"]
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "greedy": {"beam": 1},
    "beam 12, more than half the vocabulary": {"beam": 12},
    "beam 50, more than the vocabulary": {"beam": 50, "max_len_b": 6},
    "length penalty": {"lenpen": 2.0},
    "unnormalised": {"unnormalized": True},
    "minimum length": {"min_len": 9},
    "maximum length": {"max_len_a": 0.5, "max_len_b": 3},
    "unknown words penalised": {"unkpen": 3.0},
    "unknown words favoured": {"unkpen": -3.0},
    "no repeated words": {"no_repeat_ngram_size": 2},
    "no repeated triples": {"no_repeat_ngram_size": 3, "beam": 3},
    "length of the source": {"match_source_len": True},
    "hard alignment": {"print_alignment": "hard"},
    "top-k sampling": {"sampling": True, "sampling_topk": 7, "beam": 3},
    "siblings of different rank": {"diversity_rate": 0.5},
    "siblings of different rank, many": {"diversity_rate": 0.1, "beam": 12},
    "two groups": {"beam": 4, "diverse_beam_groups": 2},
    "five groups of one": {"beam": 5, "diverse_beam_groups": 5, "diverse_beam_strength": 2.0},
}


@pytest.fixture(autouse=True, params=["as on a CPU", "as on a device"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the host may look at values during the search."""
    if request.param == "as on a device":
        monkeypatch.setattr(waiting, "may_wait", lambda tensor: False)


def generate(generator: Any, models: list[Any], batch: dict[str, Any], **options: Any) -> Any:
    torch.manual_seed(1)
    return generator.generate(models, batch, **options)


#: The fast set takes each option with every third head; the slow tests add the others.
OF_HEADS = [
    pytest.param(head, name, marks=[pytest.mark.slow] if (h + n) % 3 else [])
    for h, head in enumerate(HEADS)
    for n, name in enumerate(OPTIONS)
]


@pytest.mark.parametrize(("head", "name"), OF_HEADS)
def test_options(trained: Callable[[str], Trained], head: str, name: str) -> None:
    model, task = trained(head).loaded
    dense, candidates = both(task, [model], OPTIONS[name])
    assert isinstance(candidates, CandidateGenerator)
    for batch in batches(task, "test")[:2]:
        assert_same(generate(dense, [model], batch), generate(candidates, [model], batch))


@pytest.mark.parametrize("head", ["product", "cascade", "order-file"])
def test_prefixes_of_different_lengths(trained: Callable[[str], Trained], head: str) -> None:
    """Prefixes of words, with an unknown word, of a whole sentence with its end, and no prefix at all."""
    model, task = trained(head).loaded
    batch = batches(task, "test")[-1]
    prefix = batch["target"][:, :4].clone()
    pad, unknown, end = (getattr(task.target_dictionary, name)() for name in ("pad", "unk", "eos"))
    prefix[0, :] = pad
    prefix[1, 2:] = pad
    prefix[2, 1] = unknown
    prefix[3, 2], prefix[3, 3] = end, pad
    for options in ({}, {"unkpen": 1.5}, {"beam": 2}):
        dense, candidates = both(task, [model], options)
        assert_same(
            generate(dense, [model], batch, prefix_tokens=prefix),
            generate(candidates, [model], batch, prefix_tokens=prefix),
        )


@pytest.mark.parametrize("with_prefix", [False, True])
def test_suppressed_words(trained: Callable[[str], Trained], with_prefix: bool) -> None:
    model, task = trained("cascade").loaded
    batch = batches(task, "test")[-1]
    words = [task.target_dictionary[i] for i in range(4, 20, 3)]
    options: dict[str, Any] = {}
    if with_prefix:
        options["prefix_tokens"] = batch["target"][:, :1].clone()
        options["prefix_tokens"][::2] = task.target_dictionary.pad()
    dense, candidates = both(task, [model], {}, {"tokens_to_suppress": words})
    expected = generate(dense, [model], batch, **options)
    assert_same(expected, generate(candidates, [model], batch, **options))


@pytest.mark.parametrize("beam", [1, 5, 12])
@pytest.mark.parametrize("heads", [("product", "cascade"), ("cascade-digit", "mixture", "order-file")])
def test_ensembles(trained: Callable[[str], Trained], heads: tuple[str, ...], beam: int) -> None:
    models = [trained(head).loaded[0] for head in heads]
    task = trained(heads[0]).loaded[1]
    dense, candidates = both(task, models, {"beam": beam})
    assert isinstance(candidates, CandidateGenerator)
    for batch in batches(task, "test")[:2]:
        assert_same(generate(dense, models, batch), generate(candidates, models, batch))


def test_a_language_tag_as_first_token(trained: Callable[[str], Trained]) -> None:
    model, task = trained("product").loaded
    dense, candidates = both(task, [model], {})
    batch = batches(task, "test")[0]
    tag = len(task.target_dictionary) - 1
    expected = generate(dense, [model], batch, bos_token=tag)
    assert_same(expected, generate(candidates, [model], batch, bos_token=tag))


@pytest.mark.parametrize(
    ("size", "sharpness"),
    [
        pytest.param(size, sharpness, marks=[] if size in (12, 900) else [pytest.mark.slow])
        for size in (11, 12, 40, 900)
        for sharpness in (0.1, 1.0, 6.0)
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        {"mhe_head": "product"},
        {"mhe_head": "product", "mhe_groups": 3},
        {"mhe_head": "product", "mhe_num_heads": 3, "mhe_label_order": "random"},
        {"mhe_head": "cascade"},
        {"mhe_head": "cascade", "mhe_conditioning": "digit", "mhe_label_order": "random"},
        {"mhe_head": "cascade", "mhe_num_heads": 3},
    ],
    ids=lambda options: " ".join(str(value) for value in options.values()),
)
def test_random_models(size: int, sharpness: float, options: dict[str, Any]) -> None:
    """Distributions from nearly flat to sharp, vocabularies of 11 symbols and more."""
    model, task = random_model(size, sharpness, **options)
    batch = random_batch(size, 3, 5)
    for beam in (1, 4, 20):
        dense, candidates = both(task, [model], {"beam": beam, "max_len_a": 0, "max_len_b": 6})
        assert_same(generate(dense, [model], batch), generate(candidates, [model], batch))


@pytest.mark.parametrize(("head", "tolerance"), [("product", 1e-5), ("cascade", 0.1)])
def test_a_step_in_half_precision(head: str, tolerance: float) -> None:
    """The columns hold the dense scores of their labels, and the labels that are found are the best ones.

    Whole searches are not compared, because rounded logits often tie and each path may break a tie in its
    own way. The two paths of a cascade round their matrix products differently.
    """
    model, task = random_model(300, 3.0, mhe_head=head)
    model.bfloat16()
    dense, candidates = both(task, [model], {})
    encoded = dense.model.forward_encoder(random_batch(300, 4, 5)["net_input"])
    tokens = torch.full((4, 1), task.target_dictionary.eos())
    expected, _ = dense.model.forward_decoder(tokens, encoded, [{}], 1.0)
    special, _ = candidates.model.forward_decoder(tokens, encoded, [{}], 1.0)
    found, _, labels = candidates.current.state.best(torch.zeros(4, 1), 10)
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(special[:, :-1], expected[:, : special.size(1) - 1], **close)
    torch.testing.assert_close(found, expected.gather(-1, labels), **close)
    torch.testing.assert_close(found, expected.topk(10).values, **close)


FALLBACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "--temperature": ("product", {"temperature": 1.3}),
    "--sampling without": ("cascade", {"sampling": True}),
    "--sampling-topp": ("cascade", {"sampling": True, "sampling_topk": 5, "sampling_topp": 0.8}),
    "--diverse-beam-strength": (
        "product",
        {"beam": 4, "diverse_beam_groups": 2, "diverse_beam_strength": -0.5},
    ),
    "--constraints": ("cascade", {"constraints": "ordered"}),
    "OneHotHead": ("onehot", {}),
    "SamplingHead": ("sampling", {}),
    "joint form": ("joint", {}),
}


@pytest.mark.parametrize("reason", FALLBACKS)
def test_options_that_need_all_scores_take_the_dense_path(
    trained: Callable[[str], Trained], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    head, options = FALLBACKS[reason]
    model, task = trained(head).loaded
    with caplog.at_level("INFO", logger="user_dir"):
        dense, other = both(task, [model], options)
    assert type(other) is SequenceGenerator
    lines = [record.message for record in caplog.records if "dense path" in record.message]
    assert len(lines) == 1
    assert reason in lines[0]
    if reason == "--constraints":
        # fairseq's constrained search needs a batch with constraints.
        return
    batch = batches(task, "test")[0]
    assert_same(generate(dense, [model], batch), generate(other, [model], batch))
