"""A trained classifier of documents with all that it needs: one folder, loaded with one call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from scipy import sparse
from torch import Tensor

from mhe_nmt import MultiLabelCascade, OneVsAllHead
from mhe_nmt.files import replacing, replacing_folder
from mhe_nmt.heads import MultiLabelHead
from vision_xmc.common.errors import UsageError
from vision_xmc.common.files import write_json
from vision_xmc.engine import checkpoint
from vision_xmc.xmc.classifier import DocumentClassifier
from vision_xmc.xmc.data.files import Documents, num_documents, read_lines
from vision_xmc.xmc.data.inputs import Preparation, load_preparation
from vision_xmc.xmc.encoders import BagOfWordsEncoder, TransformerEncoder, build_transformer
from vision_xmc.xmc.neighbours import Neighbours, best_distinct, voted_labels, votes_of
from vision_xmc.xmc.options import EncoderOptions, LabelHeadOptions

FORMAT = 2
ABOUT, LABELS, INPUT, WEIGHTS = "model.json", "labels.txt", "input", "model.safetensors"
NEIGHBOURS = "neighbours"
"""Folder of the training documents that vote along, where there is one."""


@dataclass(frozen=True)
class Blueprint:
    """What a classifier is, but for its weights, label order and files, in plain types.

    Attributes:
        num_labels: ``V``.
        encoder: ``"bow"`` or ``"transformer"``.
        features, layers, pooling: of the encoder.
        config: of a transformer.
        max_len: tokens of a text.
        num_terms: of a bag of words.
        given_rows: the documents are rows of numbers, not texts.
        dropout, term_dropout: in training.
        radices: of the cascade, ``None`` for one-vs-all.
        candidates, hidden_dim, sparse_labels: of the head.
    """

    num_labels: int
    encoder: str
    layers: int
    pooling: str
    features: int
    config: dict[str, Any] | None
    max_len: int | None
    num_terms: int | None
    given_rows: bool
    dropout: float
    term_dropout: float
    radices: list[int] | None
    candidates: int
    hidden_dim: int | None
    sparse_labels: bool
    format: int = FORMAT


def build_head(blueprint: Blueprint, in_features: int, order: Tensor | None) -> MultiLabelHead:
    """The output head.

    Raises:
        UsageError: for radices and the like that do not fit.
    """
    try:
        if blueprint.radices is None:
            return OneVsAllHead(in_features, blueprint.num_labels, hidden_features=blueprint.hidden_dim)
        return MultiLabelCascade(
            in_features,
            blueprint.num_labels,
            radices=blueprint.radices,
            order=order,
            hidden_features=blueprint.hidden_dim,
            candidates=blueprint.candidates,
            sparse=blueprint.sparse_labels,
        )
    except ValueError as error:
        raise UsageError(f"the output head: {error}") from error


def build_classifier(
    blueprint: Blueprint, order: Tensor | None = None, transformer: Any = None
) -> DocumentClassifier:
    """The network; with random weights but for ``transformer``, a pretrained one, where it is given."""
    encoder: TransformerEncoder | BagOfWordsEncoder
    if blueprint.encoder == "bow":
        assert blueprint.num_terms is not None
        encoder = BagOfWordsEncoder(blueprint.num_terms, blueprint.features, blueprint.term_dropout)
    else:
        if transformer is None:
            assert blueprint.config is not None
            transformer = build_transformer(blueprint.config)
        encoder = TransformerEncoder(transformer, blueprint.pooling, blueprint.layers)
    return DocumentClassifier(encoder, build_head(blueprint, encoder.out_features, order), blueprint.dropout)


def write_about(
    folder: Path, blueprint: Blueprint, label_lines: Iterable[str], save_input: Callable[[Path], None]
) -> None:
    """Writes everything but the weights to a run's or an exported model's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / LABELS) as partial:
        partial.write_text("".join(f"{line}\n" for line in label_lines), encoding="utf-8")
    save_input(folder / INPUT)
    write_json(folder / ABOUT, vars(blueprint))


class XmcModel:
    """A classifier with its inputs and labels.

    Attributes:
        blueprint: what it is.
        classifier: in evaluation mode.
        preparation: from texts, or rows of numbers, to inputs.
        labels: ids, by number.
        names: names to show, by number; empty where there is none.
        neighbours: training documents that vote along, or ``None``.
        folder: where it was loaded from.
    """

    def __init__(
        self, blueprint: Blueprint, classifier: DocumentClassifier, preparation: Preparation, folder: Path
    ) -> None:
        self.blueprint, self.classifier = blueprint, classifier.eval()
        self.preparation, self.folder = preparation, folder
        lines = [line.split("\t") for line in read_lines(folder / LABELS)]
        self.labels = [line[0] for line in lines]
        self.names = [line[1] if len(line) > 1 else "" for line in lines]
        remembered = folder / NEIGHBOURS
        self.neighbours = Neighbours.load(remembered) if remembered.is_dir() else None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.classifier.parameters()).device

    @torch.no_grad()
    def batches(self, documents: Documents, batch_size: int = 64) -> Iterator[tuple[list[int], Tensor]]:
        """Features of all documents, a batch of like length at a time: their numbers, and ``(n, d)``."""
        inputs = self.preparation.inputs(documents)
        order = (
            range(len(inputs)) if inputs.lengths is None else inputs.lengths.argsort(kind="stable").tolist()
        )
        for start in range(0, len(inputs), batch_size):
            numbers = list(order[start : start + batch_size])
            batch = inputs.collate([inputs[number] for number in numbers])
            yield numbers, self.classifier(*(part.to(self.device) for part in batch))

    def predict(
        self, documents: Documents, k: int = 5, *, candidates: int | None = None, batch_size: int = 64
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and numbers of each document's ``k`` best labels, ``(N, k)`` each, on the CPU.

        Args:
            documents: texts; or a sparse matrix, for a model that was trained on one.
            k: at most the number of labels.
            candidates: see :meth:`mhe_nmt.heads.MultiLabelHead.topk`.
            batch_size: documents at a time.
        """
        if self.neighbours is not None:
            votes = self.neighbours.votes(documents)
            found, probability, voted = self.considered(documents, k, votes, candidates, batch_size)
            values, labels = best_distinct(self.neighbours.mixed(probability, voted), found, k)
            return values.log(), labels
        count = num_documents(documents)
        scores, labels = torch.zeros(count, k), torch.zeros(count, k, dtype=torch.int64)
        for numbers, features in self.batches(documents, batch_size):
            found_scores, found = self.classifier.head.topk(features, k, candidates)
            scores[numbers], labels[numbers] = found_scores.float().cpu(), found.cpu()
        return scores, labels

    def considered(
        self,
        documents: Documents,
        k: int,
        votes: sparse.csr_array,
        candidates: int | None = None,
        batch_size: int = 64,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All labels that can be among the ``k`` best when neighbours vote along.

        These are the network's ``k`` best and those that have votes: a label without votes that is not among
        the former has ``k`` better ones there, whatever the weight.

        Args:
            votes: of :meth:`vision_xmc.xmc.neighbours.Neighbours.votes`.

        Returns:
            Labels ``(N, M)``, some of them repeated; the network's probabilities; the neighbours'.
        """
        also = voted_labels(votes)
        labels = torch.cat((torch.zeros(len(also), k, dtype=torch.int64), also), -1)
        probability = torch.zeros(labels.shape)
        for numbers, features in self.batches(documents, batch_size):
            labels[numbers, :k] = self.classifier.head.topk(features, k, candidates)[1].cpu()
            probability[numbers] = self._network_probability(features, labels[numbers])
        return labels, probability, votes_of(votes, labels)

    @torch.no_grad()
    def probability(self, documents: Documents, labels: Tensor, batch_size: int = 64) -> Tensor:
        """That the documents have the given labels: ``(N, K)`` int64 to ``(N, K)``, on the CPU."""
        found = torch.zeros(labels.shape)
        for numbers, features in self.batches(documents, batch_size):
            found[numbers] = self._network_probability(features, labels[numbers])
        if self.neighbours is None:
            return found
        return self.neighbours.mixed(found, votes_of(self.neighbours.votes(documents), labels))

    def _network_probability(self, features: Tensor, labels: Tensor) -> Tensor:
        return self.classifier.head.score(features, labels.to(features.device)).float().exp().cpu()

    def export(self, folder: Path) -> None:
        """Writes the model to ``folder``: weights as safetensors, and what else :func:`load_model` needs.

        Raises:
            UsageError: if the folder is there and not empty.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is there already; give another --output")
        lines = (
            f"{label}\t{name}" if name else label for label, name in zip(self.labels, self.names, strict=True)
        )
        weights = {name: value.contiguous() for name, value in self.classifier.state_dict().items()}
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(folder) as partial:
            write_about(partial, self.blueprint, lines, self.preparation.save)
            if self.neighbours is not None:
                self.neighbours.save(partial / NEIGHBOURS)
            save_file(weights, partial / WEIGHTS)


def load_model(folder: Path | str, weights: str | None = None) -> XmcModel:
    """The model in a run's folder or an exported one, on the CPU.

    Args:
        folder: ``--output`` of a training or of ``export``.
        weights: which file of it; default: exported ones, else ``best.pt``, else ``last.pt``.

    Raises:
        UsageError: if there is no whole model in it.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise UsageError(
            f"{folder} holds no trained model ({ABOUT} is missing); give the --output of a training"
        )
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise UsageError(f"{folder / ABOUT} is of format {about.get('format')}; this version reads {FORMAT}")
    blueprint = Blueprint(**about)
    choices = [weights] if weights else [WEIGHTS, checkpoint.BEST, checkpoint.LAST]
    path = next((folder / name for name in choices if (folder / name).is_file()), folder / choices[-1])
    content = {"model": load_file(path)} if path.suffix == ".safetensors" else checkpoint.load(path)
    classifier = build_classifier(blueprint, content["model"].get("head.codec.order"))
    checkpoint.load_weights(classifier, content, path)
    rows = blueprint.num_terms if blueprint.given_rows else None
    preparation = load_preparation(folder / INPUT, blueprint.encoder, blueprint.max_len, rows)
    return XmcModel(blueprint, classifier, preparation, folder)


def radices_of(options: LabelHeadOptions, num_labels: int) -> list[int] | None:
    """Group count and group size that the options mean; ``None`` for one-vs-all.

    Raises:
        UsageError: for more groups than labels and the like.
    """
    if options.num_groups == 0:
        return None
    try:
        head = MultiLabelCascade(
            1, num_labels, num_groups=options.num_groups, radices=options.radices,
            candidates=options.candidates_topk, device="meta",
        )  # fmt: skip
    except ValueError as error:
        name = "--radices" if options.radices else "--num-groups"
        raise UsageError(f"{name}: {error}") from error
    return list(head.codec.radix_list)


def default_layers(options: EncoderOptions, pooling: str, depth: int) -> int:
    """How many layers' features are taken: the paper's five, and the last one of averaged tokens."""
    return options.feature_layers or (1 if pooling == "mean" else min(5, depth))
