"""Options that cannot work end in a sentence that names what is wrong, before anything is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fairseq_cli import generate, train

from tests.shares import one_in
from tests.user_dir.fairseq_commands import decoding_arguments, refusal, training_arguments


def refused(data: Path, save_dir: Path, *options: Any) -> str:
    """The sentence with which training is refused; nothing is written to ``save_dir``."""
    sentence = refusal(train.cli_main, *training_arguments(data, save_dir), *options)
    assert not save_dir.exists() or not list(save_dir.iterdir())
    return sentence


# fmt: off
BAD_OPTIONS = [
    # The code.
    ("--mhe-radices 5,5", r"radices \[5, 5\] give 25 codes, too few for 45 labels.*for example \[7, 7\]"),
    ("--mhe-head product --mhe-radices 1,60", r"every radix must be at least 2, got \[1, 60\]"),
    ("--mhe-radices 60", r"at least 2 radices, got \[60\]"),
    ("--mhe-num-heads 1", "at least 2 heads, got 1"),
    ("--mhe-num-heads 0 --mhe-head sampling", "at least 2 heads, got 0"),
    ("--mhe-radices 7x7", "--mhe-radices '7x7': give integers separated by commas"),
    ("--mhe-radices 7,,7", "--mhe-radices '7,,7': give integers separated by commas"),
    # The head and options of another one.
    ("--mhe-head hierarchical", "argument --mhe-head: invalid choice: 'hierarchical' .*onehot.*cascade"),
    ("--mhe-head cascade --mhe-groups 2", "--mhe-groups belongs to --mhe-head product, .*leave it out"),
    ("--mhe-head onehot --mhe-group-form joint", "--mhe-group-form belongs to --mhe-head product"),
    ("--mhe-head product --mhe-conditioning digit", "--mhe-conditioning belongs to --mhe-head cascade"),
    ("--mhe-head sampling --mhe-hidden-dim 8", "--mhe-hidden-features belongs to --mhe-head cascade, not to"),
    ("--mhe-head product --mhe-sample-fraction 0.5", "--mhe-sample-fraction belongs to --mhe-head sampling"),
    ("--mhe-head onehot --mhe-radices 7,7",
     "--mhe-radices belongs to --mhe-head product or cascade or sampling, not .*leave it out"),
    ("--mhe-head onehot --mhe-label-order random",
     "--mhe-label-order belongs to --mhe-head product or cascade or sampling, not .*leave"),
    ("--mhe-head cascade --mhe-conditioning table --mhe-hidden-dim 8", "hidden.*'digit' only, got 8"),
    ("--mhe-head product --mhe-groups 0", "groups must be at least 1, got 0"),
    ("--mhe-head product --mhe-group-form joint", "joint form needs groups of at least 2"),
    ("--mhe-head sampling --mhe-sample-fraction 0", r"sample_fraction must be in \(0, 1\], got 0"),
    ("--mhe-head sampling --mhe-sample-fraction 1.5", r"sample_fraction must be in \(0, 1\], got 1.5"),
    # Sharing.
    ("--mhe-head product --share-all-embeddings",
     "--mhe-head product cannot share the decoder's embedding .*leave out --share-all-embeddings"),
    ("--mhe-conditioning digit --share-decoder-input-output-embed",
     "--mhe-head cascade cannot share .*leave out .*--share-decoder-input-output-embed"),
    ("--mhe-share-input-embeddings --share-all-embeddings", "--share-all-embeddings does; use that alone"),
    ("--mhe-share-input-embeddings --encoder-embed-dim 48", "needs embeddings of one size"),
    # Other options of fairseq.
    ("--arch transformer_tiny", "mhe_ce needs an architecture with an MHE.*label_smoothed_cross_entropy"),
    ("--criterion label_smoothed_cross_entropy",
     "--criterion label_smoothed_cross_entropy .*use --criterion mhe_ce"),
    ("--criterion label_smoothed_cross_entropy_with_ctc", "with_ctc cannot train .*use --criterion mhe_ce"),
    ("--ddp-backend fully_sharded", "--ddp-backend fully_sharded is not supported.*use c10d or legacy_ddp"),
    ("--adaptive-softmax-cutoff 10,20",
     "--adaptive-softmax-cutoff asks for another output layer; leave it out"),
    ("--base-layers 1", "transformer_mhe does not support --base-layers; leave it out"),
    ("--label-smoothing 1.0", r"--label-smoothing must be in \[0, 1\)"),
    ("--source-lang xx --target-lang zz", "language 'zz' is not in this data folder.*--target-lang"),
    ("--train-subset trainn", "trainn.*check the data folder, the subset"),
    ("--valid-subset validd", "validd.*check the data folder, the subset"),
]
# fmt: on


@pytest.mark.parametrize(("options", "reason"), one_in(2, BAD_OPTIONS))
def test_the_sentence_names_the_fault_and_the_way_out(
    options: str, reason: str, corpus: Path, tmp_path: Path
) -> None:
    sentence = refused(corpus, tmp_path / "run", *options.split())
    assert re.search(reason, sentence), sentence


# fmt: off
BAD_ORDERS = {
    "repeated": (lambda ranks: [*ranks[:-1], ranks[0]],
                 "rank .* already stands on line 2; .* must be a permutation"),
    "too large": (lambda ranks: [*ranks[:-1], "45"],
                  r"line 46: rank 45 is outside \[0, 45\); there are 45 symbols in"),
    "negative": (lambda ranks: ["-1", *ranks[1:]], r"line 2: rank -1 is outside"),
    "short": (lambda ranks: ranks[:-1],
              "holds 44 ranks but there are 45 symbols in the target dictionary, special"),
    "long": (lambda ranks: [*ranks, "45"], r"line 47: rank 45 is outside"),
    "fraction": (lambda ranks: ["1.5", *ranks[1:]], "line 2: '1.5' is not an integer rank"),
    "one line": (lambda ranks: [" ".join(ranks)], "line 2: .* is not an integer rank"),
    "empty": (lambda ranks: [], "holds 0 ranks"),
    "binary": (lambda ranks: ["\ufffd\0"], "line 2: .* is not an integer rank"),
}
# fmt: on


@pytest.mark.parametrize(("change", "reason"), BAD_ORDERS.values(), ids=BAD_ORDERS)
def test_files_that_hold_no_label_order(
    change: Any, reason: str, corpus: Path, order_file: Path, tmp_path: Path
) -> None:
    comment, *ranks = order_file.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "ranks.txt"
    path.write_text("\n".join([comment, *change(ranks)]) + "\n", encoding="utf-8")
    sentence = refused(corpus, tmp_path / "run", "--mhe-label-order", path)
    assert str(path) in sentence
    assert re.search(reason, sentence), sentence


def test_a_missing_label_order_file(corpus: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        sentence = refused(corpus, tmp_path / "run", "--mhe-label-order", path)
        assert f"--mhe-label-order {path}: no such file; give 'identity', 'random' or a file" in sentence


def test_a_folder_that_holds_no_data(tmp_path: Path) -> None:
    languages = ["--source-lang", "xx", "--target-lang", "yy"]
    for options in ([], languages):
        assert str(tmp_path / "none") in refused(tmp_path / "none", tmp_path / "run", *options)


def test_separate_dictionaries_cannot_share_input_embeddings(separate_corpus: Path, tmp_path: Path) -> None:
    sentence = refused(separate_corpus, tmp_path / "run", "--mhe-share-input-embeddings")
    assert "--mhe-share-input-embeddings needs a joined dictionary" in sentence


def test_translating_a_language_pair_that_the_folder_lacks(trained: Any) -> None:
    run = trained("product")
    languages = ["--source-lang", "xx", "--target-lang", "zz"]
    sentence = refusal(generate.cli_main, *decoding_arguments(run.data, run.checkpoint), *languages)
    assert "language 'zz' is not in this data folder" in sentence
