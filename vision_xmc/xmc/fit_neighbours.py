"""``neighbours DIR``: gives a trained classifier its training documents as a memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from scipy import sparse

from mhe_nmt.files import replacing_folder
from vision_xmc.common.errors import UsageError, run_command
from vision_xmc.common.options import Parser, from_plain, require
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


def neighbours(program: str, arguments: Sequence[str]) -> int:
    """Runs ``neighbours DIR``; returns the exit status."""
    parser = Parser(
        prog=program,
        description="Lets the training documents most similar to a new one vote for their labels, together "
        "with a trained model. From then on, the model's predictions use these votes.",
    )
    # fmt: off
    parser.add_argument("model", type=Path, metavar="DIR", help="output folder of a training")
    parser.add_argument("--count", type=int, metavar="K",
        help=f"neighbours per document (default: {Voting.count})")
    parser.add_argument("--power", type=float, metavar="P",
        help=f"a neighbour's vote is its cosine to this power (default: {Voting.power:g})")
    parser.add_argument("--characters", type=int, metavar="N",
        help=f"compare texts by words and by runs of N characters within words; 0 compares words only, which "
        f"takes a sixth of the memory and time (default: {CHARACTERS})")
    parser.add_argument("--weight", type=float, metavar="X",
        help=f"weight of the neighbours, from 0 to 1 (default: the one with the best {CHOSEN_BY} on the "
        "validation part)")
    parser.add_argument("--data-path", type=Path, metavar="DIR",
        help="folder of the data set, if it has moved since the training")
    parser.add_argument("--output", type=Path, metavar="DIR",
        help="export the model together with its memory to this new folder, and leave DIR unchanged")
    # fmt: on
    given = vars(parser.parse_args(arguments))
    return run_command(program, lambda: _remember(given))


def _remember(given: dict[str, Any]) -> None:
    count, power = given.get("count", Voting.count), given.get("power", Voting.power)
    weight = given.get("weight")
    require(count >= 1, f"--count must be at least 1, got {count}")
    require(power > 0, f"--power must be above 0, got {power:g}")
    require(weight is None or 0 <= weight <= 1, f"--weight must be from 0 to 1, got {weight}")
    characters = given.get("characters", CHARACTERS)
    require(characters >= 0, f"--characters must be at least 0, got {characters}")
    model = load_model(given["model"])
    if isinstance(model.preparation, RowPreparation) and "characters" in given:
        raise UsageError(
            f"--characters is for texts, but {model.folder} was trained on bags of words; leave it out"
        )
    data, cache = _data(given, model)
    memory = _memory(model, data.train, cache, Voting(count, power), characters)
    if weight is None:
        if data.valid is None:
            raise UsageError(
                f"{model.folder} was trained without a validation part, so the neighbours' weight cannot be "
                "chosen on one; give --weight"
            )
        weight = _chosen_weight(model, memory, data.valid)
    memory.voting = replace(memory.voting, weight=weight)
    if "output" in given:
        model.neighbours = memory
        model.export(given["output"])
        folder = given["output"]
    else:
        folder = model.folder / NEIGHBOURS
        with replacing_folder(folder) as partial_folder:
            memory.save(partial_folder)
    print(f"{len(data.train):,} training documents stored in {folder}; weight of the neighbours: {weight:g}")


def _data(given: dict[str, Any], model: XmcModel) -> tuple[XmcData, Path]:
    """The data set of the training, split as it was then, and its cache folder."""
    path = model.folder / "options.json"
    if not path.is_file():
        raise UsageError(
            f"{model.folder} is not the output folder of a training: {path.name} is missing; name the folder "
            "of the training, not of an export"
        )
    stored = json.loads(path.read_text(encoding="utf-8"))
    if "data_path" in given:
        stored["data_path"] = str(given["data_path"])
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
