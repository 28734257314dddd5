"""fairseq's commands print the same with ``--task translation_mhe`` as without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mhe_nmt import waiting
from tests.user_dir.fairseq_commands import Output, fairseq_generate, fairseq_interactive, fairseq_train
from tests.user_dir.toy_corpus import SIZES, sentence_pairs
from tests.user_dir.trained_models import Trained
from user_dir.decoding.state import StepState
from user_dir.errors import UsageError
from user_dir.models.transformer_mhe import TransformerMHEModel

CANDIDATES = ["--task", "translation_mhe"]
OPTIONS: dict[str, list[Any]] = {
    "default": [],
    "three best": ["--nbest", 3, "--lenpen", 0.6],
    "prefixes": ["--prefix-size", 2],
    "no repeats": ["--no-repeat-ngram-size", 2, "--unkpen", 1],
    "alignment": ["--print-alignment", "hard"],
    "references": ["--score-reference"],
    "sampling": ["--sampling", "--sampling-topk", 5, "--beam", 2, "--nbest", 2, "--seed", 3],
    "diverse groups": ["--beam", 6, "--diverse-beam-groups", 3, "--nbest", 2],
    "diverse siblings": ["--diversity-rate", 0.4],
    "source length": ["--match-source-len"],
    # These take the dense path by themselves.
    "temperature": ["--temperature", 1.5],
    "nucleus": ["--sampling", "--sampling-topp", 0.7, "--beam", 2, "--nbest", 2, "--seed", 3],
}


def assert_same_lines(expected: Output, found: Output) -> None:
    """The same sentences with the same scores, to the precision with which they are printed."""
    for mark in ("S", "T", "H", "D", "P", "A"):
        theirs, ours = expected.lines(mark), found.lines(mark)
        assert sorted(ours) == sorted(theirs)
        for number, lines in theirs.items():
            assert len(ours[number]) == len(lines)
            for line, own in zip(lines, ours[number], strict=True):
                if mark in ("H", "D"):
                    assert own[1] == line[1]
                if mark in ("H", "D", "P"):
                    scores, own_scores = (
                        [float(part) for part in fields[0].split()] for fields in (line, own)
                    )
                    assert own_scores == pytest.approx(scores, abs=2e-4)
                else:
                    assert own == line


#: The fast set takes every second option, each with one of the heads; the slow tests add the others.
OF_HEADS = [
    pytest.param(head, name, marks=[pytest.mark.slow] if (2 * h + n) % 4 else [])
    for h, head in enumerate(("mixture", "cascade-tied"))
    for n, name in enumerate(OPTIONS)
]


@pytest.mark.parametrize(("head", "name"), OF_HEADS)
def test_generate(trained: Callable[[str], Trained], head: str, name: str) -> None:
    run, options = trained(head), OPTIONS[name]
    expected = fairseq_generate(run.data, run.checkpoint, *options)
    steps = mock.patch.object(StepState, "column_scores", autospec=True, side_effect=StepState.column_scores)
    with steps as columns:
        found = fairseq_generate(run.data, run.checkpoint, *CANDIDATES, *options)
    assert sorted(found.lines("H")) == list(range(SIZES["test"]))
    assert_same_lines(expected, found)
    dense = [line for line in found.messages if "dense path" in line]
    if "--temperature" in options or "--sampling-topp" in options:
        assert len(dense) == 1
        assert not columns.called
    else:
        assert not dense
        assert columns.called or "--score-reference" in options


@pytest.mark.parametrize(("head", "name"), [("cascade-digit", "no repeats"), ("product", "prefixes")])
def test_generate_as_on_a_device(trained: Callable[[str], Trained], head: str, name: str) -> None:
    """Where the host must not look at values."""
    run, options = trained(head), OPTIONS[name]
    expected = fairseq_generate(run.data, run.checkpoint, *options)
    with mock.patch.object(waiting, "may_wait", return_value=False):
        assert_same_lines(expected, fairseq_generate(run.data, run.checkpoint, *CANDIDATES, *options))


@pytest.mark.parametrize("wanted", ["dense", "candidates"])
def test_the_search_can_be_chosen(trained: Callable[[str], Trained], wanted: str) -> None:
    run = trained("product")
    expected = fairseq_generate(run.data, run.checkpoint)
    found = fairseq_generate(run.data, run.checkpoint, *CANDIDATES, "--mhe-search", wanted)
    assert_same_lines(expected, found)
    assert any("--mhe-search dense" in line for line in found.messages) == (wanted == "dense")


def test_candidates_that_cannot_be_are_refused(trained: Callable[[str], Trained]) -> None:
    run = trained("product")
    with pytest.raises(UsageError, match="--mhe-search candidates is impossible because of --temperature"):
        fairseq_generate(
            run.data, run.checkpoint, *CANDIDATES, "--mhe-search", "candidates", "--temperature", 1.5
        )


def test_generate_with_an_ensemble(trained: Callable[[str], Trained]) -> None:
    runs = [trained(name) for name in ("product", "cascade-digit")]
    paths = ":".join(str(run.checkpoint) for run in runs)
    expected = fairseq_generate(runs[0].data, paths, "--nbest", 2)
    assert_same_lines(expected, fairseq_generate(runs[0].data, paths, *CANDIDATES, "--nbest", 2))


def test_interactive(trained: Callable[[str], Trained], tmp_path: Path) -> None:
    run = trained("cascade")
    typed = tmp_path / "typed.txt"
    typed.write_text("".join(f"{source}\n" for source, _ in sentence_pairs(7, 10, 5)), encoding="utf-8")
    options = ["--input", typed, "--buffer-size", 4, "--batch-size", 4, "--nbest", 2]
    expected = fairseq_interactive(run.data, run.checkpoint, *options)
    found = fairseq_interactive(run.data, run.checkpoint, *CANDIDATES, *options)
    assert sorted(found.lines("H")) == list(range(7))
    assert_same_lines(expected, found)


def test_the_log_names_the_reason_once(trained: Callable[[str], Trained]) -> None:
    for head, reason in (("onehot", "OneHotHead"), ("sampling", "SamplingHead"), ("joint", "joint form")):
        run = trained(head)
        found = fairseq_generate(run.data, run.checkpoint, *CANDIDATES)
        (line,) = [message for message in found.messages if "dense path" in message]
        assert reason in line


@pytest.mark.slow
def test_bleu_during_training(corpus: Path, tmp_path: Path) -> None:
    """``--eval-bleu``: both searches give the same BLEU, and the checkpoint remembers the task."""
    fixed = [
        "--mhe-head", "product", "--eval-bleu", "--eval-bleu-args", '{"beam": 3, "max_len_b": 12}',
        "--eval-bleu-remove-bpe", "sentencepiece", "--max-update", 40, "--validate-interval-updates", 20,
    ]  # fmt: skip
    scores = []
    for task in ("translation", "translation_mhe"):
        output = fairseq_train(corpus, tmp_path / task, *fixed, "--task", task)
        scores.append([record["valid_bleu"] for record in output.records() if "valid_bleu" in record])
    assert scores[0]
    assert scores[0] == scores[1]
    # BLEU's counts are numpy arrays in the checkpoint; training resumes from it.
    more = fairseq_train(corpus, tmp_path / task, *fixed, "--task", task, "--max-update", 41)
    assert any("Loaded checkpoint" in message for message in more.messages)
    hub = TransformerMHEModel.from_pretrained(
        str(tmp_path / "translation_mhe"), "checkpoint_last.pt", str(corpus), bpe=None, tokenizer=None
    )
    with mock.patch.object(
        StepState, "column_scores", autospec=True, side_effect=StepState.column_scores
    ) as columns:
        texts = hub.translate(["▁s1 ▁s2", "▁s3"], beam=3)
    assert columns.called
    assert all(isinstance(text, str) for text in texts)
    assert len(texts) == 2
