"""Losses of the first updates of every output layer, which no change should move: `python -m
examples.golden_losses`.

It rewrites tests/examples/golden_losses.json; a commit that does so has to explain why the losses changed.
The text is a fixed part of the demo's corpus, word by word; the model is tiny, in float32, on one thread.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.harness.process import ROOT, USER_DIR
from benchmarks.harness.results import write_whole

from .demo.corpus import SIDES, make_pairs
from .demo.patterns import PATTERNS, SLOT_NAME
from .demo.step_time import new_trainer, some_batches

GOLDEN = ROOT / "tests" / "examples" / "golden_losses.json"
UPDATES = 20
PAIRS = 500

_ORDER = "--mhe-radices 51,52 --mhe-label-order random --mhe-order-seed 1"
_TIED = "--share-all-embeddings"
_INPUTS = "--mhe-share-input-embeddings"

# Every option that matters is given, so that another default changes nothing here.
HEADS = {
    "onehot": f"--mhe-head onehot {_TIED}",
    "product": f"--mhe-head product {_ORDER} --mhe-groups 1 {_INPUTS}",
    "product-4-groups": f"--mhe-head product {_ORDER} --mhe-groups 4 --mhe-group-form mixture {_INPUTS}",
    "cascade-table": f"--mhe-head cascade {_ORDER} --mhe-conditioning table --mhe-prototypes 1 {_TIED}",
    "cascade-digit": f"--mhe-head cascade {_ORDER} --mhe-conditioning digit --mhe-hidden-dim 32 {_INPUTS}",
    "sampling": (
        f"--mhe-head sampling {_ORDER} --mhe-sample-fraction 0.25 --mhe-sample-by counts"
        f" --mhe-sample-beside targets --mhe-sample-unit label {_TIED}"
    ),
}

_TRAINING = (
    "--dataset-impl raw --arch transformer_mhe_tiny --dropout 0 --attention-dropout 0 --activation-dropout 0"
    " --encoder-layers 1 --encoder-embed-dim 32 --encoder-ffn-embed-dim 64 --encoder-attention-heads 2"
    " --decoder-layers 1 --decoder-embed-dim 32 --decoder-ffn-embed-dim 64 --decoder-attention-heads 2"
    " --encoder-normalize-before --decoder-normalize-before --decoder-output-dim 32"
    " --criterion mhe_ce --label-smoothing 0.1 --max-tokens 400 --optimizer adam --clip-norm 1.0"
    " --lr 0.005 --lr-scheduler fixed --warmup-updates 5 --num-workers 0 --seed 1"
)

# Slots whose words are the corpus's own, and none of CLDR's, which change with Babel's version.
_OWN_WORDS = {
    "person", "full_name", "village", "street", "few", "numeral", "year_in_words", "floor", "fraction",
    "clock", "ride", "ware", "adverb", "comparative",
}  # fmt: skip


def losses() -> dict[str, list[float]]:
    """Bits per word of each update, by output layer."""
    with tempfile.TemporaryDirectory() as folder:
        _write_data(Path(folder))
        return {name: _train(Path(folder), flags) for name, flags in HEADS.items()}


def _train(data: Path, flags: str) -> list[float]:
    arguments = [str(data), "--user-dir", str(USER_DIR), "-s", SIDES[0], "-t", SIDES[1]]
    trainer = new_trainer([*arguments, *flags.split(), *_TRAINING.split()])
    return [float(trainer.train_step([batch])["loss"]) for batch in some_batches(trainer, UPDATES)]


def _write_data(folder: Path) -> None:
    """A folder of plain text that fairseq reads, with one dictionary for both languages."""
    patterns = tuple(
        pattern for pattern in PATTERNS if all(_is_own(name) for name, _ in SLOT_NAME.findall(pattern[0]))
    )
    pairs = make_pairs(PAIRS, seed=1, patterns=patterns)
    counts = Counter(word for pair in pairs for sentence in pair for word in sentence.split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    dictionary = "".join(f"{word} {counts[word]}\n" for word in words)
    for side, language in enumerate(SIDES):
        (folder / f"dict.{language}.txt").write_text(dictionary, encoding="utf-8")
        text = "".join(pair[side] + "\n" for pair in pairs)
        (folder / f"train.{SIDES[0]}-{SIDES[1]}.{language}").write_text(text, encoding="utf-8")


def _is_own(slot: str) -> bool:
    return slot in _OWN_WORDS or "." in slot or slot.startswith(("make_", "meet_", "tour_"))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.golden_losses", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "--output", type=Path, default=GOLDEN, metavar="FILE",
        help="default: tests/examples/golden_losses.json",
    )  # fmt: skip
    options = parser.parse_args()
    # Here and not above: `--help` should not wait for it.
    import torch

    torch.set_num_threads(1)
    write_whole(options.output, json.dumps(losses(), indent=1) + "\n")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
