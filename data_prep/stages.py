"""The four stages of ``prepare``: each writes into a scratch folder and returns facts for the manifest."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from data_prep.binarise import binarise
from data_prep.clean import Cleaner, HeldOut, PairKey
from data_prep.dictionary import write_dictionary
from data_prep.errors import PrepError
from data_prep.inputs import ParallelFiles
from data_prep.lines import Tally, read_lines
from data_prep.manifest import Manifest
from data_prep.moses import moses_tokenizer
from data_prep.options import PrepareOptions
from data_prep.split import HoldOut, choose_hold_out
from data_prep.subword import SubwordCodec, train_subword_model

FAIRSEQ_MAX_POSITIONS = 1024
T = TypeVar("T")


@dataclass
class Job:
    """What every stage needs to know."""

    files: dict[str, ParallelFiles]
    options: PrepareOptions
    manifest: Manifest
    quiet: bool
    lock: int

    @property
    def destdir(self) -> Path:
        """The output folder."""
        return self.manifest.destdir

    @property
    def drawn_splits(self) -> dict[str, int | None]:
        """Splits that are drawn from the training text, with their sizes."""
        sizes = {"valid": self.options.valid_size, "test": self.options.test_size}
        return {split: size for split, size in sizes.items() if split not in self.files and size != 0}

    @property
    def splits(self) -> list[str]:
        """All splits of the output, training first."""
        return [*self.files, *self.drawn_splits]

    def bar(self, items: Iterable[T], what: str, total: int) -> Iterable[T]:
        """A progress bar on stderr, if that is a terminal."""
        return tqdm(
            items, what, total, leave=False, unit=" lines", unit_scale=True, disable=self.quiet or None
        )

    def input_pairs(self, split: str, what: str) -> Iterable[tuple[str, str]]:
        """The pairs of an input split, under a progress bar."""
        total = self.manifest.content["inputs"][f"{split}.{self.options.source_lang}"]["lines"]
        return self.bar(self.files[split].pairs(), what, total)

    @property
    def pairs(self) -> dict[str, int]:
        """Pairs of every split after cleaning."""
        return self.manifest.stages["clean"]["pairs"]


Stage = Callable[[Job, Path], dict[str, Any]]
"""Writes into the scratch folder and returns facts for the manifest."""


def clean(job: Job, work: Path) -> dict[str, Any]:
    """Filters the training pairs, draws hold-outs from them and writes ``raw/SPLIT.LANG``."""
    held_out = HeldOut()
    with ExitStack() as stack:
        (work / "raw").mkdir()
        writers = {
            split: stack.enter_context(PairWriter(work / "raw" / split, job.options.languages))
            for split in job.splits
        }
        for split in job.files:
            if split != "train":
                for source, target in job.input_pairs(split, f"read {split}"):
                    held_out.add(PairKey.of(source, target))
                    writers[split].write(source, target)
        drawn = HoldOut()
        if job.drawn_splits:
            distinct = _cleaner(job, held_out, keep_duplicates=False)
            pairs = distinct(job.input_pairs("train", "draw hold-out"))
            drawn = choose_hold_out(pairs, job.drawn_splits, job.options.seed)
        cleaner = _cleaner(job, held_out, keep_duplicates=job.options.keep_duplicates)
        dropped = {**cleaner.dropped, "shares_held_out_sentence": Tally()}
        for pair in cleaner(job.input_pairs("train", "clean train")):
            split = drawn.split_of_line.get(pair.line_number, "train")
            if split == "train" and drawn.sentences.shares_sentence(pair.key):
                dropped["shares_held_out_sentence"].add(pair.line_number)
            else:
                writers[split].write(pair.source, pair.target)
    counts = {split: writer.count for split, writer in writers.items()}
    if counts["train"] == 0:
        reasons = ", ".join(f"{name} {tally.count}" for name, tally in dropped.items() if tally.count)
        raise PrepError(
            f"no training pair of {job.files['train'].source} and {job.files['train'].target} is left after "
            f"cleaning (dropped: {reasons}); loosen the filters or look at the files"
        )
    return {"pairs": counts, "dropped": {name: asdict(tally) for name, tally in dropped.items()}}


def _cleaner(job: Job, held_out: HeldOut, *, keep_duplicates: bool) -> Cleaner:
    return Cleaner(
        max_words=job.options.max_words,
        max_ratio=job.options.max_ratio,
        keep_duplicates=keep_duplicates,
        overlap=job.options.overlap,
        held_out=held_out,
    )


class PairWriter:
    """Writes ``PREFIX.LANG`` for both languages side by side."""

    def __init__(self, prefix: Path, languages: tuple[str, str]) -> None:
        paths = [Path(f"{prefix}.{lang}") for lang in languages]
        with ExitStack() as stack:
            self._streams = [
                stack.enter_context(path.open("w", encoding="utf-8", newline="\n")) for path in paths
            ]
            self._open = stack.pop_all()
        self.count = 0

    def __enter__(self) -> "PairWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def write(self, source: str, target: str) -> None:
        """Write one pair."""
        for stream, line in zip(self._streams, (source, target), strict=True):
            stream.write(line + "\n")
        self.count += 1


def subword(job: Job, work: Path) -> dict[str, Any]:
    """Trains the SentencePiece models on the cleaned training text."""
    models = job.options.models
    for name in dict.fromkeys(models.values()):
        languages = [lang for lang in models if models[lang] == name]
        total = job.pairs["train"] * len(languages)
        lines = job.bar(_training_text(job, languages), f"train {name}", total)
        model = train_subword_model(lines, job.options, f"the cleaned {'+'.join(languages)} training text")
        (work / name).write_bytes(model)
    return {"models": models}


def _training_text(job: Job, languages: list[str]) -> Iterator[str]:
    for lang in languages:
        lines = read_lines(job.destdir / "raw" / f"train.{lang}")
        yield from map(moses_tokenizer(lang), lines) if job.options.moses else lines


def encode(job: Job, work: Path) -> dict[str, Any]:
    """Writes the pieces of every line, ``text/SPLIT.LANG``, and fairseq's dictionaries of them."""
    (work / "text").mkdir()
    facts = {}
    codecs = {
        lang: SubwordCodec(job.destdir / model, lang, moses=job.options.moses)
        for lang, model in job.options.models.items()
    }
    counts: dict[str, Counter[str]] = {model: Counter() for model in job.options.models.values()}
    for lang, codec in codecs.items():
        for split in job.splits:
            name = f"{split}.{lang}"
            lengths = EncodedLengths()
            with (work / "text" / name).open("w", encoding="utf-8", newline="\n") as out:
                raw = read_lines(job.destdir / "raw" / name)
                for line in job.bar(raw, f"encode {name}", job.pairs[split]):
                    pieces = codec.encode(line)
                    lengths.add(len(pieces))
                    if split == "train":
                        counts[job.options.models[lang]].update(pieces)
                    out.write(" ".join(pieces) + "\n")
            facts[name] = asdict(lengths)
    for lang, codec in codecs.items():
        write_dictionary(work / f"dict.{lang}.txt", codec.vocabulary(), counts[job.options.models[lang]])
    if job.options.dictionary_order == "frequency":
        return {"text": facts}
    # Needs torch, scipy and scikit-learn, which take seconds to import.
    from data_prep.order import order_dictionaries

    return {"text": facts, "dictionary": order_dictionaries(work, job.options)}


@dataclass
class EncodedLengths:
    """Pieces in a text and in its longest line, and lines too long for fairseq's default limits."""

    pieces: int = 0
    longest: int = 0
    over_fairseq_limit: int = 0

    def add(self, length: int) -> None:
        """Count one line."""
        self.pieces += length
        self.longest = max(self.longest, length)
        self.over_fairseq_limit += (
            length >= FAIRSEQ_MAX_POSITIONS
        )  # the end-of-sentence symbol takes one position


def to_binary(job: Job, work: Path) -> dict[str, Any]:
    """Writes fairseq's binary files and checks that fairseq counted the same sentences."""
    for _ in job.bar(["fairseq-preprocess"], "binarise", 1):
        facts = binarise(job.destdir, work, job.options, list(job.pairs), job.lock)
    for split, pairs in job.pairs.items():
        for lang in job.options.languages:
            counted = facts[f"{split}.{lang}"]["sentences"]
            if counted != pairs:
                raise PrepError(
                    f"fairseq-preprocess counted {counted} sentences in {job.destdir}/text/{split}.{lang}, "
                    f"not {pairs}; this fairseq reads lines differently, so its data cannot be trusted"
                )
    return {"text": facts}


STAGES: dict[str, Stage] = {
    "clean": clean,
    "subword": subword,
    "encode": encode,
    "binarise": to_binary,
}
"""In their order: each works on the output of those before it."""
