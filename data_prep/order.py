"""The ``order`` command: a label order of the target dictionary, learned from the training text."""

from pathlib import Path

import numpy as np

from data_prep.cluster import align_places, balanced_order, word_vectors
from data_prep.lines import read_lines, write_lines
from data_prep.manifest import Manifest, file_record
from mhe_nmt.codec import balanced_radices

SPECIAL_SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>")
"""fairseq's, which come before those of the dictionary file."""


def write_order(
    data: Path,
    output: Path,
    *,
    lang: str | None = None,
    cluster_size: int | None = None,
    window: int = 2,
    dimensions: int = 64,
    seed: int = 1,
) -> int:
    """Writes one rank a line, of symbol 0, 1, 2 …, after comments that say where they come from.

    Args:
        data: folder that ``prepare`` made.
        output: file for ``--mhe-label-order``.
        lang: whose dictionary; default: the target language's.
        cluster_size: words a cluster; default: the last radix of two near-equal ones, so that the first digit
            is the cluster.
        window: how far neighbours may be apart.
        dimensions: of the word vectors.
        seed: of the SVD.

    Returns:
        The number of symbols.

    Raises:
        PrepError: if the folder was not made by ``prepare``, or a file of it has gone or was changed.
    """
    manifest = Manifest.load(data)
    lang = lang or manifest.options["target_lang"]
    dictionary, text = manifest.path(f"dict.{lang}.txt"), manifest.path(f"text/train.{lang}")
    symbols = [*SPECIAL_SYMBOLS, *(line.rsplit(" ", 1)[0] for line in read_lines(dictionary))]
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    unknown, end = numbers["<unk>"], numbers["</s>"]
    sentences = [
        [end, *(numbers.get(piece, unknown) for piece in line.split()), end] for line in read_lines(text)
    ]
    size = cluster_size or balanced_radices(len(symbols), 2)[-1]
    vectors = word_vectors(sentences, len(symbols), window=window, dimensions=dimensions, seed=seed)
    counts = np.bincount(np.concatenate(sentences), minlength=len(symbols))
    order = align_places(vectors, balanced_order(vectors, size), size, counts)
    ranks = np.empty(len(symbols), dtype=np.int64)
    ranks[order] = np.arange(len(symbols))
    sources = ", ".join(f"{path.name} {file_record(path)['sha256'][:16]}" for path in (dictionary, text))
    write_lines(
        output,
        [
            f"# ranks of {len(symbols)} symbols in aligned clusters of {size}, PPMI-SVD: window {window}, "
            f"{dimensions} dimensions, seed {seed}",
            f"# of {sources}",
            *map(str, ranks.tolist()),
        ],
    )
    return len(symbols)
