"""Makes the fixtures of :mod:`.trained_models` known to the tests of this folder."""

from __future__ import annotations

import pytest

from tests.user_dir.trained_models import corpus, larger_corpus, order_file, separate_corpus, trained


def pytest_configure(config: pytest.Config) -> None:
    # Warnings that fairseq 0.12 causes in current versions of torch.
    for message in ("'pin_memory' argument", "Support for mismatched key_padding_mask"):
        config.addinivalue_line("filterwarnings", f"ignore:{message}:UserWarning")


__all__ = ["corpus", "larger_corpus", "order_file", "separate_corpus", "trained"]
