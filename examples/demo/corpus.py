"""Makes a German→English parallel corpus with no download: sentence patterns filled from CLDR.

    python -m examples.demo.corpus DEST [--pairs 40000] [--seed 1]

writes DEST/{train,valid,test}.{de,en}. The same options give the same files. No sentence, German or English,
stands twice, so nothing of the test set is seen in training; its patterns are, with other words and numbers
in them.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from random import Random

from mhe_nmt.files import replacing

from .nouns import Pair
from .patterns import PATTERNS, fill

SPLITS = ("train", "valid", "test")
SIDES = ("de", "en")


def make_pairs(number: int, seed: int = 1) -> list[Pair]:
    """`number` pairs in random order, with every German and every English sentence different."""
    rng = Random(seed)
    pairs: dict[str, str] = {}
    english_seen: set[str] = set()
    misses = 0
    while len(pairs) < number:
        german, english = fill(rng.choice(PATTERNS), rng)
        if german in pairs or english in english_seen:
            misses += 1
            if misses > 10 * number + 1000:
                raise ValueError(f"the patterns do not give {number} different sentence pairs; ask for fewer")
            continue
        pairs[german] = english
        english_seen.add(english)
    return list(pairs.items())


def make_splits(
    pairs: int = 40_000, valid: int = 500, test: int = 1000, seed: int = 1
) -> dict[str, list[Pair]]:
    """Test, validation and training pairs, `pairs` in all. Raises ValueError if no training pair is left."""
    if min(valid, test) < 1 or valid + test >= pairs:
        raise ValueError(
            f"{pairs} pairs leave nothing to train on beside {valid} for validation and {test} for test"
        )
    drawn = make_pairs(pairs, seed)
    return {"test": drawn[:test], "valid": drawn[test : test + valid], "train": drawn[test + valid :]}


def write_corpus(folder: Path, splits: dict[str, list[Pair]]) -> None:
    """DEST/{train,valid,test}.{de,en}; names appear only once all files are whole."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for split in SPLITS:
            for side, language in enumerate(SIDES):
                partial = stack.enter_context(replacing(folder / f"{split}.{language}"))
                partial.write_text("".join(pair[side] + "\n" for pair in splits[split]), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo.corpus", description=__doc__.split("\n")[0]
    )
    parser.add_argument("dest", type=Path, help="folder to write {train,valid,test}.{de,en} into")
    parser.add_argument(
        "--pairs", type=int, default=40_000, help="sentence pairs in all (default: %(default)s)"
    )
    parser.add_argument(
        "--valid", type=int, default=500, help="of them for validation (default: %(default)s)"
    )
    parser.add_argument(
        "--test", type=int, default=1000, help="of them for the test set (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        splits = make_splits(options.pairs, options.valid, options.test, options.seed)
        write_corpus(options.dest, splits)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for split in SPLITS:
        print(f"{options.dest / split}.{{de,en}}: {len(splits[split]):,} pairs")


if __name__ == "__main__":
    main()
