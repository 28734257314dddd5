"""The losses of the first updates of every output layer are those that were recorded."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.golden_losses import GOLDEN, HEADS, UPDATES

ROOT = Path(__file__).parents[2]
RELATIVE_TOLERANCE = 1e-3


@pytest.mark.slow
def test_losses_are_those_recorded(tmp_path: Path) -> None:
    # In a process of its own: fairseq registers a plug-in once, and other tests may have done so.
    output = tmp_path / "losses.json"
    command = [sys.executable, "-m", "examples.golden_losses", "--output", str(output)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    measured = json.loads(output.read_text(encoding="utf-8"))
    assert list(golden) == list(measured) == list(HEADS)
    changed = [
        f"{name}, update {update}: {now} instead of {then}"
        for name, losses in golden.items()
        for update, (then, now) in enumerate(zip(losses, measured[name], strict=True), 1)
        if not math.isclose(then, now, rel_tol=RELATIVE_TOLERANCE)
    ]
    assert not changed, (
        "the first losses of some output layers have changed; a change of these numbers must be explained in "
        "the commit that rewrites them with `python -m examples.golden_losses`:\n" + "\n".join(changed)
    )


def test_each_output_layer_learns_in_these_updates() -> None:
    for name, losses in json.loads(GOLDEN.read_text(encoding="utf-8")).items():
        assert len(losses) == UPDATES, name
        assert losses[-1] < 0.9 * losses[0], name
