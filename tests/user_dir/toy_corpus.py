"""A parallel corpus on which a model trains in a second, binarised by fairseq's own command."""

from __future__ import annotations

from pathlib import Path
from random import Random

from fairseq_cli import preprocess

from tests.user_dir.fairseq_commands import run

#: Not multiples of 8, to which fairseq rounds its batches.
SIZES = {"train": 241, "valid": 19, "test": 21}
WORDS = 18


def sentence_pairs(number: int, words: int, seed: int) -> list[tuple[str, str]]:
    """Source sentences and their word-by-word translations in reverse order.

    Every target word consists of two SentencePiece pieces, ``▁t3 e3``, so that joining pieces has an effect.
    """
    rng = Random(seed)
    pairs = []
    for _ in range(number):
        sentence = [rng.randrange(words) for _ in range(rng.randint(2, 6))]
        source = " ".join(f"▁s{word}" for word in sentence)
        pairs.append((source, " ".join(f"▁t{word} e{word % 5}" for word in reversed(sentence))))
    return pairs


def make_corpus(folder: Path, *, words: int = WORDS, joined: bool = True) -> Path:
    """Writes the text under ``folder`` and returns the binarised data folder, languages ``xx`` and ``yy``."""
    for seed, (split, size) in enumerate(SIZES.items()):
        pairs = sentence_pairs(size, words, seed)
        for side, suffix in enumerate(("xx", "yy")):
            folder.joinpath(f"{split}.{suffix}").write_text(
                "".join(pair[side] + "\n" for pair in pairs), encoding="utf-8"
            )
    data = folder / "bin"
    # fmt: off
    run(
        preprocess.cli_main, "--source-lang", "xx", "--target-lang", "yy", "--destdir", data,
        *(part for split in SIZES for part in (f"--{split}pref", folder / split)),
        *(["--joined-dictionary"] if joined else []),
        # The default pads the dictionary to a multiple of 8, which would hide unused codes.
        "--padding-factor", 1, "--workers", 1,
    )
    # fmt: on
    return data
