"""The commands on trained classifiers: ``predict``, ``ensemble``, ``export``, and the table of them all."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import torch
from torch import Tensor

from mhe_nmt.files import replacing
from mhe_nmt.options import Parser, add_options, build, option
from vision_xmc.common.errors import UsageError, require, run_command
from vision_xmc.xmc.data.files import Documents, num_documents, read_json_texts, read_lines, read_matrix
from vision_xmc.xmc.data.label_sets import LabelSets
from vision_xmc.xmc.fit_neighbours import neighbours
from vision_xmc.xmc.metrics import KS, ranking_means, ranking_sums
from vision_xmc.xmc.model import XmcModel, load_model
from vision_xmc.xmc.neighbours import best_distinct

#: Documents that are predicted and written at a time.
_CHUNK = 2048


@dataclass(frozen=True)
class PredictionOptions:
    """Predictions."""

    # fmt: off
    texts: Path | None = option(None, "documents: one text per line; .jsonl with a text in each object; .npz "
        "for models that were trained on bags of words", metavar="FILE")
    labels: Path | None = option(None, "true labels, one document per line; the metrics are printed as well",
        metavar="FILE")
    output: Path | None = option(None, "file to write (default: standard output)", metavar="FILE")
    top: int = option(5, "labels per document", metavar="K")
    batch_size: int = option(64, "documents per batch", metavar="N")
    device: Literal["auto", "cpu"] = option("auto", "auto uses a GPU if there is one, cpu never does")
    # fmt: on

    def __post_init__(self) -> None:
        require(self.texts is not None, "--texts is missing; name the file of documents")
        require(self.batch_size >= 1, f"--batch-size must be at least 1, got {self.batch_size}")


def _predict_parser(program: str, models: Literal[1, "+"]) -> argparse.ArgumentParser:
    parser = Parser(prog=program, description="Writes the best labels of documents, as JSON lines.")
    parser.add_argument(
        "models", nargs=models, type=Path, metavar="DIR", help="output folder of a training or of export"
    )
    add_options(parser, PredictionOptions)
    return parser


def predict(program: str, arguments: Sequence[str]) -> int:
    """Runs ``predict DIR --texts FILE``; returns the exit status."""
    parser = _predict_parser(program, 1)
    parser.add_argument(
        "--candidates-topk", type=int, metavar="K",
        help="search the K best groups only, as the paper does (default: the search is exact)",
    )  # fmt: skip
    given = vars(parser.parse_args(arguments))
    candidates = given.get("candidates_topk")

    def by_one(models: list[XmcModel], documents: Documents, k: int, size: int) -> tuple[Tensor, Tensor]:
        return models[0].predict(documents, k, candidates=candidates, batch_size=size)

    def run() -> None:
        require(
            candidates is None or candidates >= 1, f"--candidates-topk must be at least 1, got {candidates}"
        )
        _write_predictions(given["models"], build(PredictionOptions, given), by_one)

    return run_command(program, run)


def ensemble(program: str, arguments: Sequence[str]) -> int:
    """Runs ``ensemble DIR DIR … --texts FILE``; returns the exit status."""
    given = vars(_predict_parser(program, "+").parse_args(arguments))
    return run_command(
        program,
        lambda: _write_predictions(given["models"], build(PredictionOptions, given), averaged),
    )


def export(program: str, arguments: Sequence[str]) -> int:
    """Runs ``export DIR --output DIR``; returns the exit status."""
    parser = Parser(
        prog=program,
        description="Writes a trained model to a folder that vision_xmc.xmc.load_model loads.",
    )
    parser.add_argument("model", type=Path, metavar="DIR", help="output folder of a training")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--weights", metavar="FILE",
        help="checkpoint in the model's folder (default: best.pt, else last.pt)")  # fmt: skip
    given = vars(parser.parse_args(arguments))

    def run() -> None:
        load_model(given["model"], given.get("weights")).export(given["output"])
        print(f"written to {given['output']}")

    return run_command(program, run)


COMMANDS: dict[str, Callable[[str, Sequence[str]], int]] = {
    "predict": predict,
    "ensemble": ensemble,
    "export": export,
    "neighbours": neighbours,
}


def averaged(models: list[XmcModel], documents: Documents, k: int, batch_size: int) -> tuple[Tensor, Tensor]:
    """The labels with the best mean of the models' probabilities.

    Each model names its ``k`` best labels; every model then scores all of these.

    Args:
        models: models with the same labels.
        documents, k, batch_size: as for :meth:`vision_xmc.xmc.model.XmcModel.predict`.

    Returns:
        Logarithms of the mean probabilities, and labels, ``(N, k)`` each, best first.
    """
    candidates = [model.predict(documents, k, batch_size=batch_size)[1] for model in models]
    named = torch.cat(candidates, dim=-1)
    total = torch.zeros(named.shape)
    for model in models:
        total += model.probability(documents, named, batch_size)
    values, labels = best_distinct(total / len(models), named, k)
    return values.log(), labels


#: From models, documents, ``k`` and batch size to log-probabilities and labels, ``(N, k)`` each.
_Predictor = Callable[[list[XmcModel], Documents, int, int], tuple[Tensor, Tensor]]


def _write_predictions(folders: Sequence[Path], options: PredictionOptions, predictor: _Predictor) -> None:
    models = [load_model(folder) for folder in folders]
    for model in models[1:]:
        require(
            model.labels == models[0].labels,
            f"{model.folder} and {models[0].folder} have different labels; name models with the same labels",
        )
    if options.device == "auto" and torch.cuda.is_available():
        for model in models:
            model.classifier.cuda()
    k, count = options.top, len(models[0].labels)
    require(1 <= k <= count, f"--top must be from 1 to the number of labels, {count:,}, got {k}")
    assert options.texts is not None
    documents, true = _read(options.texts), None
    total = num_documents(documents)
    if options.labels is not None:
        true = _true_sets(options.labels, models[0].labels, total)
    sums: dict[str, float] = {}
    with _written(options.output) as file:
        for start in range(0, total, _CHUNK):
            end = min(start + _CHUNK, total)
            scores, labels = predictor(models, documents[start:end], k, options.batch_size)
            for probabilities, best in zip(scores.exp().tolist(), labels.tolist(), strict=True):
                file.write(_line(models[0], best, probabilities))
            if true is not None:
                part = LabelSets.of([true[number] for number in range(start, end)])
                chunk_sums = ranking_sums(
                    labels, torch.from_numpy(part.labels), torch.from_numpy(part.offsets), None,
                    [cut for cut in KS if cut <= k],
                )  # fmt: skip
                sums = {name: sums.get(name, 0.0) + float(value) for name, value in chunk_sums.items()}
    if true is not None:
        stream = sys.stderr if options.output is None else sys.stdout
        print(json.dumps({"documents": total, **ranking_means(sums, total)}), file=stream)


def _line(model: XmcModel, labels: list[int], scores: list[float]) -> str:
    record: dict[str, list[object]] = {"labels": [model.labels[label] for label in labels]}
    if any(model.names):
        record["names"] = [model.names[label] or None for label in labels]
    record["scores"] = [float(f"{score:.6g}") for score in scores]
    return json.dumps(record, ensure_ascii=False) + "\n"


def _read(path: Path) -> Documents:
    if path.suffix == ".npz":
        return read_matrix(path)
    if ".json" in path.name:
        return read_json_texts(path)
    return read_lines(path)


def _true_sets(path: Path, labels: list[str], documents: int) -> LabelSets:
    sets, names = LabelSets.of_names(line.split() for line in read_lines(path))
    if len(sets) != documents:
        raise UsageError(
            f"{path} has {len(sets):,} lines but there are {documents:,} documents; write "
            "one line per document"
        )
    numbers = {label: number for number, label in enumerate(labels)}
    for name in names:
        numbers.setdefault(name, len(numbers))
    return sets.renumbered(torch.tensor([numbers[name] for name in names]).numpy(), len(numbers))


@contextmanager
def _written(path: Path | None) -> Iterator[IO[str]]:
    """Standard output if ``path`` is ``None``, otherwise a file that appears whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        yield file
