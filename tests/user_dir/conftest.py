"""The fixtures of :mod:`trained_models`."""

from __future__ import annotations

import pytest

from tests.user_dir.trained_models import corpus, larger_corpus, order_file, separate_corpus, trained


def pytest_configure(config: pytest.Config) -> None:
    # What fairseq 0.12 brings about in the torch of today.
    for message in ("'pin_memory' argument", "Support for mismatched key_padding_mask"):
        config.addinivalue_line("filterwarnings", f"ignore:{message}:UserWarning")


__all__ = ["corpus", "larger_corpus", "order_file", "separate_corpus", "trained"]
