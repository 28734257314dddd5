"""fairseq's commands, run in this process (importing fairseq takes seconds) or as the installed scripts."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from fairseq import checkpoint_utils
from fairseq_cli import generate, interactive, train, validate

from user_dir.errors import explain

USER_DIR = Path(__file__).parents[2] / "user_dir"
SCRIPTS = Path(sys.executable).parent


@dataclass
class Output:
    """What a command printed and logged."""

    stdout: str
    messages: list[str] = field(default_factory=list)

    def lines(self, mark: str) -> dict[int, list[list[str]]]:
        """Per sentence, the tab-separated fields of the lines that fairseq marks ``"H"``, ``"P"`` …"""
        return marked_lines(self.stdout, mark)

    def records(self) -> list[dict[str, Any]]:
        """The JSON objects that ``--log-format json`` logged."""
        found = []
        for text in (*self.messages, *self.stdout.splitlines()):
            start = text.find('{"')
            # fairseq also logs its options as a Python dictionary.
            if start >= 0 and "{'" not in text and text.endswith("}"):
                found.append(json.loads(text[start:]))
        return found


def marked_lines(text: str, mark: str) -> dict[int, list[list[str]]]:
    """See :meth:`Output.lines`."""
    found: dict[int, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith(f"{mark}-"):
            number, *fields = line[2:].split("\t")
            found.setdefault(int(number), []).append(fields)
    return found


class CommandLineError(Exception):
    """The command line was refused by its parser."""


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def _as_in_a_new_process(arguments: list[str]) -> Iterator[tuple[io.StringIO, _Collector]]:
    """Undoes what fairseq leaves behind: logging handlers, the best score so far, random state."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    collector, stdout, stderr = _Collector(), io.StringIO(), io.StringIO()
    root.handlers, root.level = [collector], logging.INFO
    for function, name in (
        (checkpoint_utils.save_checkpoint, "best"),
        (train.should_stop_early, "best"),
        (train.should_stop_early, "num_runs"),
    ):
        if hasattr(function, name):
            delattr(function, name)
    try:
        with (
            mock.patch.object(sys, "argv", ["fairseq", *arguments]),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            torch.random.fork_rng(),
            warnings.catch_warnings(action="ignore"),
        ):
            yield stdout, collector
    except SystemExit as error:
        # argparse exits in this way; the last line of stderr is the reason.
        raise CommandLineError((stderr.getvalue().splitlines() or [""])[-1]) from error
    finally:
        root.handlers, root.level = handlers, level


def run(command: Callable[[], Any], *arguments: Any) -> Output:
    """Runs a ``cli_main`` in this process."""
    with _as_in_a_new_process([str(argument) for argument in arguments]) as (stdout, collector):
        command()
    return Output(stdout.getvalue(), collector.messages)


def refusal(command: Callable[[], Any], *arguments: Any) -> str:
    """The sentence with which the command ends; an error without a sentence is raised."""
    try:
        run(command, *arguments)
    except CommandLineError as error:
        return str(error)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        assert "\n" not in sentence
        return sentence
    raise AssertionError("the command went through")


def fairseq_train(data: Path, save_dir: Path, *options: Any) -> Output:
    return run(train.cli_main, *training_arguments(data, save_dir), *options)


def training_arguments(data: Path, save_dir: Path) -> list[str]:
    """The options of every training here: a model of a few thousand parameters, eight quick updates."""
    # fmt: off
    arguments = [
        data, "--user-dir", USER_DIR, "--save-dir", save_dir, "--cpu", "--num-workers", 0, "--seed", 7,
        "--arch", "transformer_mhe_tiny", "--criterion", "mhe_ce", "--label-smoothing", 0.1,
        "--encoder-embed-dim", 32, "--decoder-embed-dim", 32, "--encoder-ffn-embed-dim", 32,
        "--decoder-ffn-embed-dim", 32, "--encoder-layers", 1, "--decoder-layers", 1,
        "--encoder-attention-heads", 2, "--decoder-attention-heads", 2, "--dropout", 0.1,
        "--optimizer", "adam", "--lr", 5e-3, "--clip-norm", 1.0, "--max-tokens", 300, "--max-update", 8,
        "--no-progress-bar", "--log-format", "json", "--log-interval", 1,
    ]
    # fmt: on
    return [str(argument) for argument in arguments]


def fairseq_generate(data: Path, checkpoint: Path | str, *options: Any) -> Output:
    return run(generate.cli_main, *decoding_arguments(data, checkpoint), *options)


def fairseq_interactive(data: Path, checkpoint: Path | str, *options: Any) -> Output:
    return run(interactive.cli_main, *decoding_arguments(data, checkpoint), *options)


def decoding_arguments(data: Path, checkpoint: Path | str) -> list[str]:
    # Models trained so briefly seldom end a sentence; without a limit they produce 200 tokens.
    limit = ["--max-len-b", 14]
    fixed = [data, "--user-dir", USER_DIR, "--path", checkpoint, "--cpu", "--num-workers", 0]
    return [str(argument) for argument in (*fixed, *limit)]


def fairseq_validate(data: Path, checkpoint: Path | str, *options: Any) -> dict[str, float]:
    """The figures that ``fairseq-validate`` reports, by name."""
    fixed = [data, "--user-dir", USER_DIR, "--path", checkpoint, "--cpu", "--num-workers", 0]
    fixed += ["--task", "translation", "--max-tokens", 300]
    report = run(validate.cli_main, *fixed, "--log-format", "json", *options).records()[-1]
    return {name.removeprefix("valid_"): float(value) for name, value in report.items() if name != "epoch"}


def script(
    name: str, *arguments: Any, cwd: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs an installed command (or ``python``) to its end."""
    return subprocess.run(
        [SCRIPTS / name, *(str(argument) for argument in arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env=one_thread(),
        check=False,
    )


def one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
