"""The end-to-end tests share the toy corpus and the short trainings of ``tests/user_dir``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "user_dir"))

from trained_models import corpus, larger_corpus, order_file, trained

__all__ = ["corpus", "larger_corpus", "order_file", "trained"]
