"""A trained document classifier and everything it needs: one folder, loaded with one call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from scipy import sparse
from torch import Tensor

from mhe_nmt.files import replacing, replacing_folder
from vision_xmc.common.errors import UsageError
from vision_xmc.common.files import write_json
from vision_xmc.engine import checkpoint
from vision_xmc.xmc.blueprint import FORMAT, Blueprint, read_blueprint
from vision_xmc.xmc.classifier import DocumentClassifier
from vision_xmc.xmc.data.files import Documents, num_documents, read_lines
from vision_xmc.xmc.data.inputs import Preparation
from vision_xmc.xmc.neighbours import Neighbours, best_distinct, voted_labels, votes_of

ABOUT, LABELS, INPUT, WEIGHTS = "model.json", "labels.txt", "input", "model.safetensors"
NEIGHBOURS = "neighbours"
"""Subfolder with the training documents that vote together with the network, if the model has one."""


def write_about(
    folder: Path, blueprint: Blueprint, label_lines: Iterable[str], save_input: Callable[[Path], None]
) -> None:
    """Writes everything except the weights to the folder of a run or of an exported model."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / LABELS) as partial:
        partial.write_text("".join(f"{line}\n" for line in label_lines), encoding="utf-8")
    save_input(folder / INPUT)
    write_json(folder / ABOUT, blueprint.as_plain())


class XmcModel:
    """A classifier together with the preparation of its inputs and its labels.

    Attributes:
        blueprint: what the classifier is made of.
        classifier: the network, in evaluation mode.
        preparation: turns texts, or rows of numbers, into the network's inputs.
        labels: label ids, by number.
        names: names to show, by number; empty where a label has none.
        neighbours: training documents that vote together with the network, or ``None``.
        folder: where the model was loaded from.
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
        """The device that holds the weights."""
        return next(self.classifier.parameters()).device

    @torch.no_grad()
    def batches(self, documents: Documents, batch_size: int = 64) -> Iterator[tuple[list[int], Tensor]]:
        """Features in batches of documents of similar length: document numbers, and features ``(n, d)``."""
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
            k: from 1 to the number of labels.
            candidates: see :meth:`mhe_nmt.heads.MultiLabelHead.topk`.
            batch_size: documents per batch.

        Raises:
            UsageError: if the documents are not of the kind that the model was trained on.
            ValueError: for ``k`` or ``candidates`` out of range.
        """
        if self.neighbours is not None:
            votes = self.neighbours.votes(documents)
            considered, probability, voted = self.considered(documents, k, votes, candidates, batch_size)
            values, labels = best_distinct(self.neighbours.mixed(probability, voted), considered, k)
            return values.log(), labels
        count = num_documents(documents)
        scores, labels = torch.zeros(count, k), torch.zeros(count, k, dtype=torch.int64)
        for numbers, features in self.batches(documents, batch_size):
            batch_scores, batch_labels = self.classifier.head.topk(features, k, candidates)
            scores[numbers], labels[numbers] = batch_scores.float().cpu(), batch_labels.cpu()
        return scores, labels

    def considered(
        self,
        documents: Documents,
        k: int,
        votes: sparse.csr_array,
        candidates: int | None = None,
        batch_size: int = 64,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All labels that can be among the ``k`` best when the neighbours vote together with the network.

        These are the network's ``k`` best labels and the labels with votes. Any other label scores below the
        network's ``k`` best, whatever the weight.

        Args:
            documents, k, candidates, batch_size: as for :meth:`predict`.
            votes: ``(N, V)``, from :meth:`vision_xmc.xmc.neighbours.Neighbours.votes`.

        Returns:
            Labels ``(N, M)`` int64, some of them repeated; the network's probabilities of them, and the
            neighbours' probabilities of them, ``(N, M)`` float32 each.
        """
        with_votes = voted_labels(votes)
        labels = torch.cat((torch.zeros(len(with_votes), k, dtype=torch.int64), with_votes), -1)
        probability = torch.zeros(labels.shape)
        for numbers, features in self.batches(documents, batch_size):
            labels[numbers, :k] = self.classifier.head.topk(features, k, candidates)[1].cpu()
            probability[numbers] = self._network_probability(features, labels[numbers])
        return labels, probability, votes_of(votes, labels)

    @torch.no_grad()
    def probability(self, documents: Documents, labels: Tensor, batch_size: int = 64) -> Tensor:
        """Probability that each document has the given labels: ``(N, K)`` int64 to float32, on the CPU."""
        by_network = torch.zeros(labels.shape)
        for numbers, features in self.batches(documents, batch_size):
            by_network[numbers] = self._network_probability(features, labels[numbers])
        if self.neighbours is None:
            return by_network
        return self.neighbours.mixed(by_network, votes_of(self.neighbours.votes(documents), labels))

    def _network_probability(self, features: Tensor, labels: Tensor) -> Tensor:
        return self.classifier.head.score(features, labels.to(features.device)).float().exp().cpu()

    def export(self, folder: Path) -> None:
        """Writes the model to ``folder``: weights as safetensors, and whatever else :func:`load_model` needs.

        Raises:
            UsageError: if the folder exists and is not empty.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} already exists; give another --output")
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
    """Loads a trained or exported model, onto the CPU.

    Args:
        folder: ``--output`` of a training or of ``export``.
        weights: name of the weights file in the folder. Default: the exported file, else ``best.pt``, else
            ``last.pt``.

    Raises:
        UsageError: if the folder does not hold a complete model.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise UsageError(
            f"{folder} holds no trained model ({ABOUT} is missing); name the --output folder of a training"
        )
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise UsageError(
            f"{folder / ABOUT} has format {about.get('format')}, but this version reads format {FORMAT}; "
            "train the model again"
        )
    try:
        blueprint = read_blueprint(about)
    except KeyError as error:
        raise UsageError(
            f"{folder / ABOUT} has no entry {error}; copy the whole folder of the training again"
        ) from None
    choices = [weights] if weights else [WEIGHTS, checkpoint.BEST, checkpoint.LAST]
    path = next((folder / name for name in choices if (folder / name).is_file()), folder / choices[-1])
    content = {"model": load_file(path)} if path.suffix == ".safetensors" else checkpoint.load(path)
    classifier = blueprint.build(content["model"].get("head.codec.order"))
    checkpoint.load_weights(classifier, content, path)
    return XmcModel(blueprint, classifier, blueprint.encoder.load_preparation(folder / INPUT), folder)
