"""Label orders of the target dictionary, learned from the training text: as a file, or as the dictionary."""

from pathlib import Path
from typing import Any

import numpy as np

from data_prep.cluster import align_places, balanced_order, word_vectors
from data_prep.dictionary import SPECIAL_SYMBOLS, read_symbols, write_reordered
from data_prep.errors import PrepError
from data_prep.lines import read_lines, write_lines
from data_prep.manifest import Manifest, file_record
from data_prep.options import OrderOptions, PrepareOptions
from mhe_nmt.radices import balanced_radices


def learned_ranks(
    dictionary: Path,
    text: Path,
    *,
    cluster_size: int | None = None,
    window: int = OrderOptions.window,
    dimensions: int = OrderOptions.dimensions,
    seed: int = OrderOptions.seed,
) -> tuple[np.ndarray, int]:
    """The rank of each symbol of a dictionary, learned from text in pieces.

    fairseq's own symbols get the ranks 0 to 3, because a dictionary in this order must begin with them.

    Args:
        dictionary: a dictionary file.
        text: one sentence of pieces per line.
        cluster_size: words per cluster; default: the last of two near-equal radices, so that the first digit
            is the cluster.
        window: how many words apart two neighbours may be.
        dimensions: of the word vectors.
        seed: of the decomposition.

    Returns:
        Ranks of symbols 0, 1, 2 …, ``(V,)`` int64, and the cluster size.
    """
    symbols = read_symbols(dictionary)
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    unknown, end = numbers["<unk>"], numbers["</s>"]
    sentences = [
        [end, *(numbers.get(piece, unknown) for piece in line.split()), end] for line in read_lines(text)
    ]
    size = cluster_size or balanced_radices(len(symbols), 2)[-1]
    vectors = word_vectors(sentences, len(symbols), window=window, dimensions=dimensions, seed=seed)
    counts = np.bincount(np.concatenate(sentences), minlength=len(symbols))
    pinned = len(SPECIAL_SYMBOLS)
    order = balanced_order(vectors, size, pinned=pinned)
    order = align_places(vectors, order, size, counts, pinned=pinned)
    ranks = np.empty(len(symbols), dtype=np.int64)
    ranks[order] = np.arange(len(symbols))
    return ranks, size


def write_order(options: OrderOptions) -> int:
    """Writes the ranks of symbols 0, 1, 2 …, one per line, after comments that say where they come from.

    Returns:
        The number of symbols.

    Raises:
        PrepError: if the folder was not made by ``prepare``, if one of its files is gone or was changed, or
            if its dictionary is in a learned order already.
    """
    manifest = Manifest.load(options.data)
    if manifest.is_reordered:
        raise PrepError(
            f"the dictionary of {options.data} is in a label order already, and needs no --mhe-label-order; "
            "to learn another order, give the folder that has the most frequent pieces first"
        )
    lang = options.lang or manifest.options["target_lang"]
    dictionary, text = manifest.path(f"dict.{lang}.txt"), manifest.path(f"text/train.{lang}")
    ranks, size = learned_ranks(
        dictionary,
        text,
        cluster_size=options.cluster_size,
        window=options.window,
        dimensions=options.dimensions,
        seed=options.seed,
    )
    sources = ", ".join(f"{path.name} {file_record(path)['sha256'][:16]}" for path in (dictionary, text))
    write_lines(
        options.output,
        [
            f"# ranks of {len(ranks)} symbols in aligned clusters of {size}, PPMI-SVD: window "
            f"{options.window}, {options.dimensions} dimensions, seed {options.seed}",
            f"# of {sources}",
            *map(str, ranks.tolist()),
        ],
    )
    return len(ranks)


def order_dictionaries(
    folder: Path, options: PrepareOptions, ranks: np.ndarray | None = None
) -> dict[str, Any]:
    """Puts the target dictionary, or the joined one, in a label order, so that label and rank are the same.

    Args:
        folder: with dictionaries, the most frequent pieces first, and ``text/train.LANG``.
        options: of the folder.
        ranks: of symbols 0, 1, 2 …, ``(V,)`` int64; default: learned.

    Returns:
        Facts for the manifest.
    """
    target = folder / f"dict.{options.target_lang}.txt"
    facts = {}
    if ranks is None:
        text = folder / "text" / f"train.{options.target_lang}"
        ranks, size = learned_ranks(target, text, cluster_size=options.cluster_size, seed=options.seed)
        facts = {"cluster_size": size}
    facts |= {"by_frequency": file_record(target)["sha256"]}
    for lang in options.languages if options.joined_dictionary else (options.target_lang,):
        path = folder / f"dict.{lang}.txt"
        write_reordered(path, path, ranks)
    return facts
