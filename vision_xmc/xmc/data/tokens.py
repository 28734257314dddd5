"""Texts as token numbers, memory-mapped from disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from vision_xmc.common.cache import digest, made_once
from vision_xmc.common.errors import UsageError

_CHUNK = 2000


class Tokens(Sequence[np.ndarray]):
    """Token numbers of many texts, special tokens included; ``tokens[n]`` is ``(length,)`` int32.

    Args:
        folder: what :func:`tokenise` left: ``tokens.npy`` and ``offsets.npy``.
    """

    def __init__(self, folder: Path) -> None:
        self._tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self._offsets = np.load(folder / "offsets.npy")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, number: Any) -> Any:
        return self._tokens[self._offsets[number] : self._offsets[number + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """``(N,)`` int64."""
        return np.diff(self._offsets)


def load_tokeniser(path: Path) -> Any:
    """The tokeniser of a local encoder, with its own lower-casing.

    Raises:
        UsageError: if there is none.
    """
    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:
        # transformers and tokenizers raise anything from OSError to a bare Exception here.
        raise UsageError(
            f"{path} holds no tokeniser that transformers can load ({_first_line(error)}); copy the files "
            "that belong to the encoder, such as tokenizer.json, into it"
        ) from error


def token_lists(tokeniser: Any, texts: Sequence[str], max_len: int) -> list[list[int]]:
    """Token numbers of texts, at most ``max_len`` of each, special tokens included."""
    return tokeniser(list(texts), truncation=True, max_length=max_len, return_attention_mask=False)[
        "input_ids"
    ]


def tokenise(tokeniser: Any, texts: Sequence[str], max_len: int, cache: Path) -> Tokens:
    """Token numbers of texts, from ``cache`` if they were made before.

    Args:
        tokeniser: see :func:`load_tokeniser`.
        texts: not all tokenised at once, nor kept in memory as numbers.
        max_len: longest sequence.
        cache: folder of all that was tokenised so far.
    """

    def make(folder: Path) -> None:
        lengths: list[int] = []
        with (folder / "raw").open("wb") as raw:
            for start in range(0, len(texts), _CHUNK):
                lists = token_lists(tokeniser, texts[start : start + _CHUNK], max_len)
                lengths += map(len, lists)
                for numbers in lists:
                    raw.write(np.asarray(numbers, dtype=np.int32).tobytes())
        # The header needs the length, which is known only now.
        count = sum(lengths)
        mapped = np.lib.format.open_memmap(folder / "tokens.npy", mode="w+", dtype=np.int32, shape=(count,))
        mapped[:] = np.memmap(folder / "raw", dtype=np.int32, mode="r", shape=(count,)) if count else 0
        mapped.flush()
        (folder / "raw").unlink()
        np.save(folder / "offsets.npy", np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))

    name = digest([_identity(tokeniser), str(max_len), digest(texts)])
    return Tokens(made_once(cache / f"tokens-{name}", make))


def _identity(tokeniser: Any) -> str:
    backend = getattr(tokeniser, "backend_tokenizer", None)
    if backend is None:
        return f"{type(tokeniser).__name__} {sorted(tokeniser.get_vocab().items())}"
    about = json.loads(backend.to_str())
    # What the last call asked for, which is no part of what the tokeniser is.
    about.pop("truncation"), about.pop("padding")
    return json.dumps(about, sort_keys=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
