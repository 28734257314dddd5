"""``neighbours DIR``: gives a trained classifier its training documents as a memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from scipy import sparse

from mhe_nmt.files import replacing_folder
from mhe_nmt.options import Parser, add_options, build, from_plain, option
from vision_xmc.common.errors import UsageError, require, run_command
from vision_xmc.xmc.data.inputs import RowPreparation, TermPreparation
from vision_xmc.xmc.data.splits import Split, XmcData
from vision_xmc.xmc.data.terms import TermWeights
from vision_xmc.xmc.metrics import KS, ranking_means, ranking_sums
from vision_xmc.xmc.model import NEIGHBOURS, XmcModel, load_model
from vision_xmc.xmc.neighbours import Neighbours, Voting, best_distinct
from vision_xmc.xmc.options import EncoderOptions, XmcOptions
from vision_xmc.xmc.setup import load_data

WEIGHTS = tuple(step / 20 for step in range(21))
"""Weights of the neighbours that are tried on the validation part."""

CHARACTERS = 5
"""Default of ``--characters``."""

CHOSEN_BY = "nDCG@5"
"""The metric that chooses among :data:`WEIGHTS`."""


@dataclass(frozen=True)
class NeighbourOptions:
    """Neighbours."""

    # fmt: off
    count: int = option(Voting.count, "neighbours per document", metavar="K")
    power: float = option(Voting.power, "a neighbour's vote is its cosine to this power", metavar="P")
    characters: int | None = option(None, "compare texts by words and by runs of N characters within words; "
        f"0 compares words only, which takes a sixth of the memory and time (default: {CHARACTERS})",
        metavar="N")
    weight: float | None = option(None, "weight of the neighbours, from 0 to 1 (default: the one with the "
        f"best {CHOSEN_BY} on the validation part)", metavar="X")
    data_path: Path | None = option(None, "folder of the data set, if it has moved since the training",
        metavar="DIR")
    output: Path | None = option(None, "export the model together with its memory to this new folder, and "
        "leave the model's folder unchanged", metavar="DIR")
    # fmt: on

    def __post_init__(self) -> None:
        require(self.count >= 1, f"--count must be at least 1, got {self.count}")
        require(self.power > 0, f"--power must be above 0, got {self.power:g}")
        weight, characters = self.weight, self.characters
        require(weight is None or 0 <= weight <= 1, f"--weight must be from 0 to 1, got {weight}")
        require(characters is None or characters >= 0, f"--characters must be at least 0, got {characters}")


def neighbours(program: str, arguments: Sequence[str]) -> int:
    """Runs ``neighbours DIR``; returns the exit status."""
    parser = Parser(
        prog=program,
        description="Lets the training documents most similar to a new one vote for their labels, together "
        "with a trained model. From then on, the model's predictions use these votes.",
    )
    parser.add_argument("model", type=Path, metavar="DIR", help="output folder of a training")
    add_options(parser, NeighbourOptions)
    given = vars(parser.parse_args(arguments))
    return run_command(program, lambda: _remember(given["model"], build(NeighbourOptions, given)))


def _remember(folder: Path, options: NeighbourOptions) -> None:
    model = load_model(folder)
    if isinstance(model.preparation, RowPreparation) and options.characters is not None:
        raise UsageError(
            f"--characters is for texts, but {model.folder} was trained on bags of words; leave it out"
        )
    data, cache = _data(options.data_path, model)
    characters = CHARACTERS if options.characters is None else options.characters
    memory = _memory(model, data.train, cache, Voting(options.count, options.power), characters)
    weight = options.weight
    if weight is None:
        if data.valid is None:
            raise UsageError(
                f"{model.folder} was trained without a validation part, so the neighbours' weight cannot be "
                "chosen on one; give --weight"
            )
        weight = _chosen_weight(model, memory, data.valid)
    memory.voting = replace(memory.voting, weight=weight)
    if options.output is not None:
        model.neighbours = memory
        model.export(options.output)
        folder = options.output
    else:
        folder = model.folder / NEIGHBOURS
        with replacing_folder(folder) as partial_folder:
            memory.save(partial_folder)
    print(f"{len(data.train):,} training documents stored in {folder}; weight of the neighbours: {weight:g}")


def _data(data_path: Path | None, model: XmcModel) -> tuple[XmcData, Path]:
    """The data set of the training, split as it was then, and its cache folder."""
    path = model.folder / "options.json"
    if not path.is_file():
        raise UsageError(
            f"{model.folder} is not the output folder of a training: {path.name} is missing; name the folder "
            "of the training, not of an export"
        )
    stored = json.loads(path.read_text(encoding="utf-8"))
    if data_path is not None:
        stored["data_path"] = str(data_path)
    options = from_plain(XmcOptions, stored)
    data = load_data(options, print)
    if data.label_names != model.labels:
        raise UsageError(
            f"{options.path} has other labels than {model.folder} was trained on; name the data set of the "
            "training with --data-path"
        )
    return data, options.cache_dir


def _memory(model: XmcModel, train: Split, cache: Path, voting: Voting, characters: int) -> Neighbours:
    preparation = model.preparation
    if not isinstance(preparation, RowPreparation):
        texts = train.documents
        assert isinstance(texts, list)
        fitted = partial(TermWeights.fitted, texts, EncoderOptions.min_documents, cache)
        words = preparation.kinds if isinstance(preparation, TermPreparation) else (fitted(),)
        preparation = TermPreparation(*words, *([fitted(characters)] if characters else []))
    rows: sparse.csr_array = preparation.inputs(train.documents, cache).rows
    return Neighbours(preparation, rows, train.sets, len(model.labels), voting)


def _chosen_weight(model: XmcModel, memory: Neighbours, valid: Split) -> float:
    """The one of :data:`WEIGHTS` with the best :data:`CHOSEN_BY` on the validation documents."""
    k = min(max(KS), len(model.labels))
    votes = memory.votes(valid.documents)
    labels, probability, voted = model.considered(valid.documents, k, votes)
    true = [torch.from_numpy(part) for part in (valid.sets.labels, valid.sets.offsets)]
    scores = {}
    for weight in WEIGHTS:
        memory.voting = replace(memory.voting, weight=weight)
        _, best = best_distinct(memory.mixed(probability, voted), labels, k)
        sums = ranking_sums(best, true[0], true[1], None, [cut for cut in KS if cut <= k])
        means = ranking_means({name: float(value) for name, value in sums.items()}, len(valid))
        scores[weight] = means
    chosen = max(WEIGHTS, key=lambda weight: scores[weight].get(CHOSEN_BY, scores[weight][f"nDCG@{k}"]))
    for weight in (0.0, chosen, 1.0):
        shown = ", ".join(
            f"{name} {100 * scores[weight][name]:.2f}" for name in scores[weight] if name[0] == "P"
        )
        print(f"validation, weight {weight:g}: {shown}")
    return chosen
