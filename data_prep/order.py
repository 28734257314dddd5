"""The ``order`` command: a label order of the target dictionary, learned from the training text."""

import numpy as np

from data_prep.cluster import align_places, balanced_order, word_vectors
from data_prep.lines import read_lines, write_lines
from data_prep.manifest import Manifest, file_record
from data_prep.options import OrderOptions
from mhe_nmt.codec import balanced_radices

SPECIAL_SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>")
"""fairseq's own symbols, which come before those of the dictionary file."""


def write_order(options: OrderOptions) -> int:
    """Writes the ranks of symbols 0, 1, 2 …, one per line, after comments that say where they come from.

    With the default cluster size, the last of two near-equal radices, the first digit is the cluster.

    Returns:
        The number of symbols.

    Raises:
        PrepError: if the folder was not made by ``prepare``, or if one of its files is gone or was changed.
    """
    manifest = Manifest.load(options.data)
    lang = options.lang or manifest.options["target_lang"]
    dictionary, text = manifest.path(f"dict.{lang}.txt"), manifest.path(f"text/train.{lang}")
    symbols = [*SPECIAL_SYMBOLS, *(line.rsplit(" ", 1)[0] for line in read_lines(dictionary))]
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    unknown, end = numbers["<unk>"], numbers["</s>"]
    sentences = [
        [end, *(numbers.get(piece, unknown) for piece in line.split()), end] for line in read_lines(text)
    ]
    size = options.cluster_size or balanced_radices(len(symbols), 2)[-1]
    vectors = word_vectors(
        sentences, len(symbols), window=options.window, dimensions=options.dimensions, seed=options.seed
    )
    counts = np.bincount(np.concatenate(sentences), minlength=len(symbols))
    order = align_places(vectors, balanced_order(vectors, size), size, counts)
    ranks = np.empty(len(symbols), dtype=np.int64)
    ranks[order] = np.arange(len(symbols))
    sources = ", ".join(f"{path.name} {file_record(path)['sha256'][:16]}" for path in (dictionary, text))
    write_lines(
        options.output,
        [
            f"# ranks of {len(symbols)} symbols in aligned clusters of {size}, PPMI-SVD: window "
            f"{options.window}, {options.dimensions} dimensions, seed {options.seed}",
            f"# of {sources}",
            *map(str, ranks.tolist()),
        ],
    )
    return len(symbols)
