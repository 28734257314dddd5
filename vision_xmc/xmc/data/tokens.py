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
        folder: a folder that :func:`tokenise` made, with ``tokens.npy`` and ``offsets.npy``.
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
        """Number of tokens per text, ``(N,)`` int64."""
        return np.diff(self._offsets)


def load_tokeniser(path: Path) -> Any:
    """The tokeniser in a local encoder's folder; it lower-cases if its files say so.

    Raises:
        UsageError: if the folder holds no tokeniser.
    """
    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:
        # transformers and tokenizers may raise anything here, from OSError to a bare Exception.
        raise UsageError(
            f"{path} holds no tokeniser that transformers can load ({_first_line(error)}); copy the "
            "encoder's own tokeniser files, such as tokenizer.json, into the folder"
        ) from error


def token_lists(tokeniser: Any, texts: Sequence[str], max_len: int) -> list[list[int]]:
    """Token numbers of texts, at most ``max_len`` per text, special tokens included."""
    return tokeniser(list(texts), truncation=True, max_length=max_len, return_attention_mask=False)[
        "input_ids"
    ]


def tokenise(tokeniser: Any, texts: Sequence[str], max_len: int, cache: Path) -> Tokens:
    """Token numbers of texts, from ``cache`` if they were computed before.

    Args:
        tokeniser: see :func:`load_tokeniser`.
        texts: they are tokenised in chunks, and their tokens are written to disk, not kept in memory.
        max_len: how many tokens of a text are kept.
        cache: folder of all texts that were tokenised so far.
    """

    def make(folder: Path) -> None:
        lengths: list[int] = []
        with (folder / "raw").open("wb") as raw:
            for start in range(0, len(texts), _CHUNK):
                lists = token_lists(tokeniser, texts[start : start + _CHUNK], max_len)
                lengths += map(len, lists)
                for numbers in lists:
                    raw.write(np.asarray(numbers, dtype=np.int32).tobytes())
        # The file's header needs the total length, which is known only now.
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
    # Settings of the last call, which are not part of the tokeniser's identity.
    about.pop("truncation"), about.pop("padding")
    return json.dumps(about, sort_keys=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
