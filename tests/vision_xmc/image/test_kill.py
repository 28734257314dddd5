"""The real command, killed in the middle of an epoch and resumed, ends like an uninterrupted run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vision_xmc.commands import DIGITS, kill_after, run
from tests.vision_xmc.engine.toy_task import assert_same_weights, records


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        ["--head", "product", "--radices", 10, 10, "--average", "ema", "--policy", "none"],
        [
            "--head",
            "sampling",
            "--sample-fraction",
            0.3,
            "--accumulate",
            2,
            "--mixup",
            0.2,
            "--num-workers",
            1,
        ],
    ],
)
def test_kill_and_resume(head: list[object], tmp_path: Path) -> None:
    arguments = [*DIGITS, *head, "--epochs", 2, "--log-steps", 1, "--save-steps", 4]
    log = tmp_path / "broken" / "metrics.jsonl"
    # An epoch has ten updates and one record of the evaluation, so that line 17 is update 16.
    kill_after(17, log, *arguments, "--output", tmp_path / "broken")
    assert records(tmp_path / "broken", "final") == []
    assert run(*arguments, "--output", tmp_path / "broken") == 0
    assert run(*arguments, "--output", tmp_path / "whole", "--num-workers", 0) == 0
    assert log.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for name in ("last.pt", "best.pt"):
        assert_same_weights(tmp_path / "broken" / name, tmp_path / "whole" / name)
