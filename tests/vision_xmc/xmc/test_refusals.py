"""Mistakes with the text trainer end in one sentence on standard error and a non-zero exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.vision_xmc.xmc.corpus import QUICK, run, write_corpus, write_lines
from tests.vision_xmc.xmc.tiny_encoders import save_encoder

MISTAKES: dict[str, tuple[list[Any], str]] = {
    "groups": (["--num-groups", 40],
        "--num-groups must be at least 2 and below the number of labels, 40, got 40"),
    "negative groups": (["--num-groups", -1], "--num-groups must be at least 2"),
    "radices": (["--radices", 5, 7], "--radices: radices [5, 7] give 35 codes, too few for 40 labels"),
    "three radices": (["--radices", 5, 7, 2],
        "--radices takes two numbers, groups and labels per group, got 5 7 2"),
    "groups twice": (["--radices", 5, 8, "--num-groups", 5], "--num-groups and --radices set the same thing"),
    "candidates": (["--candidates-topk", -1], "--candidates-topk must be at least 0, got -1"),
    "sparse and not row-wise": (["--sparse-labels", "--no-row-wise"], "leave out --no-row-wise"),
    "sparse one-vs-all": (["--num-groups", 0, "--sparse-labels"], "--sparse-labels needs groups"),
    "hidden": (["--hidden-dim", 0], "hidden_features must be at least 1, got 0"),
    "order": (["--label-order", "/none"], "--label-order /none: no such file; give clustered, given"),
    "valid size": (["--valid-size", 400], "--valid-size 400 holds out 400 of 400 documents"),
    "negative size": (["--test-size", -1], "--test-size must be at least 0, got -1"),
    "dropout": (["--term-dropout", 1], "--term-dropout must be from 0 to below 1, got 1"),
    "encoder": (["--encoder", "/none"], "--encoder /none: no such folder; give bow, minilm or"),
    "pooling": (["--pooling", "mean"], "--pooling and --feature-layers are for transformers"),
    "checkpointing": (["--gradient-checkpointing"], "--gradient-checkpointing is for transformers"),
    "terms": (["--min-documents", 401], "no term occurs in 401 training texts; give a smaller"),
    "label names": (["--label-names", "/none"], "/none: No such file or directory"),
    "sgd": (["--optimizer", "sgd", "--weight-decay", 0.1], "--optimizer sgd has neither weight decay"),
    "benchmark": (["--dataset", "eurlex-4k"],
        "eurlex-4k: there is no folder eurlex-4k; name the folder with --data-path"),
    "no folder": (["--dataset", "/none"], "--dataset /none: no such folder"),
    "rate": (["--encoder-lr", 0], "--encoder-lr must be above 0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize("name", MISTAKES)
def test_one_sentence(name: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, sentence = MISTAKES[name]
    arguments = ["--dataset", corpus, "--cache-dir", tmp_path / "cache", "--output", tmp_path / "run"]
    assert run(*arguments, *options) == 1
    assert_said(capsys, sentence)
    assert not (tmp_path / "run").exists()


def assert_said(capsys: pytest.CaptureFixture[str], sentence: str) -> None:
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("python -m vision_xmc.xmc")
    assert error.count("\n") == 1


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoders") / "bert", "bert")


def test_encoders_that_do_not_fit(
    corpus: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(folder: Path, sentence: str, *options: Any) -> None:
        arguments = ["--dataset", corpus, "--encoder", folder, "--max-len", 16, *options]
        assert run(*arguments, "--cache-dir", tmp_path / "cache", "--output", tmp_path / "run") == 1
        assert_said(capsys, sentence)

    refused(bert, "--feature-layers must be from 1 to the encoder's 3 layers, got 4", "--feature-layers", 4)
    refused(bert, "--max-len 65 is more than the 64 tokens", "--max-len", 65)
    for missing, sentence in (
        ("config.json", "is not the folder of a transformers model: it holds no config.json"),
        ("model.safetensors", "cannot be loaded: "),
        ("tokenizer.json", "tokens but the model knows 1,014: they do not belong together"),
    ):
        folder = tmp_path / missing
        shutil.copytree(bert, folder)
        for path in folder.glob("tokenizer*" if "tokenizer" in missing else missing):
            path.unlink()
        refused(folder, sentence)
    garbled = tmp_path / "garbled"
    shutil.copytree(bert, garbled)
    (garbled / "tokenizer.json").write_text("{")
    refused(garbled, "holds no tokeniser that transformers can load")
    deeper = tmp_path / "deeper"
    shutil.copytree(bert, deeper)
    config = json.loads((deeper / "config.json").read_text())
    (deeper / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    refused(deeper, "16 of the model's weights are missing, such as encoder.layer.3.")
    small = tmp_path / "small"
    shutil.copytree(bert, small)
    tokeniser = json.loads((small / "tokenizer.json").read_text())
    tokeniser["model"]["vocab"] |= {f"more{number}": 1014 + number for number in range(9)}
    (small / "tokenizer.json").write_text(json.dumps(tokeniser))
    refused(small, "has 1,023 tokens but the model knows 1,014: they do not belong together")


def test_models_and_texts_that_do_not_fit(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = corpus / "test_texts.txt"
    few = ["--epochs", 1, "--batch-size", 200, "--cache-dir", tmp_path / "cache"]
    assert run("--dataset", corpus, *QUICK, *few, "--output", tmp_path / "run") == 0
    other = write_corpus(tmp_path / "other")
    write_lines(other / "train_labels.txt", ["a b c"] * 400)
    assert run("--dataset", other, *few, "--num-groups", 0, "--output", tmp_path / "other run") == 0
    for arguments, sentence in (
        (["predict", tmp_path, "--texts", texts], "holds no trained model (model.json is missing)"),
        (["predict", tmp_path / "run", "--texts", "/none.txt"], "/none.txt: No such file"),
        (["predict", tmp_path / "run", "--texts", texts, "--top", 41], "--top must be from 1 to the"),
        (["predict", tmp_path / "run", "--texts", texts, "--candidates-topk", 0], "at least 1, got 0"),
        (["predict", tmp_path / "run", "--texts", texts, "--labels", other / "train_labels.txt"],
         "has 400 lines but there are 60 documents"),
        (["ensemble", tmp_path / "run", tmp_path / "other run", "--texts", texts],
         "have different labels; name models with the same labels"),
        (["export", tmp_path / "run", "--output", tmp_path / "m", "--weights", "x.pt"], "no checkpoint at"),
        (["--dataset", corpus, *QUICK, *few, "--radices", 4, 10, "--output", tmp_path / "run"],
         "holds a run with other options"),
    ):  # fmt: skip
        capsys.readouterr()
        if "--radices" in arguments:
            arguments = [a for a in arguments if a not in ("--num-groups", 6)]
        assert run(*arguments) == 1, arguments
        assert_said(capsys, sentence)
    # A text file that is cut short leaves no unfinished output.
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n{"te')
    capsys.readouterr()
    output = tmp_path / "found.jsonl"
    assert run("predict", tmp_path / "run", "--texts", tmp_path / "broken.jsonl", "--output", output) == 1
    assert_said(capsys, "broken.jsonl, line 2: expected an object")
    assert not output.exists()
