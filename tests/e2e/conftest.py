"""End-to-end tests use the toy corpus and the short trainings of ``tests/user_dir``."""

from __future__ import annotations

from tests.user_dir.trained_models import corpus, larger_corpus, order_file, trained

__all__ = ["corpus", "larger_corpus", "order_file", "trained"]
